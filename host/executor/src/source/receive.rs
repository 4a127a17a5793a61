//! Rows that another fragment sends.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::DataType;
use nyala_exchange::Input;
use nyala_pipeline::program::Type;
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::{Error, Result};

use crate::column::Chunk;
use crate::column::size::bytes_of_all;
use crate::memory::Reservation;
use crate::run::Query;
use crate::source::SourceWorker;

pub(crate) struct ReceiveSource {
    pub(super) input: Arc<dyn Input>,
    from: FragmentId,
    pub(super) operator: OperatorId,
    pub(super) types: Vec<DataType>,
    pub(super) rows_max: usize,
}

pub(crate) struct ReceiveWorker {
    source: Arc<ReceiveSource>,
    batch: Option<Received>,
    /// For the batch.
    reservation: Reservation,
}

/// A batch that is given out in chunks.
struct Received {
    columns: Vec<ArrayRef>,
    rows: usize,
    next: usize,
    chunk_rows: usize,
}

impl ReceiveSource {
    /// # Errors
    /// Internal when the instance has no such input.
    pub(crate) fn new(query: &Query, operator: OperatorId, from: FragmentId, types: &[Type]) -> Result<Self> {
        Ok(Self {
            input: query.ends.input(from)?,
            from,
            operator,
            types: crate::state::data_types(types),
            rows_max: query.options.batch_rows.max(1),
        })
    }

    pub(crate) fn close(&self) {
        self.input.close();
    }

    /// The batch if it has the columns that were agreed on; text may be dictionary-encoded.
    pub(super) fn accept(&self, batch: RecordBatch) -> Result<RecordBatch> {
        let fits = |(column, wanted): (&ArrayRef, &DataType)| match column.data_type() {
            DataType::Dictionary(_, value) => value.as_ref() == wanted || column.data_type() == wanted,
            plain => plain == wanted,
        };
        let same = batch.num_columns() == self.types.len();
        if !same || !batch.columns().iter().zip(&self.types).all(fits) {
            let found: Vec<String> = batch.columns().iter().map(|c| c.data_type().to_string()).collect();
            return Err(Error::internal(format!(
                "{} receives columns [{}] from {}, which it does not expect",
                self.operator,
                found.join(", "),
                self.from
            )));
        }
        Ok(batch)
    }
}

impl Received {
    fn new(batch: &RecordBatch, rows_max: usize) -> Self {
        let rows = batch.num_rows();
        let chunks = rows.div_ceil(rows_max).max(1);
        Self { columns: batch.columns().to_vec(), rows, next: 0, chunk_rows: rows.div_ceil(chunks) }
    }

    fn next(&mut self) -> Option<Chunk> {
        let rows = self.chunk_rows.min(self.rows - self.next);
        if rows == 0 {
            return None;
        }
        let columns = self.columns.iter().map(|column| column.slice(self.next, rows)).collect();
        self.next += rows;
        Some(Chunk::from_arrays(rows, columns))
    }
}

impl ReceiveWorker {
    pub(crate) fn new(source: Arc<ReceiveSource>, query: &Query) -> Self {
        let reservation = query.memory.reserve(source.operator);
        Self { source, batch: None, reservation }
    }
}

impl SourceWorker for ReceiveWorker {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        loop {
            if let Some(chunk) = self.batch.as_mut().and_then(Received::next) {
                return Poll::Ready(Ok(Some(chunk)));
            }
            if self.batch.take().is_some() {
                self.reservation.set(0)?;
            }
            let Some(batch) = ready!(self.source.input.poll_next(context))? else {
                return Poll::Ready(Ok(None));
            };
            let batch = Received::new(&self.source.accept(batch)?, self.source.rows_max);
            self.reservation.set(bytes_of_all(&batch.columns))?;
            self.batch = Some(batch);
        }
    }
}
