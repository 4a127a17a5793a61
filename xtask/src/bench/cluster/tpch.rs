//! TPC-H on three nodes that share the machine, against the engine in one process and against Ballista.

use std::process::Command;

use anyhow::{Error, Result};

use super::processes::Cluster;
use super::{Bench, ballista};
use crate::bench::contest::{self, Pair};
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
    let peer = ballista::start(bench, &data, NODES, cores);
    let cluster = Cluster::start(bench, "tpch", NODES, &[])?;
    cluster.run(&setup)?;
    let mut embedded = engine::nyala(&bench.program, cores);
    embedded.args(["--setup", &setup]);
    let mut remote = Command::new(&bench.program);
    remote.args(["bench", "--serve", "--connect", &cluster.addresses]);
    let mut engines = vec![Engine::start("three nodes", remote)?, Engine::start("embedded", embedded)?];
    let missing = peer.map(|peer| engines.push(peer)).err();
    let contest = contest::tpch(&bench.root, bench.runs, &mut engines);
    let one_process = contest.pair(0, 1).of_all()?;
    let theirs = match missing {
        None => against_ballista(&contest.pair(0, 2), cores),
        Some(error) => no_ballista(&error),
    };
    Ok(vec![
        Figure {
            what: format!("TPC-H on {NODES} nodes ÷ the engine in one process, totals"),
            measured: one_process.totals[0] / one_process.totals[1],
            unit: Unit::Ratio,
            wanted: Wanted::AtMost(1.25),
            of: told(&one_process, cores),
        },
        theirs,
    ])
}

fn told(pair: &Pair, cores: usize) -> String {
    let Pair { totals, worst, .. } = pair;
    format!(
        "{:.0} : {:.0} ms on {cores} cores; worst query {} {:.2} ×",
        totals[0], totals[1], worst.0, worst.1
    )
}

fn against_ballista(pair: &Pair, cores: usize) -> Figure {
    let mut of = told(pair, cores);
    if !pair.without.is_empty() {
        let failed: Vec<String> = pair.without.iter().map(|(query, _)| query.to_string()).collect();
        of += &format!("; Ballista fails on queries {}", failed.join(", "));
    }
    ballista_figure(pair.totals[0] / pair.totals[1], of)
}

/// The other figure needs no Ballista.
fn no_ballista(error: &Error) -> Figure {
    eprintln!("Ballista: {error:#}");
    ballista_figure(f64::NAN, format!("not measured: {error:#}"))
}

fn ballista_figure(measured: f64, of: String) -> Figure {
    Figure {
        what: format!("TPC-H on {NODES} nodes ÷ Ballista with {NODES} executors, totals"),
        measured,
        unit: Unit::Ratio,
        wanted: Wanted::AtMost(0.5),
        of,
    }
}
