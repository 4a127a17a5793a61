//! Many nodes in one process under many queries of many fragments: connections, threads and file descriptors.

use anyhow::Result;

use super::processes::test_program;
use super::{Bench, number};
use crate::bench::figure::{Figure, Unit, Wanted};

const QUERIES: usize = 32;

pub fn measure(bench: &Bench) -> Result<Vec<Figure>> {
    let told = test_program(bench, "many-nodes", &[bench.nodes.to_string(), QUERIES.to_string()])?;
    let of = |what: &str| -> Result<String> {
        Ok(format!(
            "{} nodes, {QUERIES} queries of {:.0} fragments, {:.0} instances; {what}",
            bench.nodes,
            number(&told, "fragments")?,
            number(&told, "instances")?
        ))
    };
    let figure = |what: &str, name: &str, unit, wanted, of: String| -> Result<Figure> {
        Ok(Figure { what: what.into(), measured: number(&told, name)?, unit, wanted, of })
    };
    let old = number(&told, "streams")? * 2.0 / bench.nodes as f64;
    Ok(vec![
        figure(
            "queries that succeed",
            "succeeded_part",
            Unit::Ratio,
            Wanted::AtLeast(1.0),
            of(&format!("{:.1} s in all", number(&told, "seconds")?))?,
        )?,
        figure(
            "connections of a pair of nodes, at most",
            "connections_per_pair_max",
            Unit::Count,
            Wanted::AtMost(1.0),
            of(&format!("a connection for each stream would be {old:.0} for each node"))?,
        )?,
        figure(
            "file descriptors of a node, at most",
            "descriptors_per_node",
            Unit::Count,
            Wanted::AtMost(1024.0),
            of("of the process, shared out")?,
        )?,
        figure(
            "threads of a node, at most",
            "threads_per_node",
            Unit::Count,
            Wanted::AtMost(50.0),
            of("of the process, shared out")?,
        )?,
    ])
}
