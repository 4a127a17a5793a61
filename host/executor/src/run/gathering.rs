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
/// So many receivers are given such batches; with more of them batches are smaller, so that what waits for all stays bounded.
const RECEIVERS_FULL: usize = 32;
/// However many receivers there are.
const ROWS_FLOOR: usize = 512;
const BYTES_FLOOR: u64 = 1 << 16;

pub(crate) struct Gathering {
    schema: SchemaRef,
    /// For each column its parts.
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    bytes: u64,
    rows_min: usize,
    bytes_min: u64,
}

impl Gathering {
    /// For batches of this schema, of which each may have dictionaries of text.
    pub(crate) fn new(schema: &SchemaRef, receivers: usize) -> Self {
        let receivers = receivers.max(1);
        let rows_min = (ROWS_MIN * RECEIVERS_FULL / receivers).clamp(ROWS_FLOOR, ROWS_MIN);
        let bytes_min = (BYTES_MIN * RECEIVERS_FULL as u64 / receivers as u64).clamp(BYTES_FLOOR, BYTES_MIN);
        let parts = vec![vec![]; schema.fields().len()];
        Self { schema: schema.clone(), parts, rows: 0, bytes: 0, rows_min, bytes_min }
    }

    /// Of what waits.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
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
        if self.rows < self.rows_min && self.bytes < self.bytes_min {
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
