//! `cargo xtask bench cluster`: what the transport, many nodes, TPC-H on three nodes and killed nodes give, with the wanted
//! figures beside.

mod ballista;
mod many;
mod processes;
mod steady;
mod streams;
mod tpch;
mod transport;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::flags::Flags;
use super::parts::{self, Part, fresh_folder};
use crate::build::nyala;

/// In this order.
const PARTS: [Part<Bench>; 5] = [
    ("transport", transport::measure),
    ("many", many::measure),
    ("tpch", tpch::measure),
    ("streams", streams::measure),
    ("kill", steady::measure),
];

struct Bench {
    root: PathBuf,
    program: PathBuf,
    /// Files of this run.
    folder: PathBuf,
    scale: String,
    runs: usize,
    /// Of measurements that take a given time.
    seconds: u64,
    nodes: usize,
    parts: Vec<&'static str>,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut bench = parse(root, arguments)?;
    bench.folder = fresh_folder("bench-cluster")?;
    bench.program = nyala(root)?;
    let figures = parts::measure(&PARTS, &bench.parts, &bench);
    println!("scale {}, {} runs, {} nodes at most\n", bench.scale, bench.runs, bench.nodes);
    figures.print();
    Ok(())
}

fn parse(root: &Path, arguments: &[String]) -> Result<Bench> {
    let mut flags = Flags::read(arguments)?;
    let (scale, runs, seconds, nodes) = if flags.quick { ("0.1", 3, 30, 20) } else { ("1", 5, 300, 100) };
    let bench = Bench {
        root: root.to_owned(),
        program: PathBuf::new(),
        folder: PathBuf::new(),
        scale: flags.take("--scale")?.unwrap_or_else(|| scale.into()),
        runs: flags.take("--runs")?.unwrap_or(runs),
        seconds: flags.take("--seconds")?.unwrap_or(seconds),
        nodes: flags.take("--nodes")?.unwrap_or(nodes),
        parts: flags.parts(&PARTS.map(|(name, _)| name))?,
    };
    flags.finish()?;
    ensure!(bench.runs > 0, "at least 1 run is needed");
    Ok(bench)
}

/// A number that a program told as JSON.
fn number(answer: &Value, name: &str) -> Result<f64> {
    answer[name].as_f64().with_context(|| format!("{name} is missing in {answer}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options() {
        let parsed = |line: &str| {
            parse(Path::new("."), &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
        };
        let bench = parsed("--quick --only many,tpch --nodes 7").unwrap();
        assert_eq!((bench.scale.as_str(), bench.nodes), ("0.1", 7));
        assert_eq!(bench.parts, ["many", "tpch"]);
        assert!(parsed("--only tpcds").is_err());
    }
}
