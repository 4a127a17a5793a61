//! What the checks came to, for people.

use std::io::Write;

use super::trial::Outcome;
use crate::exit::{Failure, write_failure};

/// A statement longer than this is cut in the report: values that no person reads.
const STATEMENT_CHARACTERS_MAX: usize = 4_000;

pub struct Report {
    /// What makes the module known.
    create: String,
    lines: Vec<Line>,
}

struct Line {
    subject: String,
    check: String,
    outcome: Outcome,
}

impl Report {
    pub fn new(create: String) -> Self {
        Self { create, lines: vec![] }
    }

    pub fn add(&mut self, subject: &str, check: &str, outcome: Outcome) {
        self.lines.push(Line { subject: subject.to_owned(), check: check.to_owned(), outcome });
    }

    pub fn failed(&self) -> usize {
        self.count(|outcome| matches!(outcome, Outcome::Failed { .. }))
    }

    fn count(&self, wanted: impl Fn(&Outcome) -> bool) -> usize {
        self.lines.iter().filter(|line| wanted(&line.outcome)).count()
    }

    /// # Errors
    /// When standard output cannot be written.
    pub fn print(&self) -> Result<(), Failure> {
        let mut stdout = std::io::stdout().lock();
        let written = stdout.write_all(self.text().as_bytes()).and_then(|()| stdout.flush());
        written.map_err(|error| write_failure("standard output", &error))
    }

    fn text(&self) -> String {
        let width =
            |of: fn(&Line) -> &str| self.lines.iter().map(|line| of(line).chars().count()).max().unwrap_or(0);
        let (subject_width, check_width) = (width(|line| &line.subject), width(|line| &line.check));
        let mut text = String::new();
        for Line { subject, check, outcome } in &self.lines {
            let (word, remark) = match outcome {
                Outcome::Passed(remark) => ("pass", remark.as_str()),
                Outcome::LeftOut(why) => ("skip", why.as_str()),
                Outcome::Failed { .. } => ("FAIL", ""),
            };
            let line = format!("{word}  {subject:<subject_width$}  {check:<check_width$}  {remark}");
            text.push_str(line.trim_end());
            text.push('\n');
        }
        for Line { subject, check, outcome } in &self.lines {
            if let Outcome::Failed { why, sql } = outcome {
                text.push_str(&format!("\n{subject}, {check}: {why}\n  to see it:\n"));
                for statement in std::iter::once(&self.create).chain(sql) {
                    text.push_str(&format!("    {};\n", cut(statement).replace('\n', "\n    ")));
                }
            }
        }
        let passed = self.count(|outcome| matches!(outcome, Outcome::Passed(_)));
        let skipped = self.lines.len() - passed - self.failed();
        text.push_str(&format!("\n{passed} passed, {} failed, {skipped} skipped\n", self.failed()));
        text
    }
}

fn cut(statement: &str) -> String {
    match statement.char_indices().nth(STATEMENT_CHARACTERS_MAX) {
        Some((at, _)) => format!("{} …", &statement[..at]),
        None => statement.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_come_with_what_shows_them() {
        let mut report = Report::new("CREATE MODULE \"m\" FROM 'm.wasm'".to_owned());
        report.add("f(BIGINT)", "NULL arguments", Outcome::Passed(String::new()));
        report.add("f(BIGINT)", "hostile text", Outcome::LeftOut("no such values".to_owned()));
        let sql = vec!["SELECT \"f\"(1)".to_owned()];
        report.add("f(BIGINT)", "empty batch", Outcome::Failed { why: "1 rows".to_owned(), sql });
        assert_eq!(report.failed(), 1);
        expect_test::expect![[r#"
            pass  f(BIGINT)  NULL arguments
            skip  f(BIGINT)  hostile text    no such values
            FAIL  f(BIGINT)  empty batch

            f(BIGINT), empty batch: 1 rows
              to see it:
                CREATE MODULE "m" FROM 'm.wasm';
                SELECT "f"(1);

            1 passed, 1 failed, 1 skipped
        "#]]
        .assert_eq(&report.text());
    }
}
