//! Queries a second by few clients and by many.

use anyhow::Result;

use super::processes::{Cluster, test_program};
use super::{Bench, number};
use crate::bench::figure::{Figure, Unit, Wanted};
use crate::bench::median;
use crate::build::{tpch_data, tpch_setup};

const NODES: usize = 3;
const FEW: usize = 8;
const MANY: usize = 64;
/// Of both, one after the other; who begins alternates, for a machine that gets slower or faster meanwhile.
const TURNS: usize = 16;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let data = tpch_data(&bench.program, &bench.scale)?;
    let setup = bench.folder.join("streams-setup.sql");
    std::fs::write(&setup, tpch_setup(&data))?;
    let cluster = Cluster::start(bench, "streams", NODES, &[])?;
    cluster.run(&setup.display().to_string())?;
    let seconds = (bench.seconds / 50).max(5).to_string();
    let queries = bench.root.join("tests/tpch/queries").display().to_string();
    let rate = |clients: usize| -> Result<f64> {
        let arguments = [cluster.addresses.clone(), clients.to_string(), seconds.clone(), queries.clone()];
        let told = test_program(bench, "query-streams", &arguments)?;
        anyhow::ensure!(number(&told, "failures")? == 0.0, "queries failed: {told}");
        number(&told, "queries_per_second")
    };
    rate(FEW)?;
    let (mut few, mut many) = (vec![], vec![]);
    for turn in 0..TURNS {
        let mut pair = [(FEW, &mut few), (MANY, &mut many)];
        pair.rotate_left(turn % 2);
        for (clients, rates) in pair {
            rates.push(rate(clients)?);
        }
        eprintln!("turn {}: {:.1} a second by {MANY}, {:.1} by {FEW}", turn + 1, many[turn], few[turn]);
    }
    let ratios: Vec<f64> = many.iter().zip(&few).map(|(many, few)| many / few).collect();
    let (few, many) = (median(&few), median(&many));
    Ok(vec![Figure {
        what: format!("TPC-H queries a second by {MANY} clients ÷ by {FEW}"),
        measured: median(&ratios),
        unit: Unit::Ratio,
        wanted: Wanted::AtLeast(1.0),
        of: format!("{many:.1} : {few:.1} a second on {NODES} nodes, {TURNS} turns"),
    }])
}
