//! The end of the last pipeline of an instance whose rows go to another fragment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_exchange::partition::{Route, Router};
use nyala_exchange::{Output, Readiness};
use nyala_pipeline::PlanOutput;
use nyala_schema::{Error, Result};

use crate::column::Chunk;
use crate::column::concat::compact;
use crate::column::size::bytes_of_all;
use crate::memory::Reservation;
use crate::run::Query;
use crate::state::SinkWorker;

/// After so many chunks a sink that has nothing to send looks whether anybody still wants something.
const LOOK_CHUNKS: usize = 32;

pub(crate) struct ExchangeSink {
    query: Arc<Query>,
    output: Arc<dyn Output>,
    /// Those that are sent, then those that only pick the receiver.
    columns: Vec<usize>,
    schema: SchemaRef,
    router: Router,
    receivers: Vec<Receiver>,
    /// Chunks since receivers were last asked.
    unasked: usize,
    /// For what waits for its receiver.
    reservation: Reservation,
}

/// What one worker has for one receiver.
#[derive(Default)]
struct Receiver {
    made: VecDeque<RecordBatch>,
    is_closed: bool,
}

impl ExchangeSink {
    /// `worker` numbers the workers of the instance.
    ///
    /// # Errors
    /// Internal when the output has no receiver.
    pub(crate) fn new(
        query: &Arc<Query>,
        output: Arc<dyn Output>,
        columns: &[usize],
        worker: usize,
    ) -> Result<Self> {
        let receivers = output.receivers();
        if receivers == 0 {
            return Err(Error::internal("an output without receivers"));
        }
        let route = match &query.plan.output {
            PlanOutput::Client => return Err(Error::internal("rows of the client sent to another fragment")),
            PlanOutput::Gather => Route::Gather,
            PlanOutput::Broadcast => Route::Broadcast,
            PlanOutput::RoundRobin => Route::RoundRobin { first: worker },
            PlanOutput::Hash { keys } => Route::Hash { keys: keys.clone() },
        };
        Ok(Self {
            query: query.clone(),
            output,
            columns: columns.to_vec(),
            schema: query.plan.output_schema.clone(),
            router: Router::new(route, receivers),
            receivers: (0..receivers).map(|_| Receiver::default()).collect(),
            unasked: 0,
            reservation: query.memory.reserve_output(),
        })
    }

    /// The columns as they are, text dictionary-encoded where it is: the schema is of this batch alone.
    fn batch(&self, chunk: &mut Chunk) -> Result<RecordBatch> {
        let arrays = chunk.materialise_all(&self.columns)?;
        let arrays = arrays.into_iter().map(|array| compact(array, false)).collect::<Result<Vec<_>>>()?;
        let fields: Vec<Field> =
            arrays.iter().enumerate().map(|(index, array)| self.field(index, array)).collect();
        let options = RecordBatchOptions::new().with_row_count(Some(chunk.rows));
        let schema = Arc::new(Schema::new_with_metadata(fields, self.schema.metadata().clone()));
        Ok(RecordBatch::try_new_with_options(schema, arrays, &options)?)
    }

    fn field(&self, index: usize, array: &ArrayRef) -> Field {
        match self.schema.fields().get(index) {
            Some(field) => field.as_ref().clone().with_data_type(array.data_type().clone()),
            None => Field::new("", array.data_type().clone(), true),
        }
    }

    /// Batches wait for whom they are for, without the columns that only said so.
    fn queue(&mut self, ready: Vec<(usize, RecordBatch)>) -> Result<()> {
        let width = self.schema.fields().len();
        for (receiver, batch) in ready {
            let Some(to) = self.receivers.get_mut(receiver).filter(|to| !to.is_closed) else { continue };
            let batch = if batch.num_columns() > width {
                batch.project(&(0..width).collect::<Vec<_>>())?
            } else {
                batch
            };
            self.reservation.grow(bytes_of_all(batch.columns()))?;
            to.made.push_back(batch);
        }
        Ok(())
    }

    /// Sends what there is for a receiver. Pending when it takes no more yet.
    fn poll_send(&mut self, receiver: usize, context: &mut Context<'_>) -> Poll<Result<()>> {
        let to = &mut self.receivers[receiver];
        while let Some(batch) = to.made.front() {
            match self.output.poll_ready(receiver, context)? {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Readiness::Closed) => to.close(),
                Poll::Ready(Readiness::Ready) => {
                    self.output.send(receiver, batch)?;
                    to.made.pop_front();
                }
            }
        }
        Poll::Ready(Ok(()))
    }

    /// Whether all receivers have enough, those that nothing is sent to for long included.
    fn look(&mut self, context: &mut Context<'_>) -> Result<bool> {
        self.unasked = 0;
        for (receiver, to) in self.receivers.iter_mut().enumerate() {
            if !to.is_closed && self.output.poll_ready(receiver, context)? == Poll::Ready(Readiness::Closed) {
                to.close();
            }
        }
        Ok(self.receivers.iter().all(|to| to.is_closed))
    }
}

impl Receiver {
    fn close(&mut self) {
        self.is_closed = true;
        self.made.clear();
    }
}

impl SinkWorker for ExchangeSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        let batch = self.batch(&mut chunk)?;
        let ready = self.router.route(&batch)?;
        self.queue(ready)
    }

    fn finish(&mut self) -> Result<()> {
        let left = self.router.flush()?;
        self.queue(left)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.unasked += 1;
        if self.receivers.iter().all(|to| to.made.is_empty()) {
            if self.unasked >= LOOK_CHUNKS && self.look(context)? {
                self.query.enough();
            }
            return Poll::Ready(Ok(()));
        }
        let mut is_pending = false;
        for receiver in 0..self.receivers.len() {
            is_pending |= self.poll_send(receiver, context)?.is_pending();
        }
        if is_pending {
            return Poll::Pending;
        }
        self.unasked = 0;
        self.reservation.set(0)?;
        if self.receivers.iter().all(|to| to.is_closed) {
            self.query.enough();
        }
        Poll::Ready(Ok(()))
    }
}
