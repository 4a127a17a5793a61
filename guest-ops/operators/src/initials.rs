//! `initials(name TEXT) -> TEXT`: the first letters of all words, as capitals.

nyala_sdk::scalar! {
    /// The first letters of all words, as capitals. Words are parted by white space and hyphens.
    (COST 50)
    pub fn initials(name: &str; out: &mut TextWriter) {
        let mut begins = true;
        for character in name.chars() {
            let parts = is_parting(character);
            if begins && !parts {
                if character.is_ascii() {
                    out.push(character.to_ascii_uppercase());
                } else {
                    character.to_uppercase().for_each(|capital| out.push(capital));
                }
            }
            begins = parts;
        }
    }
}

/// Without a branch for ASCII, where most characters are neither.
#[inline(always)]
fn is_parting(character: char) -> bool {
    if character.is_ascii() {
        let code = character as u32;
        (code == u32::from(b' ')) | (code == u32::from(b'-')) | (code.wrapping_sub(9) < 5)
    } else {
        character.is_whitespace()
    }
}

#[cfg(test)]
mod tests {
    use super::initials;
    use nyala_sdk::TextWriter;

    #[test]
    fn every_word_gives_one() {
        for (name, expected) in
            [("Ada Lovelace", "AL"), ("  jean-luc  picard ", "JLP"), ("", ""), ("émile zola", "ÉZ")]
        {
            let mut out = TextWriter::default();
            initials(name, &mut out);
            assert_eq!(out.as_str(), expected);
        }
    }
}
