//! A part of a plan that runs without exchange: the seam between coordinator and executing nodes.

use std::fmt;

use arrow::array::make_comparator;
use arrow::compute::SortOptions;

use crate::error::{Error, ErrorCode, Result};
use crate::expr::Expr;
use crate::id::FragmentId;
use crate::operator::{Operator, SortKey};
use crate::value::Value;

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
    /// To the instance whose range of the key holds the row. Each bound is the first value of a range, in the key's order: there is
    /// one range more than bounds.
    Range { to: FragmentId, key: SortKey, bounds: Vec<Value> },
}

impl FragmentOutput {
    /// The fragment that receives the rows; `None` for the client's.
    pub fn to(&self) -> Option<FragmentId> {
        match self {
            Self::Client => None,
            Self::Gather { to }
            | Self::Broadcast { to }
            | Self::Hash { to, .. }
            | Self::Range { to, .. }
            | Self::RoundRobin { to } => Some(*to),
        }
    }
}

impl SortKey {
    /// Whether these may bound ranges of the key: values of its type, none NULL, one behind the other in its order.
    ///
    /// # Errors
    /// `Connection`, naming what is wrong: bounds come from another node.
    pub fn check_bounds(&self, bounds: &[Value]) -> Result<()> {
        let data_type = self.expr.data_type();
        let wrong = |what: String| Err(Error::new(ErrorCode::Connection, format!("ranges of {self} {what}")));
        if bounds.is_empty() {
            return wrong("without bounds".to_owned());
        }
        if let Some(other) = bounds.iter().find(|bound| *bound.data_type() != data_type) {
            return wrong(format!("with a bound of type {}, not {data_type}", other.data_type()));
        }
        if bounds.iter().any(Value::is_null) {
            return wrong("with NULL as a bound".to_owned());
        }
        let options = SortOptions { descending: self.descending, nulls_first: self.nulls_first };
        for pair in bounds.windows(2) {
            if !make_comparator(pair[0].array(), pair[1].array(), options)?(0, 0).is_lt() {
                return wrong(format!("with {} before {}", pair[0], pair[1]));
            }
        }
        Ok(())
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
            Self::Range { to, key, bounds } => {
                write!(f, "range→{to} [{key}] at [")?;
                crate::expr::write_list(f, bounds)?;
                f.write_str("]")
            }
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
