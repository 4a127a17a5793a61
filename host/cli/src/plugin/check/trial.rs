//! Holds a law against a database.

use std::collections::HashMap;

use nyala_node::{Error, ErrorCode};

use super::database::{Database, Row};
use super::law::{Check, Law, Run};
use crate::exit::Failure;

/// How the remark on values that a guest would not have begins.
const REFUSED: &str = "the values made up are refused";

#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// With a remark, or none.
    Passed(String),
    LeftOut(String),
    Failed {
        why: String,
        /// Statements that show it, by themselves.
        sql: Vec<String>,
    },
}

impl Outcome {
    /// Whether some call failed, though it may have been for a reason.
    pub fn has_failures(&self) -> bool {
        match self {
            Self::Passed(remark) => !remark.is_empty(),
            Self::LeftOut(why) => why.starts_with(REFUSED),
            Self::Failed { .. } => true,
        }
    }
}

/// What one statement came to.
enum Answer {
    Rows(Vec<Row>),
    /// The guest said no, in words: it may.
    Refused(String),
    /// It trapped, took too long, gave nonsense; or SQL found a mistake.
    Failed(Error),
}

/// # Errors
/// `Interrupted`; failures of the engine that are no fault of the guest.
pub fn run(check: &Check, database: &mut Database) -> Result<Outcome, Failure> {
    for sql in &check.setup {
        database.rows(sql)?;
    }
    let mut trial = Trial { check, database };
    match &check.law {
        Law::LeftOut(why) => Ok(Outcome::LeftOut(why.clone())),
        Law::Each(statements) => trial.each(statements),
        Law::LastIsNull(sql) => trial.one(sql, |rows| {
            let given = rows.iter().find_map(|row| row.last().cloned().flatten())?;
            Some(format!("it is STRICT, so NULL must give NULL, not {given}"))
        }),
        Law::Count(sql, count) => trial.one(sql, |rows| {
            let rows = rows.len() as u64;
            (rows != *count).then(|| format!("{rows} rows where there must be {count}"))
        }),
        Law::Same(left, right) => trial.same(left, right),
        Law::SameByAny(pairs) => trial.same_by_any(pairs),
        Law::Times(few, many, times) => trial.times(few, many, *times),
        Law::Any(statements) => trial.any(statements),
    }
}

struct Trial<'a> {
    check: &'a Check,
    database: &'a mut Database,
}

