//! Which receiver gets which rows.
//!
//! Reading order: [`Partitioner`] spreads rows by the hash of keys, [`Ranges`] by ranges of one, [`RoundRobin`] batches in turns;
//! [`Coalescer`] gathers small batches; [`Router`] is all of it for one sender.

mod coalesce;
mod hash;
mod range;
mod route;

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use nyala_schema::Result;

pub use coalesce::{COALESCED_ROWS, Coalescer};
pub use range::{RangeKey, Ranges};
pub use route::{RoundRobin, Route, Router};

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
        Self { keys, receivers: receivers.max(1) }
    }

    /// The receiver of each row.
    ///
    /// # Errors
    /// `Unsupported` for keys of types that have no hash.
    pub fn receivers(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let keys: Vec<&ArrayRef> = self.keys.iter().map(|key| batch.column(*key)).collect();
        let hashes = hash::hash_rows(&keys, batch.num_rows())?;
        let receivers = self.receivers as u64;
        Ok(hashes.into_iter().map(|hash| (((hash >> 32) * receivers) >> 32) as u32).collect())
    }

    /// The rows of each receiver, in their order.
    ///
    /// # Errors
    /// `Unsupported` for keys of types that have no hash.
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<Option<RecordBatch>>> {
        split(batch, self.receivers(batch)?, self.receivers)
    }
}

/// The rows of each of `count` receivers, in their order; `receivers` says whose each row is.
fn split(batch: &RecordBatch, receivers: Vec<u32>, count: usize) -> Result<Vec<Option<RecordBatch>>> {
    let mut rows: Vec<Vec<u32>> = vec![Vec::new(); count];
    for (row, receiver) in receivers.into_iter().enumerate() {
        rows[receiver as usize].push(row as u32);
    }
    let piece = |rows: Vec<u32>| match rows.len() {
        0 => Ok(None),
        all if all == batch.num_rows() => Ok(Some(batch.clone())),
        _ => Ok(Some(take_record_batch(batch, &UInt32Array::from(rows))?)),
    };
    rows.into_iter().map(piece).collect()
}
