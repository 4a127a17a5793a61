//! `initials(name TEXT) -> TEXT`: the first letters of all words, as capitals.

nyala_sdk::scalar! {
    /// The first letters of all words, as capitals. Words are parted by white space and hyphens.
    (COST 50)
    pub fn initials(name: &str; out: &mut TextWriter) {
        let mut begins = true;
        for character in name.chars() {
            if character.is_whitespace() || character == '-' {
                begins = true;
            } else if begins {
                begins = false;
                if character.is_ascii() {
                    out.push(character.to_ascii_uppercase());
                } else {
                    character.to_uppercase().for_each(|capital| out.push(capital));
                }
            }
        }
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
