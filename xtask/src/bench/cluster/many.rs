//! Many nodes in one process under many queries of many fragments: connections, threads and file descriptors; and what a
//! connection and a thread for each fragment and peer would take, by a model of that.

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
    let streams = number(&told, "streams")?;
    // Each has two ends.
    let old = |name: &str| -> Result<String> {
        let of_node = streams * number(&told, name)? / bench.nodes as f64;
        Ok(format!(
            "{of_node:.0} with a connection for each of {streams:.0} streams, by a model of {:.0} connections",
            number(&told, "old_connections")?
        ))
    };
    Ok(vec![
        figure(
            "queries that succeed",
            "succeeded_part",
            Unit::Ratio,
            Wanted::AtLeast(1.0),
            of(&format!(
                "{:.0} s in all, {:.0} s before for the nodes to start; {:.0} MiB a node",
                number(&told, "seconds")?,
                number(&told, "start_seconds")?,
                number(&told, "memory_mib_per_node")?
            ))?,
        )?,
        figure(
            "connections of a pair of nodes, at most",
            "connections_per_pair_max",
            Unit::Count,
            Wanted::AtMost(1.0),
            of("whatever runs")?,
        )?,
        figure(
            "file descriptors of a node, at most",
            "descriptors_per_node",
            Unit::Count,
            Wanted::AtMost(1024.0),
            of(&format!("of the process, shared out; {}", old("old_descriptors_per_connection")?))?,
        )?,
        figure(
            "threads of a node, at most",
            "threads_per_node",
            Unit::Count,
            Wanted::AtMost(50.0),
            of(&format!("of the process, shared out; {}", old("old_threads_per_connection")?))?,
        )?,
    ])
}
