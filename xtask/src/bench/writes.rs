//! `cargo xtask bench writes`: CREATE TABLE AS, DELETE and UPDATE of TPC-H lineitem against DuckDB, which writes Parquet for
//! the first and changes a file of its own with the others.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::engine::{self, Engine};
use super::median;
use crate::build::{nyala, tpch_data};
use crate::peers;

/// What is measured: its name, and the statement for each engine, in which `{from}` to `{to}` is a range of keys and `{part}`
/// a number, other ones in each round.
struct Measured {
    name: &'static str,
    ours: &'static str,
    theirs: &'static str,
}

const MEASURED: [Measured; 5] = [
    Measured {
        name: "CREATE TABLE AS",
        ours: "CREATE OR REPLACE TABLE copied AS SELECT * FROM '{data}/lineitem.parquet'",
        theirs: "COPY (SELECT * FROM lineitem) TO '{folder}/copied.parquet' (FORMAT parquet, COMPRESSION zstd)",
    },
    Measured {
        name: "DELETE 1%, a range of keys",
        ours: "DELETE FROM lineitem WHERE l_orderkey >= {from} AND l_orderkey < {to}",
        theirs: "DELETE FROM own.lineitem WHERE l_orderkey >= {from} AND l_orderkey < {to}",
    },
    Measured {
        name: "UPDATE 1%, a range of keys",
        ours: "UPDATE lineitem SET l_quantity = l_quantity + 1 WHERE l_orderkey >= {from} AND l_orderkey < {to}",
        theirs: "UPDATE own.lineitem SET l_quantity = l_quantity + 1 WHERE l_orderkey >= {from} AND l_orderkey < {to}",
    },
    Measured {
        name: "DELETE 1%, everywhere",
        ours: "DELETE FROM lineitem WHERE l_suppkey % 100 = {part}",
        theirs: "DELETE FROM own.lineitem WHERE l_suppkey % 100 = {part}",
    },
    Measured {
        name: "UPDATE 1%, everywhere",
        ours: "UPDATE lineitem SET l_comment = 'changed' WHERE l_suppkey % 100 = {part} + 50",
        theirs: "UPDATE own.lineitem SET l_comment = 'changed' WHERE l_suppkey % 100 = {part} + 50",
    },
];

/// Order keys of scale 1; a hundredth of them is changed at a time.
const ORDER_KEYS: f64 = 6_000_000.0;
const SHARE: f64 = 0.01;

struct Settings {
    scale: String,
    runs: usize,
    threads: usize,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let settings = parse(arguments)?;
    let program = nyala(root)?;
    let data = tpch_data(&program, &settings.scale)?;
    let folder = std::env::temp_dir().join(format!("nyala-bench-writes-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    let measured = measure(root, &program, &data, &folder, &settings);
    std::fs::remove_dir_all(&folder)?;
    measured
}

fn parse(arguments: &[String]) -> Result<Settings> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let mut settings = Settings { scale: "1".into(), runs: 5, threads };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
        match flag.as_str() {
            "--scale" => settings.scale = value.clone(),
            "--runs" => settings.runs = value.parse()?,
            "--threads" => settings.threads = value.parse()?,
            other => bail!("unknown option {other}"),
        }
    }
    Ok(settings)
}

fn measure(root: &Path, program: &Path, data: &Path, folder: &Path, settings: &Settings) -> Result<()> {
    let mut command = engine::nyala(program, settings.threads);
    command.arg("--data").arg(folder.join("data"));
    let mut ours = Asked::start("nyala", command, folder)?;
    let mut command = Command::new(peers::python(&peers::PEERS)?);
    command.arg(root.join("xtask/peers/peer.py")).arg("duckdb").arg(data).arg(settings.threads.to_string());
    let mut theirs = Asked::start("duckdb", command, folder)?;
    let file = folder.join("own.db");
    ours.time(&format!("CREATE TABLE lineitem AS SELECT * FROM '{}/lineitem.parquet'", data.display()))?;
    theirs.time(&format!(
        "ATTACH '{}' AS own; CREATE TABLE own.lineitem AS SELECT * FROM lineitem; CHECKPOINT own",
        file.display()
    ))?;
    println!(
        "| statement | {} ms | {} ms | ratio |\n|---|---|---|---|",
        ours.engine.name, theirs.engine.name
    );
    let scale: f64 = settings.scale.parse()?;
    for (index, measured) in MEASURED.iter().enumerate() {
        let (mut our_times, mut their_times) = (Vec::new(), Vec::new());
        for round in 0..settings.runs {
            let filled = |sql: &str| {
                let place = (index * settings.runs + round) as f64;
                let from = ORDER_KEYS * scale * SHARE * (2.0 * place + 1.0);
                sql.replace("{from}", &format!("{from:.0}"))
                    .replace("{to}", &format!("{:.0}", from + ORDER_KEYS * scale * SHARE))
                    .replace("{part}", &round.to_string())
                    .replace("{data}", &data.display().to_string())
                    .replace("{folder}", &folder.display().to_string())
            };
            our_times.push(ours.time(&filled(measured.ours))?);
            their_times.push(theirs.time(&filled(measured.theirs))?);
        }
        let (our_time, their_time) = (median(&our_times), median(&their_times));
        println!("| {} | {our_time:.0} | {their_time:.0} | {:.2} |", measured.name, our_time / their_time);
    }
    Ok(())
}

/// An engine that is asked through a file.
struct Asked {
    engine: Engine,
    file: PathBuf,
}

impl Asked {
    fn start(name: &str, command: Command, folder: &Path) -> Result<Self> {
        Ok(Self { engine: Engine::start(name, command)?, file: folder.join(format!("{name}.sql")) })
    }

    fn time(&mut self, sql: &str) -> Result<f64> {
        std::fs::write(&self.file, sql)?;
        self.engine.time(&self.file.display().to_string()).with_context(|| sql.to_owned())
    }
}
