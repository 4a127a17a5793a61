//! `jaro_winkler(one TEXT, other TEXT) -> DOUBLE`: how alike two names are, from 0 to 1.

nyala_sdk::scalar! {
    /// The similarity of Jaro and Winkler, from 0 to 1: made for names, where the first letters count most.
    (COST 500)
    pub fn jaro_winkler(one: &str, other: &str) -> f64 {
        strsim::jaro_winkler(one, other)
    }
}

#[cfg(test)]
mod tests {
    use super::jaro_winkler;

    #[test]
    fn the_example_of_the_paper() {
        assert!((jaro_winkler("MARTHA", "MARHTA") - 0.9611).abs() < 1e-4);
        assert_eq!(jaro_winkler("same", "same"), 1.0);
        assert_eq!(jaro_winkler("abc", "xyz"), 0.0);
    }
}
