//! Which part of a plan runs where.
//!
//! Rows are at a [`location`]: on the coordinator, on the nodes (partitioned by the hash of some columns, or anyhow), or copied to
//! each node. A [`rule`] says for every operator over which locations it gives the right rows; [`choice`] proposes ways with rows moved
//! by exchanges and keeps the cheapest by [`cost`]; [`cut`] writes the fragments down, one between any two exchanges;
//! [`ranges`] says where an order can be cut; [`verify`] checks them once more by the same rules. Queries that are [`small`] stay on the coordinator.

pub mod choice;
pub mod cost;
pub mod cut;
pub mod location;
pub mod plain_keys;
pub mod ranges;
pub mod rule;
mod several;
mod single;
pub mod small;
pub mod step;
mod tidy;
pub mod verify;
pub mod width;

use nyala_schema::operator::OperatorKind;
use nyala_schema::option::{DistributionChoice, Options};
use nyala_schema::{Error, Fragment, Operator, Result};

use cost::Prices;

/// Where a query may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    /// That take part, the coordinator's own among them when it executes.
    pub nodes: usize,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { nodes: 1 }
    }
}

/// Whether the operators of a query are to be cut for these nodes, or run on the coordinator as they are.
pub fn is_distributed(root: &Operator, options: &Options, distribution: Distribution) -> bool {
    let mut recurs = false;
    root.for_each(&mut |operator| recurs |= matches!(operator.kind, OperatorKind::Recursion { .. }));
    if recurs || distribution.nodes <= 1 {
        return false;
    }
    match options.distribution {
        DistributionChoice::Auto => !small::is_small(root),
        DistributionChoice::Always => true,
        DistributionChoice::Never => false,
    }
}

/// The fragments of a plan for several nodes.
///
/// # Errors
/// `Internal` when the ways that were found do not fit the plan.
pub fn distribute(
    root: Operator,
    catalog_version: u64,
    options: &Options,
    distribution: Distribution,
) -> Result<Vec<Fragment>> {
    let root = plain_keys::plain_keys(root);
    let is_forced = options.distribution == DistributionChoice::Always;
    let prices = Prices { nodes: distribution.nodes as f64, is_forced };
    let choices = choice::choose(&root, prices);
    let way = choices.at_coordinator(prices);
    let way = way.ok_or_else(|| Error::internal("no way leads to the coordinator"))?;
    cut::cut(root, &choices, way, catalog_version)
}
