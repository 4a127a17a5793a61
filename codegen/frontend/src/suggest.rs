//! Near misses: which of the names that exist was probably meant.

/// The candidate that is nearest to `name`, the first of several, if it is near enough to be a slip of the hand. Case
/// does not count.
pub fn nearest<'a>(name: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let wanted = name.to_lowercase();
    let length = wanted.chars().count();
    let allowed = match length {
        0..=2 => 1,
        3..=5 => 2,
        _ => length / 3 + 1,
    };
    candidates
        .into_iter()
        .filter_map(|candidate| {
            let other = candidate.to_lowercase();
            let distance = strsim::damerau_levenshtein(&wanted, &other);
            // Two short words that share nothing are within two edits of each other too.
            let related = distance < length.max(other.chars().count()).max(2) / 2 + 1 && distance <= allowed;
            related.then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// `did you mean "x"?`
pub(crate) fn did_you_mean(candidate: &str) -> String {
    format!("did you mean {}?", quoted(candidate))
}

/// A name as messages show it.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_found_and_strangers_are_not() {
        let names = ["l_orderkey", "l_partkey", "o_orderkey", "id"];
        assert_eq!(nearest("l_oderkey", names), Some("l_orderkey"));
        assert_eq!(nearest("L_ORDERKEY", names), Some("l_orderkey"));
        assert_eq!(nearest("l_prtkey", names), Some("l_partkey"));
        assert_eq!(nearest("customer_name", names), None);
        assert_eq!(nearest("x", names), None);
        assert_eq!(nearest("", names), None);
    }
}
