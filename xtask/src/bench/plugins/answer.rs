//! Whether engines answer rightly: times of wrong answers are worth nothing.

use std::process::Command;

use anyhow::{Context, Result, bail};

use super::expression::{THREE, TWENTY};
use super::{Bench, data};

/// Enough for batches that are full and one that is not.
const ROWS: u64 = 100_000;

/// The query that is timed for a function.
pub fn query(name: &str) -> String {
    match name {
        data::CAPITALS => format!("SELECT sum(length({name}(s))) AS total FROM words"),
        _ => format!("SELECT sum({name}(a, b)) AS total FROM numbers"),
    }
}

/// Its answer.
pub fn expected(name: &str, rows: u64) -> i64 {
    match [THREE, TWENTY].iter().find(|body| body.name == name) {
        Some(body) => data::sum(body, rows),
        None => data::length(rows),
    }
}

/// Nyala's answers, by a process of its own: the warm engines tell times only.
pub fn check(bench: &Bench) -> Result<()> {
    let setup = bench.folder.join("answers.sql");
    let text = data::numbers(ROWS)? + &data::words();
    std::fs::write(&setup, text).with_context(|| format!("writing {}", setup.display()))?;
    let [three, twenty, capitals] =
        [THREE.name, TWENTY.name, data::CAPITALS].map(|name| (query(name), expected(name, ROWS)));
    let unlike = format!("SELECT count(*) AS total FROM words WHERE {}(s) <> upper(s)", data::CAPITALS);
    for (query, expected) in [three, twenty, capitals, (unlike, 0)] {
        let mut command = Command::new(&bench.program);
        command
            .args(["--quiet", "--format", "csv", "--set", "backend=native", "-f"])
            .arg(&setup)
            .args(["-c", &query]);
        let output = command.output()?;
        let answer = String::from_utf8_lossy(&output.stdout);
        if answer.lines().last() != Some(expected.to_string().as_str()) {
            let error = String::from_utf8_lossy(&output.stderr);
            bail!("{query} gives {:?}, where {expected} is right. {}", answer.trim(), error.trim());
        }
    }
    Ok(())
}
