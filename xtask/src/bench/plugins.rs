//! `cargo xtask bench plugins`: uploaded code against built-ins and against peers, with the wanted figures beside.

mod answer;
mod arrow_udf;
mod cancel;
mod contest;
mod create;
mod data;
mod expression;
mod module;
mod numbers;
mod pair;
mod text;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::engine;
use super::flags::Flags;
use super::parts::{self, Part, fresh_folder};
use crate::build::nyala;

/// In this order.
const PARTS: [Part<Bench>; 9] = [
    ("numbers", numbers::measure),
    ("text", text::measure),
    ("duckdb", contest::duckdb),
    ("arrow-udf", contest::arrow_udf),
    ("clickhouse", contest::clickhouse),
    ("create", create::create),
    ("first-call", create::first_call),
    ("instance", create::instance),
    ("cancel", cancel::measure),
];

struct Settings {
    /// Of the table in memory; text has a tenth, peers have fewer.
    rows: u64,
    runs: usize,
    threads: usize,
    parts: Vec<&'static str>,
    /// The binary of guest-ops/operators, for a function by the SDK.
    operators: Option<PathBuf>,
}

struct Bench {
    root: PathBuf,
    program: PathBuf,
    /// Files of this run.
    folder: PathBuf,
    settings: Settings,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let settings = parse(arguments)?;
    let folder = fresh_folder("bench-plugins")?;
    let bench = Bench { root: root.to_owned(), program: nyala(root)?, folder, settings };
    let figures = parts::measure(&PARTS, &bench.settings.parts, &bench);
    let Settings { rows, threads, .. } = bench.settings;
    println!("{rows} rows, {threads} threads\n");
    figures.print();
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Settings> {
    let mut flags = Flags::read(arguments)?;
    let (rows, runs) = if flags.quick { (2_000_000, 5) } else { (100_000_000, 7) };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let operators = flags.take::<PathBuf>("--operators")?;
    let settings = Settings {
        rows: flags.take("--rows")?.unwrap_or(rows),
        runs: flags.take("--runs")?.unwrap_or(runs),
        threads: flags.take("--threads")?.unwrap_or(cores),
        parts: flags.parts(&PARTS.map(|(name, _)| name))?,
        operators: operators.map(std::path::absolute).transpose()?,
    };
    flags.finish()?;
    ensure!(settings.rows >= 10 && settings.runs > 0, "at least 10 rows and 1 run are needed");
    Ok(settings)
}

impl Bench {
    /// A warm Nyala with native code in which `setup` has been run.
    fn nyala(&self, setup: &str) -> Result<Command> {
        let path = self.folder.join("setup.sql");
        std::fs::write(&path, setup).with_context(|| format!("writing {}", path.display()))?;
        let mut command = engine::nyala(&self.program, self.settings.threads);
        command.args(["--set", "backend=native", "--setup"]).arg(path);
        Ok(command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Settings> {
        parse(&line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let settings = parsed("--quick --only text,cancel --threads 3").unwrap();
        assert_eq!((settings.rows, settings.threads), (2_000_000, 3));
        assert_eq!(settings.parts, ["text", "cancel"]);
        assert_eq!(parsed("").unwrap().parts.len(), PARTS.len());
        assert!(parsed("--only texts").is_err());
        assert!(parsed("--rows").is_err());
    }
}
