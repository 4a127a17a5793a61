//! `plugin.test`: the author's examples, and what the author says about the checks.

use nyala_node::{Error, ErrorCode, Result};

use super::database::{Database, Row};
use super::trial::Outcome;
use crate::exit::Failure;

const SEPARATOR: &str = "----";

/// How the empty text is written, which would be no line at all.
const EMPTY: &str = "(empty)";

#[derive(Debug, Default, PartialEq)]
pub struct Examples {
    pub examples: Vec<Example>,
    /// Function and check.
    skips: Vec<(String, String)>,
    tolerances: Vec<(String, f64)>,
    /// Function and arguments, as SQL.
    samples: Vec<(String, Vec<String>)>,
}

#[derive(Debug, PartialEq)]
pub struct Example {
    /// Where it begins, from 1.
    pub line: usize,
    pub sql: String,
    /// `None`: what it gives is nobody's concern.
    pub expected: Option<Expected>,
}

#[derive(Debug, PartialEq)]
pub enum Expected {
    Rows(Vec<String>),
    /// An error with this text in it.
    Error(String),
}

impl Examples {
    /// # Errors
    /// `Syntax` with the line.
    pub fn parse(text: &str) -> Result<Self> {
        let mut found = Self::default();
        let mut block: Vec<&str> = Vec::new();
        let mut first = 1;
        for (index, line) in text.lines().chain(std::iter::once("")).enumerate() {
            let in_rows = block.iter().any(|line| line.trim() == SEPARATOR);
            if line.trim_start().starts_with('#') && !in_rows {
                continue;
            }
            if !line.trim().is_empty() {
                if block.is_empty() {
                    first = index + 1;
                }
                block.push(line);
            } else if !block.is_empty() {
                found.block(&block, first)?;
                block.clear();
            }
        }
        Ok(found)
    }

    fn block(&mut self, lines: &[&str], first: usize) -> Result<()> {
        let mut rest = lines;
        while let Some((line, after)) = rest.split_first()
            && self.directive(line, first + lines.len() - rest.len())?
        {
            rest = after;
        }
        if rest.is_empty() {
            return Ok(());
        }
        let line = first + lines.len() - rest.len();
        let separator = rest.iter().position(|line| line.trim() == SEPARATOR);
        let (sql, rows) = rest.split_at(separator.unwrap_or(rest.len()));
        if sql.is_empty() {
            return Err(Error::new(ErrorCode::Syntax, format!("line {line}: no SQL before {SEPARATOR}")));
        }
        let expected = rows.split_first().map(|(_, rows)| match rows {
            [row] if row.starts_with("error:") => Expected::Error(row["error:".len()..].trim().to_owned()),
            rows => Expected::Rows(rows.iter().map(|row| (*row).to_owned()).collect()),
        });
        let sql = sql.join("\n").trim().trim_end_matches(';').to_owned();
        self.examples.push(Example { line, sql, expected });
        Ok(())
    }

    /// Whether a line is none of SQL but says something about the checks.
    fn directive(&mut self, line: &str, number: usize) -> Result<bool> {
        let wrong = |expected: &str| {
            Err(Error::new(ErrorCode::Syntax, format!("line {number}: write it as {expected}")))
        };
        let (word, rest) = line.trim().split_once(' ').unwrap_or((line.trim(), ""));
        let (name, rest) = rest.trim().split_once(' ').unwrap_or((rest.trim(), ""));
        match word {
            "skip" => match rest.trim() {
                "" => return wrong("skip NAME CHECK"),
                check => self.skips.push((name.to_owned(), check.to_owned())),
            },
            "tolerance" => match rest.trim().parse::<f64>() {
                Ok(tolerance) if tolerance >= 0.0 => self.tolerances.push((name.to_owned(), tolerance)),
                _ => return wrong("tolerance NAME 0.01"),
            },
            "sample" => match rest.trim().strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
                Some(values) => self.samples.push((name.to_owned(), expressions(values))),
                None => return wrong("sample NAME (1.5, 'text')"),
            },
            _ => return Ok(false),
        }
        Ok(true)
    }

    pub fn skips(&self, function: &str, check: &str) -> bool {
        self.skips.iter().any(|(name, skipped)| name == function && skipped == check)
    }

    pub fn tolerance_of(&self, function: &str) -> Option<f64> {
        self.tolerances.iter().find(|(name, _)| name == function).map(|(_, tolerance)| *tolerance)
    }

    /// Rows of arguments for an overload with so many.
    pub fn samples_of(&self, function: &str, arguments: usize) -> Vec<Vec<String>> {
        let of_it = self.samples.iter().filter(|(name, row)| name == function && row.len() == arguments);
        of_it.map(|(_, row)| row.clone()).collect()
    }
}

/// SQL between commas, those in brackets and quotes left alone.
fn expressions(text: &str) -> Vec<String> {
    let (mut found, mut one, mut depth, mut in_quotes) = (Vec::new(), String::new(), 0_i32, false);
    for c in text.chars() {
        match c {
            '\'' => in_quotes = !in_quotes,
            '(' | '[' | '{' if !in_quotes => depth += 1,
            ')' | ']' | '}' if !in_quotes => depth -= 1,
            ',' if !in_quotes && depth == 0 => {
                found.push(std::mem::take(&mut one).trim().to_owned());
                continue;
            }
            _ => {}
        }
        one.push(c);
    }
    if !one.trim().is_empty() {
        found.push(one.trim().to_owned());
    }
    found
}

