//! `cargo xtask bench cluster`: what the transport, many nodes, TPC-H on three nodes and killed nodes give, with the wanted
//! figures beside.

mod many;
mod processes;
mod steady;
mod streams;
mod tpch;
mod transport;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use super::figure::{Figure, Figures};
use crate::build::{cache_folder, nyala};

/// A name for `--only`, and what it measures.
type Part = (&'static str, fn(&Bench) -> Result<Vec<Figure>>);

/// In this order.
const PARTS: [Part; 5] = [
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
    parts: Vec<String>,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut bench = parse(root, arguments)?;
    if bench.folder.exists() {
        std::fs::remove_dir_all(&bench.folder)
            .with_context(|| format!("clearing {}", bench.folder.display()))?;
    }
    std::fs::create_dir_all(&bench.folder).with_context(|| format!("making {}", bench.folder.display()))?;
    bench.program = nyala(root)?;
    let mut figures = Figures::default();
    for (name, measure) in PARTS {
        if bench.parts.iter().any(|part| part == name) {
            figures.extend(name, measure(&bench));
        }
    }
    println!("scale {}, {} runs, {} nodes at most\n", bench.scale, bench.runs, bench.nodes);
    figures.print();
    Ok(())
}

fn parse(root: &Path, arguments: &[String]) -> Result<Bench> {
    let names = || PARTS.map(|(name, _)| name.to_owned()).to_vec();
    let mut bench = Bench {
        root: root.to_owned(),
        program: PathBuf::new(),
        folder: cache_folder()?.join("bench-cluster"),
        scale: "1".into(),
        runs: 5,
        seconds: 300,
        nodes: 100,
        parts: names(),
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if flag == "--quick" {
            (bench.scale, bench.runs, bench.seconds, bench.nodes) = ("0.1".into(), 3, 30, 20);
            continue;
        }
        let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
        match flag.as_str() {
            "--scale" => bench.scale = value.clone(),
            "--runs" => bench.runs = value.parse()?,
            "--seconds" => bench.seconds = value.parse()?,
            "--nodes" => bench.nodes = value.parse()?,
            "--only" => bench.parts = value.split(',').map(str::to_owned).collect(),
            other => bail!("unknown option {other}"),
        }
    }
    if let Some(unknown) = bench.parts.iter().find(|part| !names().contains(part)) {
        bail!("there is no part '{unknown}'; parts are {}", names().join(", "));
    }
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
