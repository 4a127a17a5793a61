//! The end of the last pipeline of an instance whose rows go to another fragment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_exchange::partition::{Coalescer, Partitioner, RoundRobin};
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
    route: Route,
    /// One place for each receiver where rows are spread by hash, otherwise one for all.
    coalescer: Coalescer,
    receivers: Vec<Receiver>,
    /// Chunks since receivers were last asked.
    unasked: usize,
    reservation: Reservation,
}

enum Route {
    All,
    Turns(RoundRobin),
    Hash(Partitioner),
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
            PlanOutput::Gather | PlanOutput::Broadcast => Route::All,
            PlanOutput::RoundRobin => Route::Turns(RoundRobin::new(worker, receivers)),
            PlanOutput::Hash { keys } => Route::Hash(Partitioner::new(keys.clone(), receivers)),
        };
        let places = if matches!(route, Route::Hash(_)) { receivers } else { 1 };
        Ok(Self {
            query: query.clone(),
            output,
            columns: columns.to_vec(),
            schema: query.plan.output_schema.clone(),
            route,
            coalescer: Coalescer::new(places),
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

    fn spread(&mut self, batch: RecordBatch) -> Result<()> {
        let width = self.schema.fields().len();
        let Route::Hash(partitioner) = &self.route else {
            let made = self.coalescer.push(0, batch)?;
            return made.map_or(Ok(()), |batch| self.queue(0, batch));
        };
        for (receiver, part) in partitioner.split(&batch)?.into_iter().enumerate() {
            let Some(part) = part.filter(|_| !self.receivers[receiver].is_closed) else { continue };
            let part = if part.num_columns() > width {
                part.project(&(0..width).collect::<Vec<_>>())?
            } else {
                part
            };
            if let Some(made) = self.coalescer.push(receiver, part)? {
                self.queue(receiver, made)?;
            }
        }
        Ok(())
    }

    /// A batch of place `place` waits for whom it is for.
    fn queue(&mut self, place: usize, batch: RecordBatch) -> Result<()> {
        self.reservation.grow(bytes_of_all(batch.columns()))?;
        match &mut self.route {
            Route::All => self.receivers.iter_mut().for_each(|to| to.made.push_back(batch.clone())),
            Route::Turns(turns) => {
                let count = self.receivers.len();
                let mut turn = turns.turn();
                for _ in 1..count {
                    if !self.receivers[turn].is_closed {
                        break;
                    }
                    turn = turns.turn();
                }
                self.receivers[turn].made.push_back(batch);
            }
            Route::Hash(_) => self.receivers[place].made.push_back(batch),
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
        self.spread(batch)
    }

    fn finish(&mut self) -> Result<()> {
        let places = if matches!(self.route, Route::Hash(_)) { self.receivers.len() } else { 1 };
        for place in 0..places {
            if let Some(batch) = self.coalescer.flush(place)? {
                self.queue(place, batch)?;
            }
        }
        Ok(())
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
