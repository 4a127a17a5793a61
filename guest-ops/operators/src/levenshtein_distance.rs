//! `levenshtein_distance(one TEXT, other TEXT) -> BIGINT`: how many characters must be added, dropped or changed.
//!
//! The engine has a `levenshtein` of its own, whose name no module can take; this one is the example of how a guest does it.

nyala_sdk::scalar! {
    /// The least number of characters to add, drop or change to make one text of the other.
    (COST 500)
    pub fn levenshtein_distance(one: &str, other: &str) -> i64 {
        strsim::levenshtein(one, other) as i64
    }
}

#[cfg(test)]
mod tests {
    use super::levenshtein_distance;

    #[test]
    fn characters_are_counted_not_bytes() {
        assert_eq!(levenshtein_distance("kitten", "sitting"), 3);
        assert_eq!(levenshtein_distance("für", "fur"), 1);
        assert_eq!(levenshtein_distance("", "abc"), 3);
    }
}
