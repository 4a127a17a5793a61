//! Rows that wait to be encoded, and their order.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::{SortOptions, interleave};
use arrow_row::{RowConverter, SortField};
use nyala_schema::managed::TableShape;
use nyala_schema::{Error, Result};

use super::memory::Charge;

/// A sorted run: the rows of some batches in the order of SORTED BY; equal rows stay as they came.
pub struct SortedRun {
    batches: Vec<RecordBatch>,
    /// Batch and row.
    order: Vec<(u32, u32)>,
    /// Of all rows of the run, until the last of them is encoded.
    _charge: Charge,
}

/// The rows of one row group.
pub enum GroupRows {
    Plain(Vec<RecordBatch>),
    Sorted { run: Arc<SortedRun>, range: Range<usize> },
}

impl SortedRun {
    /// # Errors
    /// Internal for a column to sort by that the table lacks; Unsupported for a type that has no order.
    pub fn new(shape: &TableShape, batches: Vec<RecordBatch>, charge: Charge) -> Result<Self> {
        let order = sorted_order(shape, &batches)?;
        Ok(Self { batches, order, _charge: charge })
    }

    pub fn rows(&self) -> usize {
        self.order.len()
    }
}

/// The places of all rows, in order.
pub fn sorted_order(shape: &TableShape, batches: &[RecordBatch]) -> Result<Vec<(u32, u32)>> {
    let places = |batch: usize, rows: usize| (0..rows as u32).map(move |row| (batch as u32, row));
    let mut order: Vec<(u32, u32)> =
        batches.iter().enumerate().flat_map(|(at, batch)| places(at, batch.num_rows())).collect();
    let Some(first) = batches.first().filter(|_| !shape.sort_by.is_empty()) else { return Ok(order) };
    let mut fields = Vec::new();
    let mut positions = Vec::new();
    for field in &shape.sort_by {
        let position = shape.position(field.column);
        let position =
            position.ok_or_else(|| Error::internal("a table is sorted by a column that it lacks"))?;
        let options = SortOptions { descending: field.descending, nulls_first: field.nulls_first };
        fields.push(SortField::new_with_options(first.column(position).data_type().clone(), options));
        positions.push(position);
    }
    let converter = RowConverter::new(fields)?;
    let rows: Vec<_> = batches
        .iter()
        .map(|batch| {
            let keys: Vec<ArrayRef> = positions.iter().map(|at| Arc::clone(batch.column(*at))).collect();
            Ok(converter.convert_columns(&keys)?)
        })
        .collect::<Result<_>>()?;
    order.sort_unstable_by(|a, b| {
        let (left, right) = (rows[a.0 as usize].row(a.1 as usize), rows[b.0 as usize].row(b.1 as usize));
        left.cmp(&right).then(a.cmp(b))
    });
    Ok(order)
}

impl GroupRows {
    pub fn rows(&self) -> usize {
        match self {
            Self::Plain(batches) => batches.iter().map(RecordBatch::num_rows).sum(),
            Self::Sorted { range, .. } => range.len(),
        }
    }

    /// One column, in pieces.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        match self {
            Self::Plain(batches) => {
                Ok(batches.iter().map(|batch| Arc::clone(batch.column(column))).collect())
            }
            Self::Sorted { run, range } => {
                let order = &run.order[range.clone()];
                Ok(vec![gathered(&run.batches, column, order)?])
            }
        }
    }
}

/// One column of rows at some places.
pub fn gathered(batches: &[RecordBatch], column: usize, places: &[(u32, u32)]) -> Result<ArrayRef> {
    let arrays: Vec<&dyn Array> = batches.iter().map(|batch| batch.column(column).as_ref()).collect();
    let places: Vec<(usize, usize)> =
        places.iter().map(|(batch, row)| (*batch as usize, *row as usize)).collect();
    Ok(interleave(&arrays, &places)?)
}
