//! What is known of a table's contents before it is read.

use std::sync::Arc;

use crate::managed::Histogram;
use crate::value::Value;

/// Bounds hold for every row of the files they were read from; counts marked `estimated` may be off.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableStatistics {
    /// Exact for Parquet, estimated from the file size otherwise; `None` when nothing is known.
    pub rows: Option<f64>,
    /// Size of all files, bytes.
    pub bytes: Option<u64>,
    /// One for each column of the table, in order.
    pub columns: Vec<ColumnStatistics>,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct ColumnStatistics {
    /// Lower and upper bound; the bound need not occur.
    pub min: Option<Value>,
    pub max: Option<Value>,
    pub nulls: Option<f64>,
    /// Estimated number of distinct values, from dictionaries, value ranges or a sample.
    pub distinct: Option<f64>,
    /// Mean bytes of a value when it is text or binary.
    pub width: Option<f64>,
    /// For estimates while planning: fragments do not carry it.
    pub histogram: Option<Arc<Histogram>>,
}
