//! The end of the last pipeline: batches for the client.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::CastOptions;
use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::Result;

use crate::column::Chunk;
use crate::column::concat::compact;
use crate::run::Query;
use crate::state::SinkWorker;

pub(crate) struct OutputSink {
    query: Arc<Query>,
    columns: Vec<usize>,
    schema: SchemaRef,
    /// The client has had no room for these yet.
    made: VecDeque<RecordBatch>,
}

impl OutputSink {
    pub(crate) fn new(query: &Arc<Query>, columns: &[usize]) -> Self {
        let schema = query.plan.output_schema.clone();
        Self { query: query.clone(), columns: columns.to_vec(), schema, made: VecDeque::new() }
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

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        if self.made.is_empty() {
            return Poll::Ready(Ok(()));
        }
        self.query.output.poll_take(&mut self.made, context).map(Ok)
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
