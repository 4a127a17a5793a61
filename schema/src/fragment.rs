//! A part of a plan that runs without exchange: the seam between coordinator and executing nodes.

use std::fmt;

use crate::expr::Expr;
use crate::id::FragmentId;
use crate::operator::Operator;

/// Self-contained: an executor needs nothing but this to run it.
#[derive(Debug, Clone, PartialEq)]
pub struct Fragment {
    pub id: FragmentId,
    /// The catalog version that the plan was made on.
    pub catalog_version: u64,
    pub root: Operator,
    pub output: FragmentOutput,
    pub placement: Placement,
}

impl Fragment {
    /// All of a plan in one.
    pub fn whole(root: Operator, catalog_version: u64) -> Self {
        Self {
            id: FragmentId(0),
            catalog_version,
            root,
            output: FragmentOutput::Client,
            placement: Placement::Coordinator,
        }
    }
}

/// On which nodes a fragment has an instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Placement {
    /// One, on the coordinator.
    Coordinator,
    /// One on each node that takes part in the query.
    Nodes,
}

/// Where a fragment's rows go.
#[derive(Debug, Clone, PartialEq)]
pub enum FragmentOutput {
    /// To the client, in order.
    Client,
    /// To the one instance of another fragment.
    Gather { to: FragmentId },
    /// To all instances of another fragment.
    Broadcast { to: FragmentId },
    /// To the instance that the keys' hash picks.
    Hash { to: FragmentId, keys: Vec<Expr> },
    /// To the instances in turns.
    RoundRobin { to: FragmentId },
}

impl FragmentOutput {
    /// The fragment that receives the rows; `None` for the client's.
    pub fn to(&self) -> Option<FragmentId> {
        match self {
            Self::Client => None,
            Self::Gather { to }
            | Self::Broadcast { to }
            | Self::Hash { to, .. }
            | Self::RoundRobin { to } => Some(*to),
        }
    }
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "fragment {} catalog={} on={} output={}",
            self.id, self.catalog_version, self.placement, self.output
        )?;
        write!(f, "{}", self.root)
    }
}

impl fmt::Display for FragmentOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Gather { to } => write!(f, "gather→{to}"),
            Self::Broadcast { to } => write!(f, "broadcast→{to}"),
            Self::RoundRobin { to } => write!(f, "round-robin→{to}"),
            Self::Hash { to, keys } => {
                write!(f, "hash→{to} [")?;
                crate::expr::write_list(f, keys)?;
                f.write_str("]")
            }
        }
    }
}

impl fmt::Display for Placement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Coordinator => "coordinator",
            Self::Nodes => "nodes",
        })
    }
}
