//! Checks as data: statements, and what must hold of their rows.

/// One line of the report.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    /// What is checked, with its types.
    pub subject: String,
    /// Its name.
    pub function: String,
    /// What about it, as `skip` names it.
    pub name: &'static str,
    /// Statements before.
    pub setup: Vec<String>,
    pub law: Law,
    /// How much numbers may differ, relative to the larger.
    pub tolerance: f64,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Law {
    /// Each runs, or is refused by the guest in words.
    Each(Vec<String>),
    /// Every value of the last column is NULL.
    LastIsNull(String),
    /// So many rows.
    Count(String, u64),
    /// Both give the same rows in any order.
    Same(Run, Run),
    /// As `Same`, of the first pair that SQL takes; the others are other ways to ask the same.
    SameByAny(Vec<(Run, Run)>),
    /// The second gives each row of the first so many times.
    Times(String, String, u64),
    /// The first that runs; the others are other ways to ask the same.
    Any(Vec<String>),
    /// Not checked, and why.
    LeftOut(String),
}

/// A statement and the threads that it has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    pub threads: u32,
    pub sql: String,
}

/// Sums of doubles in another order differ by this much.
pub const TOLERANCE: f64 = 1e-9;

/// Threads where a check wants several.
pub const THREADS: u32 = 4;

/// Rows of a check that wants several batches.
pub const ROWS: u64 = 70_000;

impl Check {
    pub fn new(subject: &str, function: &str, name: &'static str, law: Law) -> Self {
        let (subject, function) = (subject.to_owned(), function.to_owned());
        Self { subject, function, name, setup: vec![], law, tolerance: TOLERANCE }
    }
}

impl Run {
    pub fn alone(sql: &str) -> Self {
        Self { threads: 1, sql: sql.to_owned() }
    }

    pub fn together(sql: &str) -> Self {
        Self { threads: THREADS, sql: sql.to_owned() }
    }
}

/// Rows of arguments as a table in FROM: `id`, `a0`, `a1`, ….
pub fn table(rows: &[Vec<String>]) -> String {
    let row = |(id, values): (usize, &Vec<String>)| {
        let cells = std::iter::once(id.to_string()).chain(values.iter().cloned());
        format!("({})", cells.collect::<Vec<_>>().join(", "))
    };
    let names = std::iter::once("id".to_owned()).chain(arguments(rows));
    format!(
        "(VALUES {}) AS s({})",
        rows.iter().enumerate().map(row).collect::<Vec<_>>().join(", "),
        names.collect::<Vec<_>>().join(", ")
    )
}

/// How often the rows are repeated so that there are [`ROWS`] of them or a few more.
pub fn copies(rows: &[Vec<String>]) -> u64 {
    ROWS.div_ceil((rows.len() as u64).max(1))
}

/// `a0`, `a1`, …
pub fn arguments(rows: &[Vec<String>]) -> Vec<String> {
    (0..rows.first().map_or(0, Vec::len)).map(|place| format!("a{place}")).collect()
}

/// `"f"(s.a0, s.a1)`
pub fn call(name: &str, rows: &[Vec<String>]) -> String {
    let arguments: Vec<String> = arguments(rows).iter().map(|name| format!("s.{name}")).collect();
    format!("{}({})", super::database::quoted(name), arguments.join(", "))
}

/// The rows with NULL in one place of each, for every place; with what type is NULL there.
pub fn with_nulls(rows: &[Vec<String>], types: &[String]) -> Vec<Vec<String>> {
    let with_null = |place: usize| {
        rows.iter().map(move |row| {
            let mut row = row.clone();
            row[place] = format!("CAST(NULL AS {})", types[place]);
            row
        })
    };
    (0..types.len()).flat_map(with_null).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_hold_all_that_they_need() {
        let rows = vec![vec!["1".to_owned(), "'x'".to_owned()], vec!["2".to_owned(), "'y'".to_owned()]];
        assert_eq!(table(&rows), "(VALUES (0, 1, 'x'), (1, 2, 'y')) AS s(id, a0, a1)");
        assert_eq!(call("f", &rows), "\"f\"(s.a0, s.a1)");
        assert_eq!(copies(&rows), 35_000);
        let types = ["BIGINT".to_owned(), "TEXT".to_owned()];
        let nulls = with_nulls(&rows[..1], &types);
        assert_eq!(nulls, [["CAST(NULL AS BIGINT)", "'x'"], ["1", "CAST(NULL AS TEXT)"]]);
    }
}
