//! Rows for one receiver, gathered until they are worth sending.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::Result;

use crate::column::concat::{compact, concat};
use crate::column::size::bytes_of_all;

/// Rows or bytes of a batch that is worth sending.
const ROWS_MIN: usize = 8192;
const BYTES_MIN: u64 = 1 << 20;
/// Rows that wait for all receivers together; with many of them batches are smaller.
const WAITING_ROWS_MAX: usize = 32 * ROWS_MIN;
/// However many receivers there are.
const ROWS_FLOOR: usize = 512;

pub(crate) struct Gathering {
    schema: SchemaRef,
    /// For each column its parts.
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    bytes: u64,
    rows_min: usize,
}

impl Gathering {
    /// For batches of this schema, of which each may have dictionaries of text.
    pub(crate) fn new(schema: &SchemaRef, receivers: usize) -> Self {
        let rows_min = (WAITING_ROWS_MAX / receivers.max(1)).clamp(ROWS_FLOOR, ROWS_MIN);
        let parts = vec![vec![]; schema.fields().len()];
        Self { schema: schema.clone(), parts, rows: 0, bytes: 0, rows_min }
    }

    /// Adds rows; gives what is worth sending now.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub(crate) fn push(&mut self, columns: &[ArrayRef], rows: usize) -> Result<Option<RecordBatch>> {
        for (parts, column) in self.parts.iter_mut().zip(columns) {
            parts.push(compact(column.clone(), false)?);
        }
        self.rows += rows;
        self.bytes += bytes_of_all(&columns[..self.parts.len()]);
        if self.rows < self.rows_min && self.bytes < BYTES_MIN {
            return Ok(None);
        }
        self.take()
    }

    /// What is left.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub(crate) fn take(&mut self) -> Result<Option<RecordBatch>> {
        let rows = std::mem::take(&mut self.rows);
        self.bytes = 0;
        if rows == 0 {
            return Ok(None);
        }
        let mut columns = Vec::with_capacity(self.parts.len());
        let mut fields: Vec<Field> = Vec::with_capacity(self.parts.len());
        for (parts, field) in self.parts.iter_mut().zip(self.schema.fields()) {
            let column = concat(parts, field.data_type())?;
            parts.clear();
            // Of this batch alone: text may be a dictionary in it.
            fields.push(field.as_ref().clone().with_data_type(column.data_type().clone()));
            columns.push(column);
        }
        let schema = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        Ok(Some(RecordBatch::try_new_with_options(schema, columns, &options)?))
    }
}
