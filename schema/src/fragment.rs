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
}

impl fmt::Display for Fragment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "fragment {} catalog={} output={}", self.id, self.catalog_version, self.output)?;
        write!(f, "{}", self.root)
    }
}

impl fmt::Display for FragmentOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => f.write_str("client"),
            Self::Gather { to } => write!(f, "gather→{to}"),
            Self::Broadcast { to } => write!(f, "broadcast→{to}"),
            Self::Hash { to, keys } => {
                write!(f, "hash→{to} [")?;
                crate::expr::write_list(f, keys)?;
                f.write_str("]")
            }
        }
    }
}
