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

use anyhow::{Context, Result, bail};

use super::engine;
use super::figure::{Figure, Figures};
use crate::build::{cache_folder, nyala};

/// A name for `--only`, and what it measures.
type Part = (&'static str, fn(&Bench) -> Result<Vec<Figure>>);

/// In this order.
const PARTS: [Part; 9] = [
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
    parts: Vec<String>,
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
    let folder = cache_folder()?.join("bench-plugins");
    if folder.exists() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
    }
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let bench = Bench { root: root.to_owned(), program: nyala(root)?, folder, settings };
    let mut figures = Figures::default();
    for (name, measure) in PARTS {
        if bench.settings.parts.iter().any(|part| part == name) {
            figures.extend(name, measure(&bench));
        }
    }
    let Settings { rows, threads, .. } = bench.settings;
    println!("{rows} rows, {threads} threads\n");
    figures.print();
    Ok(())
}

fn parse(arguments: &[String]) -> Result<Settings> {
    let names = || PARTS.map(|(name, _)| name.to_owned()).to_vec();
    let mut settings = Settings {
        rows: 100_000_000,
        runs: 7,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        parts: names(),
        operators: None,
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if flag == "--quick" {
            (settings.rows, settings.runs) = (2_000_000, 5);
            continue;
        }
        let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
        match flag.as_str() {
            "--rows" => settings.rows = value.parse()?,
            "--runs" => settings.runs = value.parse()?,
            "--threads" => settings.threads = value.parse()?,
            "--operators" => settings.operators = Some(std::path::absolute(value)?),
            "--only" => settings.parts = value.split(',').map(str::to_owned).collect(),
            other => bail!("unknown option {other}"),
        }
    }
    if settings.rows < 10 || settings.runs == 0 {
        bail!("at least 10 rows and 1 run are needed");
    }
    if let Some(unknown) = settings.parts.iter().find(|part| !names().contains(part)) {
        bail!("there is no part '{unknown}'; parts are {}", names().join(", "));
    }
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
