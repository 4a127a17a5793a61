//! How many distinct values and groups.

use nyala_schema::Expr;

use super::{ColumnEstimate, derive};
use crate::column::Columns;

/// Distinct values of a column among `rows` of its origin's rows, picked at random.
///
/// The formula is Yao's, approximated as by Cardenas (CACM 1975).
pub fn distinct_among(estimate: &ColumnEstimate, rows: f64) -> f64 {
    sampled(estimate.distinct, estimate.origin_rows, rows).min(estimate.kept)
}

fn sampled(distinct: f64, origin_rows: f64, rows: f64) -> f64 {
    if distinct.is_infinite() || distinct <= 1.0 {
        return distinct.min(rows);
    }
    if rows >= origin_rows || origin_rows.is_infinite() {
        return distinct.min(rows);
    }
    let missed = (1.0 - rows / origin_rows).powf(origin_rows / distinct);
    (distinct * (1.0 - missed)).clamp(1.0, rows.max(1.0))
}

/// Groups of `rows` by `keys`: columns of one origin cannot have more combinations than the origin has rows.
pub fn groups<'a>(keys: impl Iterator<Item = &'a Expr>, rows: f64, columns: &Columns) -> f64 {
    struct Origin {
        id: Option<usize>,
        distinct: f64,
        rows: f64,
    }
    let mut origins: Vec<Origin> = vec![];
    for key in keys {
        let estimate = derive::estimate(key, columns);
        let known = origins.iter_mut().find(|origin| origin.id.is_some() && origin.id == estimate.origin);
        match known {
            Some(origin) => origin.distinct *= estimate.distinct,
            None => origins.push(Origin {
                id: estimate.origin,
                distinct: estimate.distinct,
                rows: estimate.origin_rows,
            }),
        }
    }
    let count: f64 =
        origins.iter().map(|origin| sampled(origin.distinct.min(origin.rows), origin.rows, rows)).product();
    count.min(rows).max(1.0)
}

#[cfg(test)]
mod tests {
    use super::sampled;

    #[test]
    fn a_sample_has_fewer_values() {
        assert_eq!(sampled(100.0, 1000.0, 1000.0), 100.0);
        let few = sampled(100.0, 1000.0, 10.0);
        assert!((9.0..10.0).contains(&few), "{few}");
        let unique = sampled(1000.0, 1000.0, 10.0);
        assert!((9.9..=10.0).contains(&unique), "{unique}");
        assert_eq!(sampled(f64::INFINITY, f64::INFINITY, 7.0), 7.0);
    }
}
