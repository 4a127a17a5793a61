//! Figures of exchanges.

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
