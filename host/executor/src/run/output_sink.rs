//! The end of the last pipeline: batches for the client.

use std::collections::VecDeque;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::Result;

use crate::column::Chunk;
use crate::column::concat::compact;
use crate::state::SinkWorker;

pub(crate) struct OutputSink {
    columns: Vec<usize>,
    schema: SchemaRef,
    made: VecDeque<RecordBatch>,
}

impl OutputSink {
    pub(crate) fn new(columns: &[usize], schema: &SchemaRef) -> Self {
        Self { columns: columns.to_vec(), schema: schema.clone(), made: VecDeque::new() }
    }
}

impl SinkWorker for OutputSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        let arrays = chunk.materialise_all(&self.columns)?;
        let columns = arrays.into_iter().zip(self.schema.fields());
        let columns =
            columns.map(|(array, field)| logical(array, field.data_type())).collect::<Result<Vec<_>>>()?;
        let options = RecordBatchOptions::new().with_row_count(Some(chunk.rows));
        self.made.push_back(RecordBatch::try_new_with_options(Arc::clone(&self.schema), columns, &options)?);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        Ok(())
    }

    fn take_output(&mut self, pending: &mut VecDeque<RecordBatch>) {
        pending.append(&mut self.made);
    }
}

/// A column in the type that the client sees, without the rows that were dropped on the way.
fn logical(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let array = compact(array, false)?;
    if array.data_type() == data_type {
        return Ok(array);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(arrow::compute::cast_with_options(&array, data_type, &options)?)
}
