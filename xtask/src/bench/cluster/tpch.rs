//! TPC-H on three nodes that share the machine, against the engine in one process.

use anyhow::Result;

use super::Bench;
use super::processes::Cluster;
use crate::bench::contest::{self, Contest};
use crate::bench::engine::{self, Engine};
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::build::{tpch_data, tpch_setup};

const NODES: usize = 3;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let data = tpch_data(&bench.program, &bench.scale)?;
    let setup = bench.folder.join("tpch-setup.sql");
    std::fs::write(&setup, tpch_setup(&data))?;
    let setup = setup.display().to_string();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let cluster = Cluster::start(bench, "tpch", NODES, &[])?;
    cluster.run(&setup)?;
    let mut embedded = engine::nyala(&bench.program, cores);
    embedded.args(["--setup", &setup]);
    let mut remote = std::process::Command::new(&bench.program);
    remote.args(["bench", "--serve", "--connect", &cluster.addresses]);
    let mut engines = [Engine::start("three nodes", remote)?, Engine::start("embedded", embedded)?];
    let Contest { totals, worst, .. } = contest::tpch(&bench.root, bench.runs, &mut engines)?;
    Ok(vec![Figure {
        what: format!("TPC-H on {NODES} nodes ÷ the engine in one process, totals"),
        measured: totals[0] / totals[1],
        unit: Unit::Ratio,
        wanted: Wanted::AtMost(1.25),
        of: format!(
            "{:.0} : {:.0} ms on {cores} cores; worst query {} {:.2} ×",
            totals[0], totals[1], worst.0, worst.1
        ),
    }])
}
