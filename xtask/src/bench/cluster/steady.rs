//! What clients see of nodes that are killed.

use anyhow::Result;

use super::processes::test_program;
use super::{Bench, number};
use crate::bench::figure::{Figure, Unit, Wanted};

const CLIENTS: usize = 16;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let folder = bench.folder.join("kill").display().to_string();
    let told =
        test_program(bench, "killed-nodes", &[folder, CLIENTS.to_string(), bench.seconds.to_string()])?;
    let of = format!(
        "{:.0} kills in {} s, {CLIENTS} clients, {:.0} writes, {:.0} reads",
        number(&told, "kills")?,
        bench.seconds,
        number(&told, "writes")?,
        number(&told, "reads")?
    );
    Ok(vec![
        Figure {
            what: "failed statements and wrong answers while nodes are killed".into(),
            measured: number(&told, "complaints")?,
            unit: Unit::Count,
            wanted: Wanted::AtMost(0.0),
            of: of.clone(),
        },
        Figure {
            what: "added latency, 99 of 100 statements within".into(),
            measured: number(&told, "latency_ms_p99")? - number(&told, "latency_ms_median")?,
            unit: Unit::Milliseconds,
            wanted: Wanted::AtMost(3000.0),
            of: format!("slowest {:.0} ms", number(&told, "latency_ms_max")?),
        },
    ])
}
