//! `levenshtein(one TEXT, other TEXT) -> BIGINT`: how many characters must be added, dropped or changed.

nyala_sdk::scalar! {
    /// The least number of characters to add, drop or change to make one text of the other.
    (COST 500)
    pub fn levenshtein(one: &str, other: &str) -> i64 {
        strsim::levenshtein(one, other) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::levenshtein;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(levenshtein("kitten", "sitting"), 3);
        assert_eq!(levenshtein("für", "fur"), 1);
        assert_eq!(levenshtein("", "abc"), 3);
    }
}
