//! Rows in memory as a source: constants, and the results of states.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use nyala_schema::Result;

use crate::column::Chunk;
use crate::keep::ResultRows;
use crate::source::SourceWorker;

pub(crate) struct RowsSource {
    rows: Arc<ResultRows>,
    /// Piece, offset, rows.
    batches: Vec<(usize, usize, usize)>,
    next: AtomicUsize,
}

pub(crate) struct RowsWorker(pub(crate) Arc<RowsSource>);

impl RowsSource {
    pub(crate) fn new(rows: Arc<ResultRows>, rows_max: usize) -> Self {
        let batches = rows.batches(rows_max);
        Self { rows, batches, next: AtomicUsize::new(0) }
    }

    pub(crate) fn parts(&self) -> usize {
        self.batches.len()
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows.rows() as u64
    }
}

impl SourceWorker for RowsWorker {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let next = self.0.next.fetch_add(1, Relaxed);
        let batch = self.0.batches.get(next);
        Poll::Ready(Ok(batch.map(|&(piece, offset, rows)| self.0.rows.pieces[piece].chunk(offset, rows))))
    }
}
