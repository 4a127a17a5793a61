//! Which fraction of rows a semi join keeps, and how many rows match at all.

use nyala_schema::Expr;

use crate::column::Columns;
use crate::estimate::{derive, distinct, selectivity};

/// An anti join is not trusted to drop everything.
const ANTI_SMALLEST: f64 = 0.02;
/// Without keys, whether a right side has a match is anyone's guess.
const UNKNOWN: f64 = 0.5;

/// The fraction of left rows that have a match among `right_rows` rows.
pub fn matched_fraction(keys: &[(Expr, Expr)], residual: &[Expr], right_rows: f64, columns: &Columns) -> f64 {
    if keys.is_empty() {
        return if residual.is_empty() { 1.0 } else { UNKNOWN };
    }
    let left: Vec<_> = keys.iter().map(|(left, _)| derive::estimate(left, columns)).collect();
    let values_left = product_capped(left.iter().map(|key| (key.distinct, key.origin_rows)));
    let right: Vec<_> = keys.iter().map(|(_, right)| derive::estimate(right, columns)).collect();
    let values_right: f64 = right.iter().map(|key| distinct::distinct_among(key, right_rows)).product();
    let values_right = values_right.clamp(1.0, right_rows.max(1.0));
    let found = if values_left.is_finite() { (values_right / values_left).min(1.0) } else { UNKNOWN };
    if residual.is_empty() {
        return found;
    }
    // Each of the rows that a key finds gets its chance.
    let candidates = (right_rows / values_right).max(1.0);
    let passed = selectivity::conjunction(residual, columns);
    found * (1.0 - (1.0 - passed).powf(candidates))
}

/// The fraction of left rows that an anti join keeps.
pub fn unmatched_fraction(matched: f64) -> f64 {
    (1.0 - matched).max(ANTI_SMALLEST)
}

fn product_capped(values: impl Iterator<Item = (f64, f64)>) -> f64 {
    let (product, rows) = values
        .fold((1.0, f64::INFINITY), |(product, rows): (f64, f64), (distinct, origin)| {
            (product * distinct, rows.min(origin))
        });
    product.min(rows)
}
