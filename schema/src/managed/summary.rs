//! What is known of a table's rows as a whole, kept up to date by every commit.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use crate::bound::Bound;
use crate::id::ColumnId;

#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableSummary {
    /// Exact.
    pub rows: u64,
    /// Of all files.
    pub bytes: u64,
    pub columns: BTreeMap<ColumnId, ColumnSummary>,
    /// When ANALYZE last looked, milliseconds since 1970, and how many rows there were.
    pub analyzed: Option<(i64, u64)>,
}

/// Bounds hold for every row; after deletes they may be wider than the rows.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnSummary {
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    /// `false` when a file came of whose column nothing is known: then there are no bounds.
    pub is_bounded: bool,
    /// At most so many.
    pub nulls: u64,
    /// A HyperLogLog sketch in DataSketches' form.
    pub sketch: Option<Bytes>,
    /// Mean bytes of a value when it is text or binary.
    pub width: Option<f64>,
    pub histogram: Option<Arc<Histogram>>,
}

/// The sketch of what a commit adds to one column.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSketch {
    pub column: ColumnId,
    pub sketch: Bytes,
    /// Mean bytes of a value when it is text or binary.
    pub width: Option<f64>,
}

/// Equi-depth: between two neighbours lie equally many of the rows that are not NULL.
#[derive(Debug, Clone, PartialEq)]
pub struct Histogram {
    /// Ascending; at least two.
    pub bounds: Vec<Bound>,
}
