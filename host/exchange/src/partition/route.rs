//! All ways in which rows are spread, behind one.

use arrow::array::RecordBatch;
use nyala_schema::Result;

use super::{Coalescer, Partitioner, RangeKey, Ranges};

/// How rows are spread over receivers.
#[derive(Debug, Clone)]
pub enum Route {
    /// All to the one receiver.
    Gather,
    /// All to each.
    Broadcast,
    /// To each in turns; `first` is where it begins: senders that begin with different receivers spread few batches evenly.
    RoundRobin {
        first: usize,
    },
    Hash {
        keys: Vec<usize>,
    },
    Range(RangeKey),
}

/// Spreads the batches of one worker.
#[derive(Debug)]
pub struct Router {
    way: Way,
    coalescer: Coalescer,
    receivers: usize,
}

#[derive(Debug)]
enum Way {
    Gather,
    Broadcast,
    RoundRobin(RoundRobin),
    Hash(Partitioner),
    Range(Ranges),
}

impl Router {
    /// There is at least one receiver.
    ///
    /// # Errors
    /// Those of [`Ranges::new`].
    pub fn new(route: Route, receivers: usize) -> Result<Self> {
        let way = match route {
            Route::Gather => Way::Gather,
            Route::Broadcast => Way::Broadcast,
            Route::RoundRobin { first } => Way::RoundRobin(RoundRobin::new(first, receivers)),
            Route::Hash { keys } => Way::Hash(Partitioner::new(keys, receivers)),
            Route::Range(key) => Way::Range(Ranges::new(&key, receivers)?),
        };
        Ok(Self { way, coalescer: Coalescer::new(receivers), receivers })
    }

    /// Takes a batch; gives what is to be sent now, with its receiver.
    ///
    /// # Errors
    /// `Unsupported` for keys of types that have no hash.
    pub fn route(&mut self, batch: &RecordBatch) -> Result<Vec<(usize, RecordBatch)>> {
        let pieces: Vec<(usize, RecordBatch)> = match &mut self.way {
            Way::Gather => vec![(0, batch.clone())],
            // Gathered once, for all.
            Way::Broadcast => match self.coalescer.push(0, batch.clone())? {
                None => return Ok(Vec::new()),
                Some(batch) => return Ok(self.to_all(&batch)),
            },
            Way::RoundRobin(turns) => vec![(turns.turn(), batch.clone())],
            Way::Hash(partitioner) => numbered(partitioner.split(batch)?),
            Way::Range(ranges) => numbered(ranges.split(batch)?),
        };
        let mut ready = Vec::new();
        for (receiver, piece) in pieces {
            ready.extend(self.coalescer.push(receiver, piece)?.map(|batch| (receiver, batch)));
        }
        Ok(ready)
    }

    /// What is left, at the end.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn flush(&mut self) -> Result<Vec<(usize, RecordBatch)>> {
        let mut ready = Vec::new();
        for receiver in 0..self.receivers {
            ready.extend(self.coalescer.flush(receiver)?.map(|batch| (receiver, batch)));
        }
        match self.way {
            Way::Broadcast => Ok(ready.iter().flat_map(|(_, batch)| self.to_all(batch)).collect()),
            Way::Gather | Way::RoundRobin(_) | Way::Hash(_) | Way::Range(_) => Ok(ready),
        }
    }

    fn to_all(&self, batch: &RecordBatch) -> Vec<(usize, RecordBatch)> {
        (0..self.receivers).map(|receiver| (receiver, batch.clone())).collect()
    }
}

/// The pieces that there are, with their receivers.
fn numbered(pieces: Vec<Option<RecordBatch>>) -> Vec<(usize, RecordBatch)> {
    pieces.into_iter().enumerate().filter_map(|(receiver, piece)| Some((receiver, piece?))).collect()
}

/// Receivers in turns.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    next: usize,
    receivers: usize,
}

impl RoundRobin {
    pub fn new(first: usize, receivers: usize) -> Self {
        let receivers = receivers.max(1);
        Self { next: first % receivers, receivers }
    }

    pub fn turn(&mut self) -> usize {
        let turn = self.next;
        self.next = (turn + 1) % self.receivers;
        turn
    }
}