impl Trial<'_> {
    fn ask(&mut self, run: &Run) -> Result<Answer, Failure> {
        self.database.set_threads(run.threads)?;
        match self.database.rows(&run.sql) {
            Ok(rows) => Ok(Answer::Rows(rows)),
            Err(error) if error.code() == ErrorCode::Cancelled => Err(Failure::Interrupted),
            Err(error) if is_refusal(&error) => Ok(Answer::Refused(error.message().to_owned())),
            Err(error) => Ok(Answer::Failed(error)),
        }
    }

    fn failed(&self, why: String, sql: &[&str]) -> Outcome {
        let sql = self.check.setup.iter().map(String::as_str).chain(sql.iter().copied());
        Outcome::Failed { why, sql: sql.map(str::to_owned).collect() }
    }

    fn one(&mut self, sql: &str, wrong: impl Fn(&[Row]) -> Option<String>) -> Result<Outcome, Failure> {
        Ok(match self.ask(&Run::alone(sql))? {
            Answer::Rows(rows) => match wrong(&rows) {
                None => Outcome::Passed(String::new()),
                Some(why) => self.failed(why, &[sql]),
            },
            Answer::Refused(message) => refused(&message),
            Answer::Failed(error) => self.failed(told(&error), &[sql]),
        })
    }

    fn each(&mut self, statements: &[String]) -> Result<Outcome, Failure> {
        let mut refusals = Vec::new();
        for sql in statements {
            match self.ask(&Run::alone(sql))? {
                Answer::Rows(_) => {}
                Answer::Refused(message) => refusals.push(message),
                // By its refusals; the values before were enough to see that it refuses well.
                Answer::Failed(error) if error.code() == ErrorCode::Quarantined && !refusals.is_empty() => {
                    break;
                }
                Answer::Failed(error) => return Ok(self.failed(told(&error), &[sql])),
            }
        }
        Ok(Outcome::Passed(match refusals.as_slice() {
            [] => String::new(),
            [first, ..] => format!("{} of {} refused: {first}", refusals.len(), statements.len()),
        }))
    }

    fn any(&mut self, statements: &[String]) -> Result<Outcome, Failure> {
        let mut first_error = None;
        for sql in statements {
            match self.ask(&Run::together(sql))? {
                Answer::Rows(_) => return Ok(Outcome::Passed(String::new())),
                Answer::Refused(message) => first_error = first_error.or(Some(Ok(refused(&message)))),
                Answer::Failed(error) if is_fault(&error) => return Ok(self.failed(told(&error), &[sql])),
                Answer::Failed(error) => first_error = first_error.or(Some(Err((told(&error), sql)))),
            }
        }
        Ok(match first_error {
            Some(Ok(outcome)) => outcome,
            Some(Err((why, sql))) => self.failed(why, &[sql]),
            None => Outcome::LeftOut("nothing to call it with".to_owned()),
        })
    }

    fn same(&mut self, left: &Run, right: &Run) -> Result<Outcome, Failure> {
        let mut answers = Vec::new();
        for run in [left, right] {
            match self.ask(run)? {
                Answer::Rows(rows) => answers.push(rows),
                Answer::Refused(message) => return Ok(refused(&message)),
                Answer::Failed(error) => return Ok(self.failed(told(&error), &[&with_threads(run)])),
            }
        }
        let tolerance = self.check.tolerance;
        let difference = match answers.as_mut_slice() {
            [left, right] => difference(left, right, tolerance),
            _ => None,
        };
        Ok(match difference {
            None => Outcome::Passed(String::new()),
            Some(why) => self.failed(why, &[&with_threads(left), &with_threads(right)]),
        })
    }

    /// By the first pair whose first statement is one that SQL takes.
    fn same_by_any(&mut self, pairs: &[(Run, Run)]) -> Result<Outcome, Failure> {
        for (left, right) in pairs {
            match self.ask(left)? {
                Answer::Failed(error) if !is_fault(&error) => {}
                Answer::Rows(_) | Answer::Refused(_) | Answer::Failed(_) => return self.same(left, right),
            }
        }
        Ok(Outcome::LeftOut("no way to call it was found".to_owned()))
    }

    fn times(&mut self, few: &str, many: &str, times: u64) -> Result<Outcome, Failure> {
        let mut counted = Vec::new();
        for sql in [few, many] {
            match self.ask(&Run::together(sql))? {
                Answer::Rows(rows) => counted.push(counts(rows)),
                Answer::Refused(message) => return Ok(refused(&message)),
                Answer::Failed(error) => return Ok(self.failed(told(&error), &[sql])),
            }
        }
        let wrong = match counted.as_slice() {
            [few, many] => not_repeated(few, many, times),
            _ => None,
        };
        Ok(match wrong {
            None => Outcome::Passed(String::new()),
            Some(why) => self.failed(why, &[few, many]),
        })
    }
}

fn refused(message: &str) -> Outcome {
    Outcome::LeftOut(format!(
        "the values made up are refused ({message}); give some with `sample` in plugin.test"
    ))
}

/// The guest has said what it does not like, as it may. What trapped comes with the places in its code, what gave
/// nonsense with a hint.
fn is_refusal(error: &Error) -> bool {
    error.code() == ErrorCode::GuestFailed
        && error.hint().is_none()
        && !error.message().contains(" [at ")
        && !error.message().contains("wasm trap")
}

/// The guest's fault, not that of how it was called.
fn is_fault(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::GuestFailed | ErrorCode::GuestLimit | ErrorCode::Quarantined | ErrorCode::Internal
    )
}

fn told(error: &Error) -> String {
    match error.hint() {
        Some(hint) => format!("{} ({hint})", error.message()),
        None => error.message().to_owned(),
    }
}

fn with_threads(run: &Run) -> String {
    format!("SET threads = {};\n{}", run.threads, run.sql)
}

fn counts(rows: Vec<Row>) -> HashMap<Row, u64> {
    let mut counts = HashMap::new();
    rows.into_iter().for_each(|row| *counts.entry(row).or_default() += 1);
    counts
}

fn not_repeated(few: &HashMap<Row, u64>, many: &HashMap<Row, u64>, times: u64) -> Option<String> {
    let wrong = few.iter().find_map(|(row, count)| {
        let (wanted, found) = (count * times, many.get(row).copied().unwrap_or(0));
        (wanted != found).then(|| format!("({}) comes {found} times, not {wanted}", shown(row)))
    });
    let new = || {
        many.keys()
            .find(|row| !few.contains_key(*row))
            .map(|row| format!("({}) comes only among many rows", shown(row)))
    };
    wrong.or_else(new)
}

pub fn shown(row: &Row) -> String {
    row.iter().map(|cell| cell.as_deref().unwrap_or("NULL")).collect::<Vec<_>>().join(", ")
}

/// The first difference of two sets of rows, in the order of their first columns.
fn difference(left: &mut [Row], right: &mut [Row], tolerance: f64) -> Option<String> {
    left.sort();
    right.sort();
    if left.len() != right.len() {
        return Some(format!("{} rows, and {} rows", left.len(), right.len()));
    }
    let mut pairs = left.iter().zip(right.iter());
    let (left, right) = pairs.find(|(left, right)| !same_row(left, right, tolerance))?;
    Some(format!("({}), and ({})", shown(left), shown(right)))
}

