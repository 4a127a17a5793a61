//! TPC-H over managed tables, against the same engine over Parquet files and DuckDB over tables of its own.

use anyhow::Result;

use super::{Bench, bulk};
use crate::bench::engine::Engine;
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;
use crate::build::tpch_setup;

const QUERIES: usize = 22;
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
    let mut logarithms = [0.0; 2];
    let mut worst = (0, 0.0);
    for query in 1..=QUERIES {
        let path = bench.root.join(format!("tests/tpch/queries/q{query:02}.sql")).display().to_string();
        let mut times = [vec![], vec![]];
        for round in 0..=bench.runs {
            for (engine, times) in engines.iter_mut().zip(&mut times) {
                let ms = engine.time(&path)?;
                // The first round warms caches.
                times.extend((round > 0).then_some(ms));
            }
        }
        let medians = times.map(|times| median(&times));
        for (sum, ms) in logarithms.iter_mut().zip(medians) {
            *sum += ms.ln() / QUERIES as f64;
        }
        let ratio = medians[0] / medians[1];
        eprintln!("query {query}: {:.1} : {:.1} ms, {ratio:.2}", medians[0], medians[1]);
        if ratio > worst.1 {
            worst = (query, ratio);
        }
    }
    let means = logarithms.map(f64::exp);
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
