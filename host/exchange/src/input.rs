//! Where the rows of another fragment come in.

use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use nyala_schema::Result;

/// Rows of all instances of a fragment for one instance of another, merged as they come. Several workers may ask at once: each
/// batch goes to one of them.
pub trait Input: Send + Sync {
    /// The next batch, `None` when all senders have ended. When there is none yet, the waker is called when it is worth
    /// asking again.
    ///
    /// # Errors
    /// The first error of a sender; `Connection` when a sender's node is gone, or rows were lost because this end came too
    /// late.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>>;

    /// Nothing more is wanted: senders are told so, and what waits is given up.
    fn close(&self);
}
