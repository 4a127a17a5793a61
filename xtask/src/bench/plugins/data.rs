//! The tables of the benchmark, the same in all engines, and the sums that are known of them.

use anyhow::Result;

use super::expression::{Body, THREE, TWENTY};

/// The batch-tier function over text.
pub const CAPITALS: &str = "capitals";

/// `numbers (a, b)` in the memory of Nyala, with the functions of both bodies.
pub fn numbers(rows: u64) -> Result<String> {
    Ok(format!(
        "CREATE TABLE numbers AS SELECT (value - 1) * 7919 % 10007 AS a, (value - 1) * 31 % 1009 AS b \
         FROM generate_series(1, {rows}) AS g(value);\n{}{}",
        THREE.create()?,
        TWENTY.create()?
    ))
}

/// `words (s)`, made of `numbers`, and the function `capitals`.
pub fn words() -> String {
    format!(
        "CREATE TABLE words AS SELECT 'Row ' || CAST(a AS VARCHAR) || ' of block ' || CAST(b AS VARCHAR) AS s FROM numbers;\n\
         {};\n",
        create_capitals()
    )
}

pub fn create_capitals() -> String {
    format!(
        "CREATE FUNCTION {CAPITALS} (s TEXT) RETURNS TEXT LANGUAGE wat IMMUTABLE STRICT AS $$\n{}$$",
        include_str!("capitals.wat")
    )
}

pub fn pairs(rows: u64) -> impl Iterator<Item = (i64, i64)> {
    (0..rows as i64).map(|row| (row * 7919 % 10_007, row * 31 % 1009))
}

/// What `sum(f(a, b))` must be.
pub fn sum(body: &Body, rows: u64) -> i64 {
    pairs(rows).map(|(a, b)| (body.value)(a, b)).sum()
}

/// What `sum(length(capitals(s)))` must be.
pub fn length(rows: u64) -> i64 {
    let digits = |number: i64| i64::from(number.checked_ilog10().unwrap_or(0)) + 1;
    pairs(rows).map(|(a, b)| "Row  of block ".len() as i64 + digits(a) + digits(b)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_are_those_of_the_rows() {
        assert_eq!(pairs(3).collect::<Vec<_>>(), [(0, 0), (7919, 31), (5831, 62)]);
        let texts = pairs(2000).map(|(a, b)| format!("Row {a} of block {b}"));
        assert_eq!(length(2000), texts.map(|text| text.len() as i64).sum::<i64>());
        assert_eq!(sum(&THREE, 2), -7 + 7919 * 31 + 31 - 7);
    }

    #[test]
    fn the_text_function_is_a_module() {
        assert!(wat::parse_str(include_str!("capitals.wat")).is_ok());
    }

    /// No value of either body comes near the end of 64 bits, so that the sums of a hundred million rows do not either.
    #[test]
    fn bodies_stay_small() {
        for body in [THREE, TWENTY] {
            let greatest = pairs(20_000).map(|(a, b)| (body.value)(a, b).unsigned_abs()).max();
            assert!(greatest.is_some_and(|value| value < 1 << 36), "{}: {greatest:?}", body.name);
        }
    }
}
