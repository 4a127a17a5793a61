//! Small batches become ones that are worth sending.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, make_array};
use arrow::compute::{concat, take};
use nyala_schema::Result;

use crate::hub::with_types;

/// Rows of a batch that is worth sending.
pub const COALESCED_ROWS: usize = 8192;

/// Of all receivers together: with many, batches are smaller, so that what waits stays bounded.
const WAITING_ROWS_MAX: usize = 32 * COALESCED_ROWS;

/// The least, however many receivers there are.
const ROWS_MIN: usize = 512;

/// Gathers small batches for each receiver until they are worth sending. A dictionary may become its values by that.
#[derive(Debug)]
pub struct Coalescer {
    waiting: Vec<Waiting>,
    rows: usize,
}

#[derive(Debug, Clone, Default)]
struct Waiting {
    pieces: Vec<RecordBatch>,
    rows: usize,
}

impl Coalescer {
    pub fn new(receivers: usize) -> Self {
        let rows = (WAITING_ROWS_MAX / receivers.max(1)).clamp(ROWS_MIN, COALESCED_ROWS);
        Self { waiting: vec![Waiting::default(); receivers], rows }
    }

    /// Adds rows; gives what is worth sending now.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn push(&mut self, receiver: usize, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let waiting = &mut self.waiting[receiver];
        let goes_with_these = waiting.pieces.first().is_none_or(|piece| piece.schema() == batch.schema());
        // Columns may be dictionaries in some batches only.
        let others = if goes_with_these { None } else { waiting.take()? };
        waiting.rows += batch.num_rows();
        if batch.num_rows() > 0 {
            waiting.pieces.push(batch);
        }
        if others.is_some() || waiting.rows < self.rows {
            return Ok(others);
        }
        waiting.take()
    }

    /// What is left for a receiver.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn flush(&mut self, receiver: usize) -> Result<Option<RecordBatch>> {
        self.waiting[receiver].take()
    }

    /// Of all that waits.
    pub fn memory_bytes(&self) -> usize {
        self.waiting.iter().flat_map(|waiting| &waiting.pieces).map(RecordBatch::get_array_memory_size).sum()
    }
}

impl Waiting {
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        let Self { mut pieces, rows: _ } = std::mem::take(self);
        match pieces.len() {
            0 | 1 => Ok(pieces.pop()),
            _ => Ok(Some(gather(&pieces)?)),
        }
    }
}

/// One batch of many that have the same types.
fn gather(pieces: &[RecordBatch]) -> Result<RecordBatch> {
    let rows = pieces.iter().map(RecordBatch::num_rows).sum();
    let schema = pieces[0].schema();
    let column = |index: usize| -> Result<ArrayRef> {
        let arrays: Vec<&dyn Array> = pieces.iter().map(|piece| piece.column(index).as_ref()).collect();
        if is_worth_a_dictionary(&arrays, rows)
            && let Ok(array) = concat(&arrays)
        {
            return Ok(array);
        }
        let plain: Vec<ArrayRef> = arrays.into_iter().map(without_dictionary).collect::<Result<_>>()?;
        Ok(concat(&plain.iter().map(AsRef::as_ref).collect::<Vec<_>>())?)
    };
    let columns: Vec<ArrayRef> = (0..schema.fields().len()).map(column).collect::<Result<_>>()?;
    let schema = with_types(&schema, columns.iter().map(|column| column.data_type()));
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(schema, columns, &options)?)
}

/// Dictionaries of different values are put together; with more values than rows they cost more than they save.
fn is_worth_a_dictionary(arrays: &[&dyn Array], rows: usize) -> bool {
    let mut values = arrays.iter().filter_map(|array| Some(array.as_any_dictionary_opt()?.values()));
    let Some(first) = values.next() else { return true };
    let mut others = values.filter(|values| !Arc::ptr_eq(values, first)).peekable();
    others.peek().is_none() || first.len() + others.map(|values| values.len()).sum::<usize>() <= rows
}

fn without_dictionary(array: &dyn Array) -> Result<ArrayRef> {
    match array.as_any_dictionary_opt() {
        Some(dictionary) => Ok(take(dictionary.values(), dictionary.keys(), None)?),
        None => Ok(make_array(array.to_data())),
    }
}
