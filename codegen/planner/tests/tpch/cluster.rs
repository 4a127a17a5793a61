//! Queries planned for three nodes, and questions about their fragments.

use nyala_planner::Distribution;
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::id::FragmentId;
use nyala_schema::operator::OperatorKind;
use nyala_schema::option::{DistributionChoice, Options};
use nyala_schema::{Fragment, Operator};

use crate::logical;

pub fn on_nodes(sql: &str, nodes: usize, distribution: DistributionChoice) -> Vec<Fragment> {
    let options = Options { distribution, ..Options::default() };
    let logical = logical(sql).expect("a logical plan");
    let fragments = nyala_planner::plan_for(&logical, 7, &options, Distribution { nodes });
    fragments.unwrap_or_else(|error| panic!("{sql}: {error:?}"))
}

pub fn auto(sql: &str) -> Vec<Fragment> {
    on_nodes(sql, 3, DistributionChoice::Auto)
}

pub fn always(sql: &str) -> Vec<Fragment> {
    on_nodes(sql, 3, DistributionChoice::Always)
}

fn name(output: &FragmentOutput) -> &'static str {
    match output {
        FragmentOutput::Client => "client",
        FragmentOutput::Gather { .. } => "gather",
        FragmentOutput::Broadcast { .. } => "broadcast",
        FragmentOutput::Hash { .. } => "hash",
        FragmentOutput::RoundRobin { .. } => "round-robin",
        FragmentOutput::Range { .. } => "range",
    }
}

/// How each fragment's rows leave it.
pub fn outputs(fragments: &[Fragment]) -> Vec<&'static str> {
    fragments.iter().map(|fragment| name(&fragment.output)).collect()
}

/// How the rows of an operator have come into its fragment, when it is nothing but a receiver, or steps row by row above one.
pub fn received(fragments: &[Fragment], operator: &Operator) -> Option<&'static str> {
    match &operator.kind {
        OperatorKind::Receive { from, .. } => {
            fragments.iter().find(|fragment| fragment.id == *from).map(|fragment| name(&fragment.output))
        }
        OperatorKind::Project { .. } | OperatorKind::Filter { .. } => {
            received(fragments, &operator.inputs[0])
        }
        _ => None,
    }
}

/// The place of the fragment that receives from `id`.
pub fn holder(fragments: &[Fragment], id: FragmentId) -> Option<usize> {
    fragments.iter().position(|fragment| {
        let mut receives = false;
        fragment.root.for_each(&mut |operator| {
            receives |= matches!(operator.kind, OperatorKind::Receive { from, .. } if from == id);
        });
        receives
    })
}
