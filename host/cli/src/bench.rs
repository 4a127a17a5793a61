//! `nyala bench`: times SQL files in one warm process.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nyala_node::{Error, Session};
use nyala_schema::client::StatementSummary;
use nyala_schema::option::format_bytes;
use serde::Serialize;

use crate::arguments::{BenchArguments, BenchFormat};
use crate::client::Client;
use crate::exit::{Failure, write_failure};
use crate::script::Script;
use crate::{interrupt, progress, serve, statement, terminal};

/// What is written as JSON.
#[derive(Serialize)]
struct Report {
    queries: Vec<Timing>,
}

/// One file. Times are over the timed runs, the rest is the largest of them.
#[derive(Debug, Serialize, Default)]
struct Timing {
    query: String,
    #[serde(flatten)]
    measured: Option<Measured>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

#[derive(Debug, Serialize, Default, PartialEq)]
struct Measured {
    median_ms: f64,
    min_ms: f64,
    max_ms: f64,
    /// Medians as well.
    planning_ms: f64,
    compile_ms: f64,
    rows: u64,
    bytes_read: u64,
    peak_memory_bytes: u64,
    backend: String,
}

/// One run of one file: all its statements.
#[derive(Debug, Default)]
pub(crate) struct Run {
    pub elapsed: Duration,
    planning: Duration,
    compiling: Duration,
    pub rows: u64,
    bytes_read: u64,
    peak_memory_bytes: u64,
    backends: BTreeSet<String>,
}

/// # Errors
/// `Usage` for files that are missing, `Reported` when a query failed, `Interrupted`.
pub fn run(arguments: &BenchArguments) -> Result<(), Failure> {
    let paths = query_files(&arguments.queries)?;
    let client = open(arguments)?;
    if arguments.serve {
        return serve::run(&client);
    }
    let scripts: Vec<Script> =
        paths.iter().map(|path| Script::file(path).map_err(Failure::Usage)).collect::<Result<_, _>>()?;
    let bar = progress::bar(scripts.len() as u64, "{pos}/{len} {bar:30} {elapsed}  {wide_msg}");
    let mut queries = vec![];
    for script in &scripts {
        if interrupt::requested() {
            bar.finish_and_clear();
            return Err(Failure::Interrupted);
        }
        let query = script.origin.clone().unwrap_or_default();
        bar.set_message(query.clone());
        bar.tick();
        let timing = match time(&client, script, arguments) {
            Ok(measured) => Timing { query, measured: Some(measured), error: None },
            Err(_) if interrupt::requested() => {
                bar.finish_and_clear();
                return Err(Failure::Interrupted);
            }
            Err(error) => Timing { query, measured: None, error: Some(told(&error)) },
        };
        queries.push(timing);
        bar.inc(1);
    }
    bar.finish_and_clear();
    finish(Report { queries }, arguments.format)
}

/// An engine in which the setup files have been run.
fn open(arguments: &BenchArguments) -> Result<Client, Failure> {
    let setups: Vec<Script> = arguments
        .setup
        .iter()
        .map(|path| Script::file(path).map_err(Failure::Usage))
        .collect::<Result<_, _>>()?;
    let client = Client::open(&arguments.engine)?;
    for setup in &setups {
        set_up(&client, setup)?;
    }
    Ok(client)
}

fn finish(report: Report, format: BenchFormat) -> Result<(), Failure> {
    let failed = report.queries.iter().any(|timing| timing.error.is_some());
    let text = match format {
        BenchFormat::Json => json(&report)?,
        BenchFormat::Table => table(&report.queries),
    };
    let mut stdout = io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(|error| write_failure("standard output", &error))?;
    if failed { Err(Failure::Reported) } else { Ok(()) }
}

/// The files of all patterns, each once, in order of their names with numbers by value.
fn query_files(patterns: &[String]) -> Result<Vec<PathBuf>, Failure> {
    let mut paths: Vec<PathBuf> = vec![];
    for pattern in patterns {
        let is_directory = Path::new(pattern).is_dir();
        let searched = if is_directory { format!("{pattern}/*.sql") } else { pattern.clone() };
        let found = glob::glob(&searched)
            .map_err(|error| Failure::usage(format!("--queries {pattern} is no pattern: {error}")))?;
        let mut found: Vec<PathBuf> = found.filter_map(Result::ok).filter(|path| path.is_file()).collect();
        if found.is_empty() {
            return Err(Failure::usage(format!("no file matches --queries {pattern}")));
        }
        found.sort_by_cached_key(|path| natural_key(&path.to_string_lossy()));
        found.retain(|path| !paths.contains(path));
        paths.append(&mut found);
    }
    Ok(paths)
}

/// `q2` before `q10`: text and numbers by turns.
fn natural_key(text: &str) -> Vec<(String, u64)> {
    let mut parts = vec![];
    let mut rest = text;
    while !rest.is_empty() {
        let words = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(words);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        parts.push((word.to_owned(), number.parse().unwrap_or(0)));
        rest = after;
    }
    parts
}

fn set_up(client: &Client, script: &Script) -> Result<(), Failure> {
    for (_, sql) in Session::split(&script.text) {
        if let Err(error) = statement::drain(client, &sql) {
            if interrupt::requested() {
                return Err(Failure::Interrupted);
            }
            terminal::print_error(&error, &sql, script.origin.as_deref());
            return Err(Failure::Reported);
        }
    }
    Ok(())
}

fn time(client: &Client, script: &Script, arguments: &BenchArguments) -> Result<Measured, Error> {
    let statements: Vec<String> = Session::split(&script.text).into_iter().map(|(_, sql)| sql).collect();
    for _ in 0..arguments.warmup {
        run_once(client, &statements)?;
    }
    let runs: Vec<Run> =
        (0..arguments.runs).map(|_| run_once(client, &statements)).collect::<Result<_, Error>>()?;
    Ok(measured(&runs))
}

pub(crate) fn run_once(client: &Client, statements: &[String]) -> Result<Run, Error> {
    let started = Instant::now();
    let mut run = Run::default();
    for sql in statements {
        run.add(statement::drain(client, sql)?);
    }
    run.elapsed = started.elapsed();
    Ok(run)
}

impl Run {
    fn add(&mut self, summary: StatementSummary) {
        self.planning += summary.planning;
        self.compiling += summary.compiling;
        self.rows += summary.rows;
        self.bytes_read += summary.bytes_read;
        self.peak_memory_bytes = self.peak_memory_bytes.max(summary.peak_memory_bytes);
        if !summary.backend.is_empty() {
            self.backends.insert(summary.backend);
        }
    }
}

fn measured(runs: &[Run]) -> Measured {
    let times = |of: fn(&Run) -> Duration| -> Vec<f64> {
        let mut times: Vec<f64> = runs.iter().map(|run| of(run).as_secs_f64() * 1e3).collect();
        times.sort_by(f64::total_cmp);
        times
    };
    let elapsed = times(|run| run.elapsed);
    // Of a warm process the last run is the truest.
    let backends = runs.last().map(|run| run.backends.clone()).unwrap_or_default();
    let backend = match backends.len() {
        0 | 1 => backends.into_iter().next().unwrap_or_default(),
        _ => "mixed".to_owned(),
    };
    Measured {
        median_ms: rounded(median(&elapsed)),
        min_ms: rounded(elapsed.first().copied().unwrap_or_default()),
        max_ms: rounded(elapsed.last().copied().unwrap_or_default()),
        planning_ms: rounded(median(&times(|run| run.planning))),
        compile_ms: rounded(median(&times(|run| run.compiling))),
        rows: runs.iter().map(|run| run.rows).max().unwrap_or_default(),
        bytes_read: runs.iter().map(|run| run.bytes_read).max().unwrap_or_default(),
        peak_memory_bytes: runs.iter().map(|run| run.peak_memory_bytes).max().unwrap_or_default(),
        backend,
    }
}

/// Of sorted numbers; the mean of the middle two when their number is even.
fn median(sorted: &[f64]) -> f64 {
    match sorted.len() {
        0 => 0.0,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

/// To microseconds: more is noise.
fn rounded(ms: f64) -> f64 {
    (ms * 1e3).round() / 1e3
}

/// On one line.
pub(crate) fn told(error: &Error) -> String {
    let text = match error.hint() {
        Some(hint) => format!("{} ({hint})", error.message()),
        None => error.message().to_owned(),
    };
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn json(report: &Report) -> Result<String, Failure> {
    let text = serde_json::to_string_pretty(report)
        .map_err(|error| Failure::Sql(Error::internal(format!("cannot write times as JSON: {error}"))))?;
    Ok(text + "\n")
}

/// The longest label in the first column that is no query.
const MEAN_LABEL: &str = "geometric mean";

fn table(queries: &[Timing]) -> String {
    let width = queries.iter().map(|timing| timing.query.chars().count()).max().unwrap_or(0);
    let width = width.max(MEAN_LABEL.len());
    let mut text = format!(
        "{:<width$} {:>10} {:>10} {:>10} {:>10} {:>12} {:>11}  backend\n",
        "query", "median ms", "min ms", "plan ms", "comp ms", "rows", "peak memory"
    );
    for Timing { query, measured, error } in queries {
        match measured {
            Some(m) => text.push_str(&format!(
                "{query:<width$} {:>10.1} {:>10.1} {:>10.1} {:>10.1} {:>12} {:>11}  {}\n",
                m.median_ms,
                m.min_ms,
                m.planning_ms,
                m.compile_ms,
                progress::grouped(m.rows),
                format_bytes(m.peak_memory_bytes),
                m.backend,
            )),
            None => {
                text.push_str(&format!("{query:<width$} error: {}\n", error.as_deref().unwrap_or_default()))
            }
        }
    }
    let medians: Vec<f64> =
        queries.iter().filter_map(|timing| Some(timing.measured.as_ref()?.median_ms)).collect();
    if medians.len() > 1 {
        let total: f64 = medians.iter().sum();
        // A time of zero has no logarithm; nothing here takes less than a microsecond.
        let logs: f64 = medians.iter().map(|ms| ms.max(1e-3).ln()).sum();
        let mean = (logs / medians.len() as f64).exp();
        text.push_str(&format!("{:<width$} {total:>10.1}\n{:<width$} {mean:>10.1}\n", "total", MEAN_LABEL));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(ms: u64, rows: u64, backend: &str) -> Run {
        Run {
            elapsed: Duration::from_millis(ms),
            rows,
            peak_memory_bytes: ms * 100,
            backends: BTreeSet::from([backend.to_owned()]),
            ..Run::default()
        }
    }

    #[test]
    fn json_has_the_promised_keys() {
        let measured = measured(&[run(30, 4, "mixed"), run(10, 4, "native"), run(12, 4, "native")]);
        assert_eq!((measured.median_ms, measured.min_ms, measured.max_ms), (12.0, 10.0, 30.0));
        let good = Timing { query: "dir/q01.sql".into(), measured: Some(measured), error: None };
        let bad = Timing { query: "dir/q02.sql".into(), measured: None, error: Some("no table t".into()) };
        let value = serde_json::to_value(Report { queries: vec![good, bad] }).unwrap();
        let first = &value["queries"][0];
        assert_eq!(first["query"], "dir/q01.sql");
        assert_eq!(first["median_ms"], 12.0);
        assert_eq!(first["rows"], 4);
        assert_eq!(first["peak_memory_bytes"], 3000);
        assert_eq!(first["backend"], "native");
        assert!(first.get("error").is_none());
        assert_eq!(value["queries"][1], serde_json::json!({"query": "dir/q02.sql", "error": "no table t"}));
    }

    #[test]
    fn files_are_ordered_by_number() {
        let directory = tempfile::tempdir().unwrap();
        for name in ["q10.sql", "q2.sql", "q1.sql", "notes.txt"] {
            std::fs::write(directory.path().join(name), "select 1").unwrap();
        }
        let pattern = directory.path().to_str().unwrap().to_owned();
        let paths = query_files(&[pattern.clone(), format!("{pattern}/q1.sql")]).unwrap();
        let names: Vec<&str> = paths.iter().map(|path| path.file_name().unwrap().to_str().unwrap()).collect();
        assert_eq!(names, ["q1.sql", "q2.sql", "q10.sql"]);
        assert_eq!(query_files(&[format!("{pattern}/z*.sql")]).unwrap_err().status(), 1);
    }

    #[test]
    fn medians() {
        assert_eq!(median(&[1.0, 2.0, 9.0]), 2.0);
        assert_eq!(median(&[1.0, 2.0, 4.0, 9.0]), 3.0);
    }
}
