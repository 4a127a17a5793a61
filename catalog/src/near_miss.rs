//! Names that were probably meant.

use nyala_schema::Error;

const SIMILARITY_MIN: f64 = 0.8;

/// Adds "did you mean" to an error, if one of the names is similar.
pub(crate) fn with_near_miss<'a>(
    error: Error,
    name: &str,
    names: impl IntoIterator<Item = &'a String>,
) -> Error {
    let scored = names.into_iter().map(|other| (strsim::jaro_winkler(other, name), other));
    match scored.max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((score, other)) if score >= SIMILARITY_MIN => {
            error.with_hint(format!("did you mean \"{other}\"?"))
        }
        _ => error,
    }
}
