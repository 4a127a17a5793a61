//! What an engine in one process manages: the program `catalog_speed` of host/node tells it as JSON.

use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::Bench;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::build::{FEATURES, cargo, succeed, target_folder};

const WRITERS: u32 = 32;

/// One INSERT of one row after the other, by many sessions at once, into a data folder.
pub fn commits(bench: &Bench) -> Result<Vec<Figure>> {
    let one = ask(bench, &["commits", "1"])?;
    let many = ask(bench, &["commits", &WRITERS.to_string()])?;
    let rate = |answer: &Value| answer["commits_per_second"].as_f64().context("no rate");
    Ok(vec![Figure {
        what: format!("commits of one row each by {WRITERS} sessions"),
        measured: rate(&many)?,
        unit: Unit::PerSecond,
        wanted: Wanted::AtLeast(2000.0),
        of: format!("{:.0} a second by one session", rate(&one)?),
    }])
}

/// A query with a condition on a table of many files.
pub fn files(bench: &Bench) -> Result<Vec<Figure>> {
    let answer = ask(bench, &["files", "100000"])?;
    Ok(vec![Figure {
        what: "planning over a table of 100,000 files".into(),
        measured: answer["plan_ms"].as_f64().context("no time")?,
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(20.0),
        of: format!("a commit to it takes {:.2} ms", answer["commit_ms"].as_f64().context("no time")?),
    }])
}

pub fn tables(bench: &Bench) -> Result<Vec<Figure>> {
    let answer = ask(bench, &["tables", "100000"])?;
    Ok(vec![Figure {
        what: "opening a catalog of 100,000 tables".into(),
        measured: answer["open_ms"].as_f64().context("no time")?,
        unit: Unit::Milliseconds,
        wanted: Wanted::AtMost(1000.0),
        of: format!("{} MiB on disk", answer["bytes"].as_u64().context("no size")? >> 20),
    }])
}

fn ask(bench: &Bench, arguments: &[&str]) -> Result<Value> {
    succeed(
        cargo(&bench.root, &["build", "--quiet", "--package", "nyala-node", "--example", "catalog_speed"])
            .args(FEATURES),
    )?;
    let program = target_folder(&bench.root)?.join("debug/examples/catalog_speed");
    let folder = bench.folder.join(arguments.join("-"));
    let output = Command::new(program).arg(&folder).args(arguments).output()?;
    if !output.status.success() {
        bail!("{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    serde_json::from_slice(&output.stdout).context("reading what catalog_speed tells")
}
