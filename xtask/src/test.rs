//! `cargo xtask test`: every test of the project, ending with a line that counts them.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;

use anyhow::{Context, Result, bail};

use crate::build::{cargo, nyala, succeed};
use crate::{guests, peers};

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    if arguments.is_empty() {
        succeed(&mut cargo(root, &["fmt", "--all", "--check"]))?;
        eprintln!("looking for lints (the first time takes minutes: libraries are checked, too)");
        succeed(&mut cargo(root, &["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"]))?;
    }
    let counts = run_tests(root, arguments, false)?;
    println!("{} passed, {} failed", counts.passed, counts.failed);
    if counts.failed > 0 || !counts.finished {
        bail!("some tests failed");
    }
    Ok(())
}

pub fn bless(root: &Path, arguments: &[String]) -> Result<()> {
    run_tests(root, arguments, true).map(|_| ())
}

struct Counts {
    passed: u64,
    failed: u64,
    finished: bool,
}

fn run_tests(root: &Path, filters: &[String], bless: bool) -> Result<Counts> {
    let program = nyala(root)?;
    let python = peers::python(&peers::ORACLE)?;
    let guests = guests::build(root, &program)?;
    let mut command = cargo(root, &["test", "--workspace", "--no-fail-fast"]);
    command.args(filters).env("NYALA_PROGRAM", program).env("NYALA_ORACLE_PYTHON", python);
    command.env("NYALA_EXAMPLES", guests.examples);
    if let Some(operators) = guests.operators {
        command.env("NYALA_OPERATORS", operators);
    }
    if bless {
        command.env("UPDATE_EXPECT", "1").env("NYALA_BLESS", "1");
    }
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting cargo test")?;
    let stdout = child.stdout.take().context("cargo test has an output")?;
    let mut counts = Counts { passed: 0, failed: 0, finished: false };
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if let Some((passed, failed)) = parse_result(&line) {
            counts.passed += passed;
            counts.failed += failed;
        }
        println!("{line}");
    }
    counts.finished = child.wait()?.success();
    Ok(counts)
}

/// `test result: ok. 4 passed; 0 failed; …`
fn parse_result(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("test result: ")?;
    let number_before = |word: &str| {
        let before = &rest[..rest.find(word)?];
        before.split_whitespace().next_back()?.parse().ok()
    };
    Some((number_before(" passed")?, number_before(" failed")?))
}

#[cfg(test)]
mod tests {
    use super::parse_result;

    #[test]
    fn result_lines_are_counted() {
        assert_eq!(parse_result("test result: ok. 4 passed; 1 failed; 0 ignored; 0 measured"), Some((4, 1)));
        assert_eq!(parse_result("running 4 tests"), None);
    }
}
