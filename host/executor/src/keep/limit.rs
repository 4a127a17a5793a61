//! The row counter of LIMIT.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Shared by all workers; each claims the rows it has, and is told which of them to pass on.
pub(crate) struct LimitState {
    skip: u64,
    /// Row number, counted from the first, at which the wanted ones end.
    end: u64,
    seen: AtomicU64,
}

/// What to do with a chunk.
pub(crate) struct Claim {
    pub(crate) offset: usize,
    pub(crate) rows: usize,
    /// No row after these is wanted.
    pub(crate) is_last: bool,
}

impl LimitState {
    pub(crate) fn new(skip: u64, fetch: Option<u64>) -> Self {
        let end = fetch.map_or(u64::MAX, |fetch| skip.saturating_add(fetch));
        Self { skip, end, seen: AtomicU64::new(0) }
    }

    pub(crate) fn claim(&self, rows: usize) -> Claim {
        let start = self.seen.fetch_add(rows as u64, Relaxed);
        let end = start + rows as u64;
        let from = self.skip.clamp(start, end);
        let to = self.end.clamp(from, end);
        Claim { offset: (from - start) as usize, rows: (to - from) as usize, is_last: end >= self.end }
    }

    /// Whether no row at all is wanted.
    pub(crate) fn is_empty(&self) -> bool {
        self.end <= self.skip
    }
}
