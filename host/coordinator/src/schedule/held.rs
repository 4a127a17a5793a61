//! Rows that are held back until it is sure that the query need not be run again, or until they are too many.

use std::collections::VecDeque;

use arrow::array::RecordBatch;

#[derive(Debug)]
pub(crate) struct Held {
    bytes_max: u64,
    bytes: u64,
    batches: VecDeque<RecordBatch>,
    is_flowing: bool,
}

impl Held {
    pub(crate) fn new(bytes_max: u64) -> Self {
        Self { bytes_max, bytes: 0, batches: VecDeque::new(), is_flowing: false }
    }

    pub(crate) fn push(&mut self, batch: RecordBatch) {
        self.bytes += batch.get_array_memory_size() as u64;
        self.batches.push_back(batch);
        self.is_flowing |= self.bytes > self.bytes_max;
    }

    /// Rows are given out from now on.
    pub(crate) fn flow(&mut self) {
        self.is_flowing = true;
    }

    pub(crate) fn has_some(&self) -> bool {
        self.is_flowing && !self.batches.is_empty()
    }

    /// A batch to give out, if any may be.
    pub(crate) fn pop(&mut self) -> Option<RecordBatch> {
        if !self.is_flowing {
            return None;
        }
        let batch = self.batches.pop_front()?;
        self.bytes = self.bytes.saturating_sub(batch.get_array_memory_size() as u64);
        Some(batch)
    }

    /// Forgets the rows of a failed attempt; `false` when some have, or may have, been given out.
    pub(crate) fn start_over(&mut self) -> bool {
        if !self.is_flowing {
            self.batches.clear();
            self.bytes = 0;
        }
        !self.is_flowing
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;

    fn batch(rows: usize) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int64Array::from(vec![1; rows]));
        RecordBatch::try_from_iter([("a", column)]).unwrap()
    }

    #[test]
    fn rows_stay_until_they_are_too_many() {
        let mut held = Held::new(10_000);
        held.push(batch(1000));
        assert!(held.pop().is_none());
        held.push(batch(1000));
        assert!(held.pop().is_some() && held.pop().is_some() && held.pop().is_none());
        assert!(!held.start_over());
    }

    #[test]
    fn rows_of_a_failed_attempt_are_forgotten() {
        let mut held = Held::new(10_000);
        held.push(batch(1000));
        assert!(held.start_over());
        held.push(batch(7));
        held.flow();
        assert_eq!(held.pop().map(|batch| batch.num_rows()), Some(7));
        assert!(held.pop().is_none() && held.bytes == 0);
    }
}
