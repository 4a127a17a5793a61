//! Small batches become ones that are worth sending.

use arrow::array::RecordBatch;
use arrow::compute::concat_batches;
use nyala_schema::Result;

/// Rows of a batch that is worth sending.
pub const COALESCED_ROWS: usize = 8192;

/// Of all receivers together: with many, batches are smaller, so that what waits stays bounded.
const WAITING_ROWS_MAX: usize = 32 * COALESCED_ROWS;

/// The least, however many receivers there are.
const ROWS_MIN: usize = 512;

/// Gathers small batches for each receiver until they are worth sending.
#[derive(Debug)]
pub struct Coalescer {
    waiting: Vec<Waiting>,
    rows: usize,
}

#[derive(Debug, Clone, Default)]
struct Waiting {
    pieces: Vec<RecordBatch>,
    rows: usize,
}

impl Coalescer {
    pub fn new(receivers: usize) -> Self {
        let rows = (WAITING_ROWS_MAX / receivers.max(1)).clamp(ROWS_MIN, COALESCED_ROWS);
        Self { waiting: vec![Waiting::default(); receivers], rows }
    }

    /// Adds rows; gives what is worth sending now.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn push(&mut self, receiver: usize, batch: RecordBatch) -> Result<Option<RecordBatch>> {
        let waiting = &mut self.waiting[receiver];
        let goes_with_these = waiting.pieces.first().is_none_or(|piece| piece.schema() == batch.schema());
        // Columns may be dictionaries in some batches only.
        let others = if goes_with_these { None } else { waiting.take()? };
        waiting.rows += batch.num_rows();
        if batch.num_rows() > 0 {
            waiting.pieces.push(batch);
        }
        if others.is_some() || waiting.rows < self.rows {
            return Ok(others);
        }
        waiting.take()
    }

    /// What is left for a receiver.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn flush(&mut self, receiver: usize) -> Result<Option<RecordBatch>> {
        self.waiting[receiver].take()
    }

    /// Of all that waits.
    pub fn memory_bytes(&self) -> usize {
        self.waiting.iter().flat_map(|waiting| &waiting.pieces).map(RecordBatch::get_array_memory_size).sum()
    }
}

impl Waiting {
    fn take(&mut self) -> Result<Option<RecordBatch>> {
        let Self { mut pieces, rows: _ } = std::mem::take(self);
        match pieces.len() {
            0 | 1 => Ok(pieces.pop()),
            _ => Ok(Some(concat_batches(&pieces[0].schema(), &pieces)?)),
        }
    }
}
