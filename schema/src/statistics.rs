//! What is known of a table's contents before it is read.

use std::sync::Arc;

use bytes::Bytes;

use crate::managed::{ColumnSummary, Histogram, TableColumn, TableShape, TableSummary};
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

impl TableStatistics {
    /// Of a managed table; `distinct` reads a sketch.
    pub fn of_summary(
        shape: &TableShape,
        summary: &TableSummary,
        distinct: &dyn Fn(&Bytes) -> Option<f64>,
    ) -> Self {
        let rows = summary.rows as f64;
        let column = |column: &TableColumn| match summary.columns.get(&column.id) {
            Some(known) => ColumnStatistics::of_summary(column, known, rows, distinct),
            None => ColumnStatistics::default(),
        };
        Self {
            rows: Some(rows),
            bytes: Some(summary.bytes),
            columns: shape.columns.iter().map(column).collect(),
        }
    }
}

impl ColumnStatistics {
    fn of_summary(
        column: &TableColumn,
        known: &ColumnSummary,
        rows: f64,
        distinct: &dyn Fn(&Bytes) -> Option<f64>,
    ) -> Self {
        let bounds = [&known.min, &known.max].map(|bound| {
            let bound = bound.as_ref().filter(|_| known.is_bounded);
            bound.and_then(|bound| bound.to_value(&column.data_type))
        });
        let [min, max] = bounds;
        // Rows that are deleted stay in sketches and counts.
        let at_most_rows = |count: f64| count.min(rows);
        Self {
            min,
            max,
            nulls: Some(at_most_rows(known.nulls as f64)),
            distinct: known.sketch.as_ref().and_then(distinct).map(at_most_rows),
            width: known.width,
            histogram: known.histogram.clone(),
        }
    }
}
