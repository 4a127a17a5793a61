//! Much at once: a table made of a query, and changes of a hundredth of it, against DuckDB.

use anyhow::Result;

use super::Bench;
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;
use crate::peers;

/// DuckDB over a database file, which is told paths of SQL files.
pub(super) fn duckdb(bench: &Bench, name: &str, setup: &str) -> Result<Engine> {
    let mut command = std::process::Command::new(peers::python(&peers::PEERS)?);
    command.arg(bench.root.join("xtask/peers/peer.py")).arg("duckdb-tables");
    command.arg(bench.folder.join(format!("{name}.duckdb"))).arg(bench.threads.to_string());
    let mut engine = Engine::start("DuckDB", command)?;
    engine.time(&bench.statement(&format!("{name}-setup"), setup)?)?;
    Ok(engine)
}

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let source = format!("{}/lineitem.parquet", bench.data()?.display());
    let mut nyala = bench.nyala("bulk", &format!("CREATE TABLE changed AS SELECT * FROM '{source}'"))?;
    let mut duckdb =
        duckdb(bench, "bulk", &format!("CREATE TABLE changed AS SELECT * FROM '{source}'; CHECKPOINT"))?;
    let written = bench.folder.join("bulk.parquet");
    let contests = [
        Contest {
            what: "CREATE TABLE AS SELECT of lineitem ÷ DuckDB writing Parquet",
            ours: |_, source, _| format!("CREATE OR REPLACE TABLE made AS SELECT * FROM '{source}'"),
            theirs: Some(format!(
                "COPY (SELECT * FROM '{source}') TO '{}' (FORMAT parquet)",
                written.display()
            )),
        },
        Contest {
            what: "UPDATE of 1% of lineitem, everywhere ÷ DuckDB's own table",
            ours: |_, _, round| {
                format!("UPDATE changed SET l_quantity = l_quantity + 1 WHERE l_orderkey % 100 = {round}")
            },
            theirs: None,
        },
        Contest {
            what: "DELETE of 1% of lineitem, everywhere ÷ DuckDB's own table",
            ours: |_, _, round| format!("DELETE FROM changed WHERE l_orderkey % 100 = {}", 50 + round),
            theirs: None,
        },
        Contest {
            what: "UPDATE of a range of 1% of lineitem ÷ DuckDB's own table",
            ours: |bench, _, round| {
                format!("UPDATE changed SET l_comment = 'changed' WHERE {}", range(bench, round))
            },
            theirs: None,
        },
        Contest {
            what: "DELETE of a range of 1% of lineitem ÷ DuckDB's own table",
            ours: |bench, _, round| format!("DELETE FROM changed WHERE {}", range(bench, 50 + round)),
            theirs: None,
        },
    ];
    contests.iter().map(|contest| contest.run(bench, &source, &mut nyala, &mut duckdb)).collect()
}

/// A hundredth of the orders, another in each round; the keys of scale 1 go up to 6 million.
fn range(bench: &Bench, part: usize) -> String {
    const PART_KEYS: f64 = 60_000.0;
    let keys = (PART_KEYS * bench.scale.parse().unwrap_or(1.0)) as usize;
    format!("l_orderkey > {} AND l_orderkey <= {}", part * keys, (part + 1) * keys)
}

struct Contest {
    what: &'static str,
    /// The statement of a round, by the source and the number of the round, from 0.
    ours: fn(&Bench, &str, usize) -> String,
    /// DuckDB's where it is another.
    theirs: Option<String>,
}

impl Contest {
    fn run(&self, bench: &Bench, source: &str, nyala: &mut Engine, duckdb: &mut Engine) -> Result<Figure> {
        let (mut ours, mut theirs) = (vec![], vec![]);
        for round in 0..=bench.runs {
            let statement = (self.ours)(bench, source, round);
            let path = bench.statement("bulk-ours", &statement)?;
            let other = bench.statement("bulk-theirs", self.theirs.as_ref().unwrap_or(&statement))?;
            let times = (nyala.time(&path)?, duckdb.time(&other)?);
            // The first round warms caches.
            if round > 0 {
                ours.push(times.0);
                theirs.push(times.1);
            }
        }
        let (ours, theirs) = (median(&ours), median(&theirs));
        Ok(Figure {
            what: self.what.to_owned(),
            measured: ours / theirs,
            unit: Unit::Ratio,
            wanted: Wanted::AtMost(1.0),
            of: format!("{ours:.0} : {theirs:.0} ms"),
        })
    }
}
