//! `cargo xtask bench catalog`: commits, large catalogs, bulk changes and TPC-H over managed tables, with the wanted
//! figures beside.

mod bulk;
mod engine_figures;
mod managed_tpch;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};

use super::engine;
use super::flags::Flags;
use super::parts::{self, Part, fresh_folder};
use crate::build::{nyala, tpch_data};

/// In this order.
const PARTS: [Part<Bench>; 5] = [
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
    parts: Vec<&'static str>,
}

pub fn run(root: &Path, arguments: &[String]) -> Result<()> {
    let mut bench = parse(root, arguments)?;
    bench.folder = fresh_folder("bench-catalog")?;
    bench.program = nyala(root)?;
    let figures = parts::measure(&PARTS, &bench.parts, &bench);
    println!("scale {}, {} threads, {} runs\n", bench.scale, bench.threads, bench.runs);
    figures.print();
    Ok(())
}

fn parse(root: &Path, arguments: &[String]) -> Result<Bench> {
    let mut flags = Flags::read(arguments)?;
    let (scale, runs) = if flags.quick { ("0.1", 3) } else { ("1", 5) };
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let bench = Bench {
        root: root.to_owned(),
        program: PathBuf::new(),
        folder: PathBuf::new(),
        scale: flags.take("--scale")?.unwrap_or_else(|| scale.into()),
        runs: flags.take("--runs")?.unwrap_or(runs),
        threads: flags.take("--threads")?.unwrap_or(cores),
        parts: flags.parts(&PARTS.map(|(name, _)| name))?,
    };
    flags.finish()?;
    ensure!(bench.runs > 0, "at least 1 run is needed");
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
