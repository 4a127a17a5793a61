//! A running query as its client sees it.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use nyala_executor::{Profile, Progress};
use nyala_schema::cluster::{Peer, QueryId};
use nyala_schema::deploy::QueryStatus;
use nyala_schema::{Error, Result};
use tokio::time::timeout;

use crate::query::running::RunningQuery;

/// How long a profile waits for the last reports.
const PROFILE_WAIT: Duration = Duration::from_millis(500);

/// Rows as they are made. Dropping it cancels the query.
pub struct QueryHandle {
    query: Arc<RunningQuery>,
    coordinator: Peer,
}

/// Cancels a query from any thread; does not keep it alive.
#[derive(Clone)]
pub struct QueryCancel(Weak<RunningQuery>);

impl QueryHandle {
    pub(crate) fn new(query: Arc<RunningQuery>, coordinator: Peer) -> Self {
        Self { query, coordinator }
    }

    pub fn id(&self) -> QueryId {
        self.query.id
    }

    pub fn schema(&self) -> SchemaRef {
        self.query.schema.clone()
    }

    /// The next batch; `None` when there was none within `wait`, `Some(Ok(None))` at the end. After an error, and
    /// after the end, every call gives the same again.
    ///
    /// # Errors
    /// The first error of the query that no further attempt mends; `Cancelled` when that was what ended it.
    pub async fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        timeout(wait, poll_fn(|context| self.poll_next(context))).await.ok()
    }

    /// As [`next`](Self::next), for one task at a time.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.query.poll_next(context)
    }

    /// Ready when [`poll_next`](Self::poll_next) would be. Takes nothing.
    pub fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.query.poll_ready(context)
    }

    pub fn cancel_handle(&self) -> QueryCancel {
        QueryCancel(Arc::downgrade(&self.query))
    }

    /// Over all nodes, as last reported.
    pub fn progress(&self) -> Progress {
        self.query.progress()
    }

    /// Of all nodes together; complete soon after [`next`](Self::next) has given the end: waits for the last reports, a
    /// moment at most.
    pub async fn profile(&self) -> Profile {
        if self.query.with(|core| core.root_ended) {
            _ = timeout(PROFILE_WAIT, self.query.all_reported()).await;
        }
        self.query.profile()
    }

    /// The query with its instances.
    pub fn detail(&self) -> QueryStatus {
        self.query.status(&self.coordinator)
    }
}

impl Drop for QueryHandle {
    fn drop(&mut self) {
        self.query.cancel(Error::cancelled());
    }
}

impl QueryCancel {
    /// Ends the query with the error `Cancelled`, unless it has ended already.
    pub fn cancel(&self) {
        self.fail(Error::cancelled());
    }

    /// Ends the query with an error, unless it has ended already.
    pub fn fail(&self, reason: Error) {
        if let Some(query) = self.0.upgrade() {
            query.cancel(reason);
        }
    }

    /// How far the query is; `None` when it is over.
    pub fn progress(&self) -> Option<Progress> {
        let query = self.0.upgrade()?;
        let is_over = query.with(|core| core.state.is_over());
        (!is_over).then(|| query.progress())
    }
}
