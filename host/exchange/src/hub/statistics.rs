//! Figures of exchanges.

use std::sync::atomic::{AtomicU64, Ordering};

/// What there is now, and what has been. All that is there now is zero once every attempt is released.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ExchangeStatistics {
    pub attempts: u64,
    pub inputs: u64,
    pub outputs: u64,
    /// Streams that inputs still await the end of.
    pub streams_in: u64,
    /// Streams of outputs whose end has not been confirmed yet.
    pub streams_out: u64,
    /// Streams whose receiver is not there yet.
    pub streams_early: u64,
    /// Batches that wait at inputs, or for them.
    pub batches_waiting: u64,
    pub bytes_waiting: u64,
    /// Batches that have been handed to the transport or wait for a credit, unconfirmed.
    pub batches_under_way: u64,
    /// To and from other nodes, since the start.
    pub batches_sent: u64,
    pub bytes_sent: u64,
    pub batches_received: u64,
    pub bytes_received: u64,
    /// Batches between instances on this node, since the start.
    pub batches_local: u64,
}

/// What has gone and come.
#[derive(Debug, Default)]
pub(super) struct Counters {
    batches_sent: AtomicU64,
    bytes_sent: AtomicU64,
    batches_received: AtomicU64,
    bytes_received: AtomicU64,
    batches_local: AtomicU64,
}

impl Counters {
    pub fn sent(&self, bytes: u64) {
        self.batches_sent.fetch_add(1, Ordering::Relaxed);
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn received(&self, bytes: u64) {
        self.batches_received.fetch_add(1, Ordering::Relaxed);
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub fn passed(&self) {
        self.batches_local.fetch_add(1, Ordering::Relaxed);
    }

    pub fn add_to(&self, statistics: &mut ExchangeStatistics) {
        statistics.batches_sent += self.batches_sent.load(Ordering::Relaxed);
        statistics.bytes_sent += self.bytes_sent.load(Ordering::Relaxed);
        statistics.batches_received += self.batches_received.load(Ordering::Relaxed);
        statistics.bytes_received += self.bytes_received.load(Ordering::Relaxed);
        statistics.batches_local += self.batches_local.load(Ordering::Relaxed);
    }
}
