//! `initials(name TEXT) -> TEXT`: the first letters of all words, as capitals.

nyala_sdk::scalar! {
    /// The first letters of all words, as capitals. Words are parted by white space and hyphens.
    (COST 50)
    pub fn initials(name: &str; out: &mut TextWriter) {
        let words = name.split(|character: char| character.is_whitespace() || character == '-');
        for first in words.filter_map(|word| word.chars().next()) {
            if first.is_ascii() {
                out.push(first.to_ascii_uppercase());
            } else {
                first.to_uppercase().for_each(|character| out.push(character));
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