fn same_row(left: &Row, right: &Row, tolerance: f64) -> bool {
    left.len() == right.len()
        && left.iter().zip(right).all(|(left, right)| match (left, right) {
            (Some(left), Some(right)) => left == right || near(left, right, tolerance),
            (left, right) => left == right,
        })
}

/// Numbers below this are compared as if they were as large: what should be 0 seldom is.
const ABSOLUTE_FROM: f64 = 1e-3;

/// Whether two texts are the same but for the last digits of the numbers in them: lists and models have many.
fn near(left: &str, right: &str, tolerance: f64) -> bool {
    let (left, right) = (pieces(left), pieces(right));
    left.len() == right.len()
        && left.iter().zip(&right).all(|(left, right)| match (left.parse::<f64>(), right.parse::<f64>()) {
            (Ok(a), Ok(b)) => a == b || (a - b).abs() <= tolerance * a.abs().max(b.abs()).max(ABSOLUTE_FROM),
            _ => left == right,
        })
}

/// Numbers, and what is between them.
fn pieces(text: &str) -> Vec<&str> {
    let in_number = |c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | '+' | 'e' | 'E');
    let mut pieces = Vec::new();
    let mut start = 0;
    let mut before = None;
    for (at, c) in text.char_indices() {
        let kind = in_number(c);
        if before.is_some_and(|before| before != kind) {
            pieces.push(&text[start..at]);
            start = at;
        }
        before = Some(kind);
    }
    pieces.push(&text[start..]);
    pieces
}

#[cfg(test)]
mod tests {
    use nyala_node::{Config, Engine};

    use super::*;

    fn outcome(law: Law) -> Outcome {
        let mut database = Database::new(Engine::open(Config::default()).unwrap().session());
        run(&Check::new("f()", "f", "x", law), &mut database).unwrap()
    }

    fn fails(law: Law, with: &str) {
        match outcome(law) {
            Outcome::Failed { why, sql } => {
                assert!(why.contains(with), "{why}");
                assert!(!sql.is_empty());
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn laws_hold_or_fail() {
        let passed = Outcome::Passed(String::new());
        assert_eq!(outcome(Law::LastIsNull("SELECT 1, NULL".into())), passed);
        fails(Law::LastIsNull("SELECT 1, 2".into()), "not 2");
        assert_eq!(outcome(Law::Count("SELECT 1 WHERE false".into(), 0)), passed);
        fails(Law::Count("SELECT 1".into(), 0), "1 rows");
        let few = "SELECT * FROM (VALUES (1), (2)) AS t(a)";
        assert_eq!(
            outcome(Law::Times(few.into(), format!("{few}, generate_series(1, 3)").replace("*", "a"), 3)),
            passed
        );
        fails(Law::Times(few.into(), few.into(), 2), "comes 1 times, not 2");
        let run = |sql: &str| Run::alone(sql);
        assert_eq!(outcome(Law::Same(run(few), run("SELECT * FROM (VALUES (2), (1)) AS t(a)"))), passed);
        fails(Law::Same(run(few), run("SELECT 1")), "2 rows, and 1 rows");
        fails(Law::Same(run("SELECT 1.5e0"), run("SELECT 1.6e0")), "(1.5), and (1.6)");
        assert_eq!(outcome(Law::Any(vec!["SELECT nothing".into(), "SELECT 1".into()])), passed);
        fails(Law::Each(vec!["SELECT 1".into(), "SELECT 1 / 0".into()]), "zero");
    }

    #[test]
    fn numbers_within_texts_may_differ_in_their_last_digits() {
        assert!(near("[1.0000000001, 2]", "[1.0, 2]", 1e-9));
        assert!(!near("[1.00001, 2]", "[1.0, 2]", 1e-9));
        assert!(!near("[1.0, 2]", "[1.0; 2]", 1.0));
        assert!(near("1e300", "1.0000000000001e300", 1e-9));
        assert!(!near("NaN", "0", 1e-9));
    }

    #[test]
    fn a_refusal_is_no_trap() {
        let error = |message: &str| Error::new(ErrorCode::GuestFailed, message);
        assert!(is_refusal(&error("function f@1 (export f) failed: no model")));
        assert!(!is_refusal(&error("function f@1 (export f) failed: index out of bounds [at f (lib.rs:3)]")));
        assert!(!is_refusal(&error("function f@1 (export f) failed: wasm trap: unreachable")));
        assert!(!is_refusal(&error("offsets descend").with_hint("the module does not keep to the ABI")));
        assert!(!is_refusal(&Error::new(ErrorCode::GuestLimit, "too slow")));
    }
}
