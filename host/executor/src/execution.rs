//! A running query as its client sees it.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::{Error, Result};

use crate::report::{InstanceStatistics, Profile, Progress};
use crate::run::{Pool, Query};

/// Rows as they are made, in batches of the plan's output schema. Dropping it cancels the query.
pub struct Execution {
    query: Arc<Query>,
    /// Keeps the threads alive as long as the query may need them.
    _pool: Arc<Pool>,
}

/// Cancels a query from any thread; does not keep it alive.
#[derive(Clone)]
pub struct CancelHandle(Weak<Query>);

impl Execution {
    pub(crate) fn new(query: Arc<Query>, pool: Arc<Pool>) -> Self {
        Self { query, _pool: pool }
    }

    pub fn schema(&self) -> SchemaRef {
        self.query.plan.output_schema.clone()
    }

    /// The next batch; `None` when there was none within `wait`, `Some(Ok(None))` at the end. After an error, and
    /// after the end, every call gives the same again. An executor without threads makes none while this waits.
    ///
    /// # Errors
    /// The first error of the query; `Cancelled` when that was what ended it.
    pub fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        let next = self.query.output.next(wait);
        if let Some(Ok(Some(batch))) = &next {
            self.query.rows_given.fetch_add(batch.num_rows() as u64, Relaxed);
        }
        next
    }

    /// As [`next`](Self::next), waiting as futures do. One task waits at a time.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        let next = self.query.output.poll_next(context);
        if let Poll::Ready(Ok(Some(batch))) = &next {
            self.query.rows_given.fetch_add(batch.num_rows() as u64, Relaxed);
        }
        next
    }

    /// Calls `callback` once: when all that runs of the instance has ended, from one of its threads, or at once if that has
    /// been. Must not block.
    pub fn when_over(&self, callback: Box<dyn FnOnce(Result<()>) + Send>) {
        self.query.over.when(callback);
    }

    /// Hands over a filter that joins of another fragment have made; empty bytes keep everything. One that no scan here uses
    /// is nothing to mind, nor is a second one.
    ///
    /// # Errors
    /// `Connection` for bytes that are no filter.
    pub fn give_filter(&self, filter: RuntimeFilterId, bytes: &[u8]) -> Result<()> {
        self.query.filters.give(filter, bytes)
    }

    pub fn statistics(&self) -> InstanceStatistics {
        self.query.statistics()
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle(Arc::downgrade(&self.query))
    }

    pub fn progress(&self) -> Progress {
        self.query.progress()
    }

    /// What the query took; complete once [`next`](Self::next) has given the end.
    pub fn profile(&self) -> Profile {
        self.query.profile()
    }
}

impl Drop for Execution {
    fn drop(&mut self) {
        self.query.fail(Error::cancelled());
    }
}

impl CancelHandle {
    /// Ends the query with the error `Cancelled`, unless it has ended already.
    pub fn cancel(&self) {
        self.fail(Error::cancelled());
    }

    /// Ends the query with this error, unless it has ended already.
    pub fn fail(&self, error: Error) {
        if let Some(query) = self.0.upgrade() {
            query.fail(error);
        }
    }

    /// How far the query is; `None` when it is over.
    pub fn progress(&self) -> Option<Progress> {
        self.0.upgrade().filter(|query| !query.is_over()).map(|query| query.progress())
    }
}
