//! Rows as text, and when two of them count as the same.

/// Names and rows of an answer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    pub names: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

/// Difference, relative or of numbers below 1 absolute, up to which two numbers count as equal when at least one has a fraction: averages are
/// decimals in some engines and doubles in others.
const TOLERANCE: f64 = 1e-6;

/// The first difference, if there is one.
pub fn compare(expected: &[Vec<String>], actual: &[Vec<String>]) -> Result<(), String> {
    if expected.len() != actual.len() {
        return Err(format!("{} rows expected, {} found", expected.len(), actual.len()));
    }
    for (number, (expected, actual)) in expected.iter().zip(actual).enumerate() {
        if expected.len() != actual.len() {
            return Err(format!("row {number}: {} columns expected, {} found", expected.len(), actual.len()));
        }
        if let Some(column) = (0..expected.len()).find(|&c| !same(&expected[c], &actual[c])) {
            return Err(format!(
                "row {number}, column {column}: expected {:?}, found {:?}\n  expected {expected:?}\n  found    {actual:?}",
                expected[column], actual[column]
            ));
        }
    }
    Ok(())
}

/// As [`compare`], whatever the order of the rows.
pub fn compare_unordered(expected: &[Vec<String>], actual: &[Vec<String>]) -> Result<(), String> {
    let sorted = |rows: &[Vec<String>]| {
        let mut keyed: Vec<_> = rows.iter().map(|row| (sort_key(row), row.clone())).collect();
        keyed.sort();
        keyed.into_iter().map(|(_, row)| row).collect::<Vec<_>>()
    };
    compare(&sorted(expected), &sorted(actual))
}

/// Numbers are rounded so that those within the tolerance sort alike.
fn sort_key(row: &[String]) -> Vec<String> {
    row.iter()
        .map(|text| match text.parse::<f64>() {
            Ok(number) if number.is_finite() => format!("{number:.3e}"),
            _ => text.clone(),
        })
        .collect()
}

fn same(expected: &str, actual: &str) -> bool {
    if expected == actual {
        return true;
    }
    match (expected.parse::<f64>(), actual.parse::<f64>()) {
        (Ok(a), Ok(b)) if a.is_nan() && b.is_nan() => true,
        (Ok(a), Ok(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(b.abs()).max(1.0),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Vec<String>> {
        text.lines().map(|line| line.split('|').map(str::to_owned).collect()).collect()
    }

    #[test]
    fn differences_are_found() {
        assert!(compare(&rows("a|1.0\nb|2"), &rows("a|1.00\nb|2")).is_ok());
        assert!(compare(&rows("a|1"), &rows("a|2")).unwrap_err().contains("column 1"));
        assert!(compare(&rows("a|1"), &rows("a|1\na|1")).is_err());
        assert!(compare(&rows("a\nb"), &rows("b\na")).is_err());
        assert!(compare_unordered(&rows("a\nb"), &rows("b\na")).is_ok());
        assert!(compare_unordered(&rows("a\nb"), &rows("b\nb")).is_err());
    }
}
