//! TPC-H over managed tables, against the same engine over Parquet files and DuckDB over tables of its own.

use anyhow::Result;

use super::{Bench, bulk};
use crate::bench::contest::{self, Pair};
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::build::tpch_setup;

const TABLES: [&str; 8] =
    ["customer", "lineitem", "nation", "orders", "part", "partsupp", "region", "supplier"];

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let data = bench.data()?;
    let loading: String = TABLES
        .iter()
        .map(|table| format!("CREATE TABLE {table} AS SELECT * FROM '{}/{table}.parquet';\n", data.display()))
        .collect();
    // Loaded by a process that ends: the next starts with nothing in memory.
    drop(bench.nyala("tpch", &loading)?);
    let uncached = "SET column_cache = off;\n";
    let mut engines =
        [bench.nyala("tpch", "")?, bulk::duckdb(bench, "tpch", &format!("{loading}CHECKPOINT"))?];
    let warm = contest(bench, &mut engines)?;
    drop(engines);
    let mut engines =
        [bench.nyala("tpch", uncached)?, bench.nyala("files", &format!("{uncached}{}", tpch_setup(&data)))?];
    let cold = contest(bench, &mut engines)?;
    Ok(vec![
        Figure {
            what: "TPC-H from managed tables, columns cached ÷ DuckDB's own tables".into(),
            measured: warm.ratio,
            unit: Unit::Ratio,
            wanted: Wanted::AtMost(1.0),
            of: warm.of,
        },
        Figure {
            what: "TPC-H from managed tables ÷ from external Parquet files, nothing cached".into(),
            measured: cold.ratio,
            unit: Unit::Ratio,
            wanted: Wanted::AtMost(1.0),
            of: cold.of,
        },
    ])
}

struct Outcome {
    /// Of geometric means over the queries.
    ratio: f64,
    of: String,
}

fn contest(bench: &Bench, engines: &mut [Engine; 2]) -> Result<Outcome> {
    let contest = contest::tpch(&bench.root, bench.runs, engines);
    let Pair { means, worst, .. } = contest.pair(0, 1).of_all()?;
    Ok(Outcome {
        ratio: means[0] / means[1],
        of: format!(
            "{:.1} : {:.1} ms, geometric means; worst query {} {:.2} ×; {} : {} MiB at most",
            means[0],
            means[1],
            worst.0,
            worst.1,
            engines[0].peak_memory_bytes >> 20,
            engines[1].peak_memory_bytes >> 20,
        ),
    })
}
