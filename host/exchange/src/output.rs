//! Where the rows of an instance go out.

use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use nyala_schema::{Error, Result};

/// Whether a receiver takes rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readiness {
    Ready,
    /// It has enough; what is sent to it is dropped.
    Closed,
}

/// The streams from one instance to all instances of the fragment that receives. Several workers may use it at once.
pub trait Output: Send + Sync {
    /// How many instances receive.
    fn receivers(&self) -> usize;

    /// Whether a batch may be sent to a receiver. If not yet, the waker is called when it is worth asking again.
    ///
    /// # Errors
    /// `Connection` when the receiver's node is gone.
    fn poll_ready(&self, receiver: usize, context: &mut Context<'_>) -> Poll<Result<Readiness>>;

    /// Sends a batch to a receiver that was found ready; never waits. Workers that found it ready at the same time may each
    /// send one.
    ///
    /// # Errors
    /// `Unsupported` for types that have no wire form; `TooComplex` for a row that fits into no message.
    fn send(&self, receiver: usize, batch: &RecordBatch) -> Result<()>;

    /// Ends all streams: with all rows sent, or with the error that ended the instance. The first end counts.
    fn end(&self, result: Result<(), Error>);

    /// After the end: ready when every receiver has it, with all that came before, or has enough. Only then is the instance
    /// over: what its node still held would be lost with the node, and the receivers would wait for it.
    ///
    /// # Errors
    /// `Connection` when a receiver will never have it.
    fn poll_ended(&self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let _ = context;
        Poll::Ready(Ok(()))
    }

    /// Bytes that went to other nodes so far, and rows that went anywhere.
    fn sent(&self) -> (u64, u64);
}