impl Example {
    /// # Errors
    /// `Interrupted`.
    pub fn run(&self, database: &mut Database) -> Result<Outcome, Failure> {
        let answer = database.rows(&self.sql);
        if let Err(error) = &answer
            && error.code() == ErrorCode::Cancelled
        {
            return Err(Failure::Interrupted);
        }
        let why = match (&self.expected, answer) {
            (Some(Expected::Rows(expected)), Ok(rows)) => self.difference(expected, &rows),
            (None, Ok(_)) => None,
            (Some(Expected::Error(text)), Err(error)) => {
                (!error.message().contains(text)).then(|| format!("another error: {}", error.message()))
            }
            (Some(Expected::Error(text)), Ok(rows)) => {
                Some(format!("{} rows where there must be an error with '{text}'", rows.len()))
            }
            (Some(Expected::Rows(_)) | None, Err(error)) => Some(error.to_string()),
        };
        Ok(match why {
            None => Outcome::Passed(String::new()),
            Some(why) => Outcome::Failed { why, sql: vec![self.sql.clone()] },
        })
    }

    /// Rows come in any order unless the statement says in which.
    fn difference(&self, expected: &[String], rows: &[Row]) -> Option<String> {
        let mut expected = expected.to_vec();
        let mut given: Vec<String> = rows.iter().map(line).collect();
        if !self.sql.to_uppercase().contains("ORDER BY") {
            expected.sort();
            given.sort();
        }
        let missing = || expected.iter().find(|row| !given.contains(row));
        let first = expected.iter().zip(&given).find(|(wanted, given)| wanted != given);
        if expected.len() != given.len() {
            let first = missing().map(|row| format!("; '{row}' is missing")).unwrap_or_default();
            return Some(format!("{} rows where there must be {}{first}", given.len(), expected.len()));
        }
        first.map(|(wanted, given)| format!("'{given}' where there must be '{wanted}'"))
    }
}

/// A row as it is written in the file.
fn line(row: &Row) -> String {
    let cell = |cell: &Option<String>| match cell.as_deref() {
        None => "NULL".to_owned(),
        Some("") => EMPTY.to_owned(),
        Some(text) => {
            text.replace('\\', "\\\\").replace('\t', "\\t").replace('\n', "\\n").replace('\r', "\\r")
        }
    };
    row.iter().map(cell).collect::<Vec<_>>().join("\t")
}

#[cfg(test)]
mod tests {
    use nyala_node::{Config, Engine};

    use super::*;

    const FILE: &str = "\
# What initials does.
skip initials hostile text
sample predict ('{\"a\": [1, 2]}', f(1, 2), [3, 4])

tolerance quantile 0.02
SELECT 'a' AS x,
       NULL;
----
a\tNULL

CREATE TABLE t AS SELECT 1 AS a

SELECT b FROM t
----
error: b
";

    #[test]
    fn blocks_are_examples_and_lines_say_what_to_leave_out() {
        let parsed = Examples::parse(FILE).unwrap();
        let outline: Vec<(usize, &str)> =
            parsed.examples.iter().map(|example| (example.line, example.sql.as_str())).collect();
        assert_eq!(
            outline,
            [
                (6, "SELECT 'a' AS x,\n       NULL"),
                (11, "CREATE TABLE t AS SELECT 1 AS a"),
                (13, "SELECT b FROM t")
            ]
        );
        assert_eq!(parsed.examples[0].expected, Some(Expected::Rows(vec!["a\tNULL".to_owned()])));
        assert_eq!(parsed.examples[1].expected, None);
        assert_eq!(parsed.examples[2].expected, Some(Expected::Error("b".to_owned())));
        assert!(parsed.skips("initials", "hostile text") && !parsed.skips("initials", "empty batch"));
        assert_eq!(parsed.tolerance_of("quantile"), Some(0.02));
        assert_eq!(parsed.samples_of("predict", 3), [["'{\"a\": [1, 2]}'", "f(1, 2)", "[3, 4]"]]);
        assert!(parsed.samples_of("predict", 2).is_empty());
    }

    #[test]
    fn mistakes_name_their_line() {
        for (text, with) in [
            ("SELECT 1\n\n----\n1\n", "line 3"),
            ("\nskip f\n", "line 2: write it as skip NAME CHECK"),
            ("tolerance f much", "line 1"),
            ("sample f 1, 2", "line 1"),
        ] {
            let error = Examples::parse(text).unwrap_err();
            assert!(error.message().contains(with), "{text}: {error}");
        }
    }

    #[test]
    fn examples_are_run_and_compared() {
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        for example in &Examples::parse(FILE).unwrap().examples {
            assert_eq!(example.run(&mut database).unwrap(), Outcome::Passed(String::new()), "{example:?}");
        }
        let mut why =
            |text: &str| match Examples::parse(text).unwrap().examples[0].run(&mut database).unwrap() {
                Outcome::Failed { why, .. } => why,
                other => panic!("{text}: {other:?}"),
            };
        assert_eq!(why("SELECT ''\n----\n"), "1 rows where there must be 0");
        assert_eq!(why("SELECT ''\n----\nx"), "'(empty)' where there must be 'x'");
        assert_eq!(why("SELECT 'a\tb'\n----\na\tb"), "'a\\tb' where there must be 'a\tb'");
        assert!(why("SELECT 1\n----\nerror: no").contains("must be an error with 'no'"));
        assert!(why("SELECT nothing").contains("nothing"));
    }

    #[test]
    fn order_counts_where_it_is_asked_for() {
        let rows = [vec![Some("2".to_owned())], vec![Some("1".to_owned())]];
        let expected = ["1".to_owned(), "2".to_owned()];
        let example = |sql: &str| Example { line: 1, sql: sql.to_owned(), expected: None };
        assert_eq!(example("SELECT a FROM t").difference(&expected, &rows), None);
        assert!(example("SELECT a FROM t ORDER BY a").difference(&expected, &rows).is_some());
    }
}
