//! Which receiver gets which rows.

use arrow::array::RecordBatch;
use nyala_schema::Result;

/// Spreads rows over receivers by the hash of keys: equal values go to one receiver, whatever they are encoded as and on
/// whichever node. NULLs are equal here.
#[derive(Debug, Clone)]
pub struct Partitioner {
    keys: Vec<usize>,
    receivers: usize,
}

impl Partitioner {
    /// `keys` are columns; there is at least one receiver.
    pub fn new(keys: Vec<usize>, receivers: usize) -> Self {
        Self { keys, receivers }
    }

    /// The rows of each receiver, in their order.
    ///
    /// # Errors
    /// `Unsupported` for keys of types that have no hash.
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<Option<RecordBatch>>> {
        let _ = (batch, &self.keys, self.receivers);
        todo!()
    }
}

/// Gathers small batches for each receiver until they are worth sending.
#[derive(Debug)]
pub struct Coalescer {
    waiting: Vec<Vec<RecordBatch>>,
}

impl Coalescer {
    pub fn new(receivers: usize) -> Self {
        Self { waiting: vec![Vec::new(); receivers] }
    }

    /// Adds rows; gives what is worth sending now.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn push(&mut self, receiver: usize, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let _ = (receiver, batch, &self.waiting);
        todo!()
    }

    /// What is left for a receiver.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn flush(&mut self, receiver: usize) -> Result<Option<RecordBatch>> {
        let _ = receiver;
        todo!()
    }
}

/// Receivers in turns.
#[derive(Debug, Clone)]
pub struct RoundRobin {
    next: usize,
    receivers: usize,
}

impl RoundRobin {
    /// Senders that begin with different receivers, by their index, spread few batches evenly.
    pub fn new(sender: usize, receivers: usize) -> Self {
        Self { next: sender % receivers.max(1), receivers }
    }

    pub fn turn(&mut self) -> usize {
        let turn = self.next;
        self.next = (turn + 1) % self.receivers;
        turn
    }
}
