//! `cargo xtask bench catalog`: commits, large catalogs, bulk changes and TPC-H over managed tables, with the wanted
//! figures beside.

mod bulk;
mod engine_figures;
mod managed_tpch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use super::engine;
use super::figure::{Figure, Figures};
use crate::build::{cache_folder, nyala, tpch_data};

/// A name for `--only`, and what it measures.
type Part = (&'static str, fn(&Bench) -> Result<Vec<Figure>>);

/// In this order.
const PARTS: [Part; 5] = [
    ("commits", engine_figures::commits),
    ("files", engine_figures::files),
    ("tables", engine_figures::tables),
    ("bulk", bulk::measure),
    ("tpch", managed_tpch::measure),
];

struct Bench {
    root: PathBuf,
    program: PathBuf,
    /// Files of this run.
    folder: PathBuf,
    scale: String,
    runs: usize,
    threads: usize,
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
    println!("scale {}, {} threads, {} runs\n", bench.scale, bench.threads, bench.runs);
    figures.print();
    Ok(())
}

fn parse(root: &Path, arguments: &[String]) -> Result<Bench> {
    let names = || PARTS.map(|(name, _)| name.to_owned()).to_vec();
    let mut bench = Bench {
        root: root.to_owned(),
        program: PathBuf::new(),
        folder: cache_folder()?.join("bench-catalog"),
        scale: "1".into(),
        runs: 5,
        threads: std::thread::available_parallelism().map_or(1, usize::from),
        parts: names(),
    };
    let mut rest = arguments.iter();
    while let Some(flag) = rest.next() {
        if flag == "--quick" {
            (bench.scale, bench.runs) = ("0.1".into(), 3);
            continue;
        }
        let value = rest.next().with_context(|| format!("{flag} takes a value"))?;
        match flag.as_str() {
            "--scale" => bench.scale = value.clone(),
            "--runs" => bench.runs = value.parse()?,
            "--threads" => bench.threads = value.parse()?,
            "--only" => bench.parts = value.split(',').map(str::to_owned).collect(),
            other => bail!("unknown option {other}"),
        }
    }
    if bench.runs == 0 {
        bail!("at least 1 run is needed");
    }
    if let Some(unknown) = bench.parts.iter().find(|part| !names().contains(part)) {
        bail!("there is no part '{unknown}'; parts are {}", names().join(", "));
    }
    Ok(bench)
}

impl Bench {
    /// The Parquet files of TPC-H.
    fn data(&self) -> Result<PathBuf> {
        tpch_data(&self.program, &self.scale)
    }

    /// A file with a statement or several, as engines are told.
    fn statement(&self, name: &str, sql: &str) -> Result<String> {
        let path = self.folder.join(format!("{name}.sql"));
        std::fs::write(&path, sql).with_context(|| format!("writing {}", path.display()))?;
        Ok(path.display().to_string())
    }

    /// A warm Nyala over a data folder of its own, in which `setup` has been run.
    fn nyala(&self, name: &str, setup: &str) -> Result<engine::Engine> {
        let data = self.folder.join(format!("{name}-data"));
        let mut command = engine::nyala(&self.program, self.threads);
        command.arg("--data").arg(data).arg("--setup").arg(self.statement(&format!("{name}-setup"), setup)?);
        engine::Engine::start(name, command)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Bench> {
        parse(Path::new("."), &line.split_whitespace().map(str::to_owned).collect::<Vec<_>>())
    }

    #[test]
    fn options() {
        let bench = parsed("--quick --only bulk,tpch --threads 3").unwrap();
        assert_eq!((bench.scale.as_str(), bench.runs, bench.threads), ("0.1", 3, 3));
        assert_eq!(bench.parts, ["bulk", "tpch"]);
        assert!(parsed("--only bulks").is_err());
        assert!(parsed("--runs 0").is_err());
    }
}
