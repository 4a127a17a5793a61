//! A query that runs, here alone or on several nodes.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_executor::{Execution, Profile};
use nyala_schema::Result;

use crate::answer::{Progress, progress_here};

/// What a session holds of its query. Dropping it cancels the query.
pub trait Running: Send {
    fn schema(&self) -> SchemaRef;

    /// The next batch; `None` when there was none within `wait`, `Some(Ok(None))` at the end. After an error, and after the
    /// end, every call gives the same again.
    ///
    /// # Errors
    /// The first error of the query; `Cancelled` when that was what ended it.
    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>>;

    /// Ready when [`next`](Self::next) gives something at once, or nobody can tell.
    fn poll_ready(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }

    fn progress(&self) -> Progress;

    /// Of all nodes; complete once the end has come.
    fn profile(&self) -> Profile;

    fn control(&self) -> Arc<dyn Control>;
}

/// What others may do with a query that runs; does not keep it alive.
pub trait Control: Send + Sync {
    fn cancel(&self);

    /// `None` when it is over.
    fn progress(&self) -> Option<Progress>;

    /// Whether it waits for its admission.
    fn is_queued(&self) -> bool {
        false
    }
}

impl Running for Execution {
    fn schema(&self) -> SchemaRef {
        Self::schema(self)
    }

    fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        Self::next(self, wait)
    }

    fn progress(&self) -> Progress {
        progress_here(Self::progress(self))
    }

    fn profile(&self) -> Profile {
        Self::profile(self)
    }

    fn control(&self) -> Arc<dyn Control> {
        Arc::new(self.cancel_handle())
    }
}

impl Control for nyala_executor::CancelHandle {
    fn cancel(&self) {
        Self::cancel(self);
    }

    fn progress(&self) -> Option<Progress> {
        Self::progress(self).map(progress_here)
    }
}
