//! `slugify(text TEXT) -> TEXT`: text as a part of an address: `Crème brûlée!` is `creme-brulee`.

use nyala_sdk::TextWriter;

nyala_sdk::scalar! {
    /// Letters and digits in lower case with a hyphen for all that is between them. Latin letters lose their accents, other
    /// letters stay.
    (COST 80)
    pub fn slugify(text: &str; out: &mut TextWriter) {
        let mut between = false;
        let mut begun = false;
        for character in text.chars() {
            if !character.is_alphanumeric() {
                between = begun;
                continue;
            }
            if between {
                out.push('-');
            }
            between = false;
            begun = true;
            push_plain(character, out);
        }
    }
}

fn push_plain(character: char, out: &mut TextWriter) {
    if character.is_ascii() {
        return out.push(character.to_ascii_lowercase());
    }
    for lower in character.to_lowercase() {
        match without_accent(lower) {
            Some(plain) => out.push_str(plain),
            None if lower.is_alphanumeric() => out.push(lower),
            None => {}
        }
    }
}

/// Latin letters of the blocks Latin-1 and Latin Extended-A.
fn without_accent(letter: char) -> Option<&'static str> {
    Some(match letter {
        'à'..='å' | 'ā' | 'ă' | 'ą' => "a",
        'æ' => "ae",
        'ç' | 'ć' | 'ĉ' | 'ċ' | 'č' => "c",
        'ď' | 'đ' | 'ð' => "d",
        'è'..='ë' | 'ē' | 'ĕ' | 'ė' | 'ę' | 'ě' => "e",
        'ĝ' | 'ğ' | 'ġ' | 'ģ' => "g",
        'ĥ' | 'ħ' => "h",
        'ì'..='ï' | 'ĩ' | 'ī' | 'ĭ' | 'į' | 'ı' => "i",
        'ĵ' => "j",
        'ķ' | 'ĸ' => "k",
        'ĺ' | 'ļ' | 'ľ' | 'ŀ' | 'ł' => "l",
        'ñ' | 'ń' | 'ņ' | 'ň' | 'ŋ' => "n",
        'ò'..='ö' | 'ø' | 'ō' | 'ŏ' | 'ő' => "o",
        'œ' => "oe",
        'ŕ' | 'ŗ' | 'ř' => "r",
        'ś' | 'ŝ' | 'ş' | 'š' | 'ș' => "s",
        'ß' => "ss",
        'ţ' | 'ť' | 'ŧ' | 'ț' => "t",
        'þ' => "th",
        'ù'..='ü' | 'ũ' | 'ū' | 'ŭ' | 'ů' | 'ű' | 'ų' => "u",
        'ŵ' => "w",
        'ý' | 'ÿ' | 'ŷ' => "y",
        'ź' | 'ż' | 'ž' => "z",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::slugify;
    use nyala_sdk::TextWriter;

    #[test]
    fn only_letters_digits_and_single_hyphens_are_left() {
        for (text, expected) in [
            ("Crème brûlée!", "creme-brulee"),
            ("  --Nyala 2.0: a  SQL engine-- ", "nyala-2-0-a-sql-engine"),
            ("Straße & Œuvre", "strasse-oeuvre"),
            ("Привет, мир", "привет-мир"),
            ("İstanbul", "istanbul"),
            ("!?", ""),
        ] {
            let mut out = TextWriter::default();
            slugify(text, &mut out);
            assert_eq!(out.as_str(), expected);
        }
    }
}
