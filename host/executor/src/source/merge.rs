//! Rows that the instances of another fragment send, each its own in order, as one stream in that order.

use std::sync::Arc;
use std::task::{Context, Poll, ready};

use arrow::array::{Array, ArrayRef};
use arrow::compute::interleave;
use arrow::datatypes::DataType;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::SortColumn;
use nyala_schema::Result;
use nyala_schema::id::{FragmentId, OperatorId};

use crate::column::Chunk;
use crate::column::dictionary::unpack;
use crate::column::size::bytes_of_all;
use crate::memory::Reservation;
use crate::run::Query;
use crate::sort::{KeyEncoder, Merger, Run};
use crate::source::SourceWorker;
use crate::source::receive::ReceiveSource;

/// For one worker.
pub(crate) struct MergeSource {
    receive: ReceiveSource,
    keys: Vec<usize>,
    encoder: KeyEncoder,
}

/// Holds a batch of each sender, and takes the next one of that whose rows have run out: the others wait.
pub(crate) struct MergeWorker {
    source: Arc<MergeSource>,
    merger: Merger,
    streams: Vec<Held>,
    /// For what is held of the streams.
    reservation: Reservation,
}

/// Of one sender.
#[derive(Default)]
struct Held {
    columns: Vec<ArrayRef>,
    bytes_of_keys: u64,
}

impl MergeSource {
    /// # Errors
    /// Internal when the instance has no such input; Unsupported for keys without an order.
    pub(crate) fn new(
        query: &Query,
        operator: OperatorId,
        from: FragmentId,
        types: &[Type],
        order: &[SortColumn],
    ) -> Result<Self> {
        let receive = ReceiveSource::new(query, operator, from, types)?;
        let keys: Vec<usize> = order.iter().map(|key| key.index).collect();
        let key_types: Vec<DataType> = keys.iter().map(|&key| types[key].data_type.clone()).collect();
        Ok(Self { encoder: KeyEncoder::new(&key_types, order)?, receive, keys })
    }

    pub(crate) fn close(&self) {
        self.receive.close();
    }
}

impl MergeWorker {
    pub(crate) fn new(source: Arc<MergeSource>, query: &Query) -> Self {
        let senders = source.receive.input.senders();
        Self {
            merger: Merger::new(senders),
            streams: (0..senders).map(|_| Held::default()).collect(),
            reservation: query.memory.reserve(source.receive.operator),
            source,
        }
    }

    /// Sees that every stream has rows or has ended.
    fn poll_filled(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let mut is_pending = false;
        for stream in self.merger.empty() {
            self.streams[stream] = Held::default();
            is_pending |= self.poll_stream(stream, context)?.is_pending();
        }
        self.account()?;
        if is_pending { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_stream(&mut self, stream: usize, context: &mut Context<'_>) -> Poll<Result<()>> {
        loop {
            let next = ready!(self.source.receive.input.poll_from(stream, context))?;
            let Some(batch) = next else {
                self.merger.end(stream);
                return Poll::Ready(Ok(()));
            };
            let batch = self.source.receive.accept(batch)?;
            if batch.num_rows() == 0 {
                continue;
            }
            let keys: Vec<ArrayRef> = self.source.keys.iter().map(|&key| batch.column(key).clone()).collect();
            let keys = self.source.encoder.encode(&keys, batch.num_rows())?;
            let bytes_of_keys = keys.bytes();
            self.merger.give(stream, keys, batch.num_rows());
            self.streams[stream] = Held { columns: batch.columns().to_vec(), bytes_of_keys };
            return Poll::Ready(Ok(()));
        }
    }

    fn account(&mut self) -> Result<()> {
        let bytes = self.streams.iter().map(|held| bytes_of_all(&held.columns) + held.bytes_of_keys);
        self.reservation.set(bytes.sum())
    }

    fn chunk(&mut self, runs: &[Run]) -> Result<Chunk> {
        let rows = runs.iter().map(|run| run.rows).sum();
        let columns = 0..self.source.receive.types.len();
        let columns = match runs {
            [one] => {
                let held = &self.streams[one.stream].columns;
                columns.map(|column| held[column].slice(one.first, one.rows)).collect()
            }
            _ => self.interleaved(runs, rows)?,
        };
        Ok(Chunk::from_arrays(rows, columns))
    }

    fn interleaved(&mut self, runs: &[Run], rows: usize) -> Result<Vec<ArrayRef>> {
        let mut places = vec![None; self.streams.len()];
        let mut streams = vec![];
        let mut indices: Vec<(usize, usize)> = Vec::with_capacity(rows);
        for run in runs {
            let place = *places[run.stream].get_or_insert_with(|| {
                streams.push(run.stream);
                streams.len() - 1
            });
            indices.extend((run.first..run.first + run.rows).map(|row| (place, row)));
        }
        // Once for each batch: senders have dictionaries of their own.
        for &stream in &streams {
            for column in &mut self.streams[stream].columns {
                *column = unpack(column)?;
            }
        }
        let column = |column: usize| {
            let parts: Vec<&dyn Array> =
                streams.iter().map(|&stream| self.streams[stream].columns[column].as_ref()).collect();
            Ok(interleave(&parts, &indices)?)
        };
        (0..self.source.receive.types.len()).map(column).collect()
    }
}

impl SourceWorker for MergeWorker {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        ready!(self.poll_filled(context))?;
        let runs = self.merger.next(self.source.receive.rows_max);
        if runs.is_empty() {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(self.chunk(&runs).map(Some))
    }
}
