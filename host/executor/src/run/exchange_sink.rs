//! The end of the last pipeline of an instance whose rows go to another fragment.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Field, Schema};
use nyala_exchange::partition::{Partitioner, RangeKey, Ranges, RoundRobin};
use nyala_exchange::{Output, Readiness};
use nyala_pipeline::PlanOutput;
use nyala_pipeline::state::SortColumn;
use nyala_schema::{Error, Result};

use crate::column::Chunk;
use crate::column::size::bytes_of_all;
use crate::memory::Reservation;
use crate::run::Query;
use crate::run::gathering::Gathering;
use crate::state::SinkWorker;

/// After so many chunks a sink that has nothing to send looks whether anybody still wants something.
const LOOK_CHUNKS: usize = 32;

pub(crate) struct ExchangeSink {
    query: Arc<Query>,
    output: Arc<dyn Output>,
    /// Those that are sent, then those that only pick the receiver.
    columns: Vec<usize>,
    route: Route,
    receivers: Vec<Receiver>,
    /// Chunks since receivers were last asked.
    unasked: usize,
    /// For what waits for its receiver.
    reservation: Reservation,
}

enum Route {
    /// To the first.
    Gather,
    /// To all, gathered for the first.
    Broadcast,
    /// In turns, gathered for the first.
    Turns(RoundRobin),
    Hash(Partitioner),
    Range(Ranges),
}

/// What one worker has for one receiver.
struct Receiver {
    gathering: Gathering,
    made: VecDeque<RecordBatch>,
    /// Of `made`.
    made_bytes: u64,
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
        let count = output.receivers();
        if count == 0 {
            return Err(Error::internal("an output without receivers"));
        }
        let route = match &query.plan.output {
            PlanOutput::Client => return Err(Error::internal("rows of the client sent to another fragment")),
            PlanOutput::Gather => Route::Gather,
            PlanOutput::Broadcast => Route::Broadcast,
            PlanOutput::RoundRobin => Route::Turns(RoundRobin::new(worker, count)),
            PlanOutput::Hash { keys } => Route::Hash(Partitioner::new(keys.clone(), count)),
            PlanOutput::Range { key, bounds } => {
                let SortColumn { index, descending, nulls_first } = *key;
                let key = RangeKey { index, descending, nulls_first, bounds: bounds.clone() };
                Route::Range(Ranges::new(&key, count)?)
            }
        };
        let receiver = |_| Receiver {
            gathering: Gathering::new(&query.plan.output_schema, count),
            made: VecDeque::new(),
            made_bytes: 0,
            is_closed: false,
        };
        Ok(Self {
            query: query.clone(),
            output,
            columns: columns.to_vec(),
            route,
            receivers: (0..count).map(receiver).collect(),
            unasked: 0,
            reservation: query.memory.reserve_output(),
        })
    }

    fn gather(&mut self, receiver: usize, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let made = self.receivers[receiver].gathering.push(columns, rows)?;
        made.map_or(Ok(()), |batch| self.queue(receiver, batch))
    }

    fn spread(&mut self, columns: &[ArrayRef], rows: usize) -> Result<()> {
        let parts = match &self.route {
            Route::Gather | Route::Broadcast | Route::Turns(_) => return self.gather(0, columns, rows),
            Route::Hash(partitioner) => partitioner.split(&unnamed(columns, rows)?)?,
            Route::Range(ranges) => ranges.split(&unnamed(columns, rows)?)?,
        };
        for (receiver, part) in parts.into_iter().enumerate() {
            if let Some(part) = part.filter(|_| !self.receivers[receiver].is_closed) {
                self.gather(receiver, part.columns(), part.num_rows())?;
            }
        }
        Ok(())
    }

    /// A batch gathered for `receiver` waits for those whom it is for.
    fn queue(&mut self, receiver: usize, batch: RecordBatch) -> Result<()> {
        let bytes = bytes_of_all(batch.columns());
        let to = match &mut self.route {
            Route::Gather | Route::Hash(_) | Route::Range(_) => receiver..receiver + 1,
            Route::Broadcast => 0..self.receivers.len(),
            Route::Turns(turns) => {
                let mut turn = turns.turn();
                for _ in 1..self.receivers.len() {
                    if !self.receivers[turn].is_closed {
                        break;
                    }
                    turn = turns.turn();
                }
                turn..turn + 1
            }
        };
        for to in self.receivers[to].iter_mut().filter(|to| !to.is_closed) {
            to.made.push_back(batch.clone());
            to.made_bytes += bytes;
        }
        Ok(())
    }

    /// Puts all that waits on the account; what is sent to all receivers once.
    fn account(&mut self) -> Result<()> {
        let gathered: u64 = self.receivers.iter().map(|to| to.gathering.bytes()).sum();
        let made = self.receivers.iter().map(|to| to.made_bytes);
        let made: u64 = match self.route {
            Route::Broadcast => made.max().unwrap_or(0),
            Route::Gather | Route::Turns(_) | Route::Hash(_) | Route::Range(_) => made.sum(),
        };
        self.reservation.set(gathered + made)
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
        to.made_bytes = 0;
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
        self.made_bytes = 0;
    }
}

impl SinkWorker for ExchangeSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        let columns = chunk.materialise_all(&self.columns)?;
        self.spread(&columns, chunk.rows)?;
        self.account()
    }

    fn finish(&mut self) -> Result<()> {
        for receiver in 0..self.receivers.len() {
            if let Some(batch) = self.receivers[receiver].gathering.take()? {
                self.queue(receiver, batch)?;
            }
        }
        self.account()
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
        self.account()?;
        if self.receivers.iter().all(|to| to.is_closed) {
            self.query.enough();
        }
        Poll::Ready(Ok(()))
    }
}

/// Columns as they are, in the form that rows are split in.
fn unnamed(columns: &[ArrayRef], rows: usize) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|column| Field::new("", column.data_type().clone(), true)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns.to_vec(), &options)?)
}
