//! Where the rows of another fragment come in.

use std::task::{Context, Poll};

use arrow::array::RecordBatch;
use nyala_schema::Result;

/// Rows of all instances of a fragment for one instance of another. Several workers may ask at once: each batch goes to one of
/// them.
pub trait Input: Send + Sync {
    /// The next batch of any sender, `None` when all have ended. When there is none yet, the waker is called when it is worth
    /// asking again.
    ///
    /// # Errors
    /// The first error of a sender; `Connection` when a sender's node is gone, or rows were lost because this end came too
    /// late.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>>;

    /// How many instances send.
    fn senders(&self) -> usize;

    /// The next batch of one sender, in the order in which it sent them; `None` when it has ended. Those that are not asked for
    /// wait with what their credits allow: the one that is asked for must not need anything of theirs.
    ///
    /// # Errors
    /// As `poll_next`, of whichever sender.
    fn poll_from(&self, sender: usize, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>>;

    /// Nothing more is wanted: senders are told so, and what waits is given up.
    fn close(&self);
}
