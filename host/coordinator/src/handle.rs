//! A running query as its client sees it.

use std::future::poll_fn;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;
use std::time::{Duration, Instant};

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
    runtime: tokio::runtime::Handle,
}

/// Cancels a query from any thread; does not keep it alive.
#[derive(Clone)]
pub struct QueryCancel(Weak<RunningQuery>);

impl QueryHandle {
    pub(crate) fn new(query: Arc<RunningQuery>, coordinator: Peer, runtime: tokio::runtime::Handle) -> Self {
        Self { query, coordinator, runtime }
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
    pub fn next(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        // Of the caller's own patience, not of what the cluster does: the clock of the machine.
        let until = Instant::now().checked_add(wait);
        let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
        let mut context = Context::from_waker(&waker);
        loop {
            if let Poll::Ready(next) = self.poll_next(&mut context) {
                return Some(next);
            }
            match until.map(|until| until.saturating_duration_since(Instant::now())) {
                Some(Duration::ZERO) => return None,
                Some(left) => std::thread::park_timeout(left),
                None => std::thread::park(),
            }
        }
    }

    /// As [`next`](Self::next), waiting as futures do. One task waits at a time.
    ///
    /// # Errors
    /// As `next`.
    pub fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.query.poll_next(context)
    }

    pub fn cancel_handle(&self) -> QueryCancel {
        QueryCancel(Arc::downgrade(&self.query))
    }

    /// Over all nodes, as last reported.
    pub fn progress(&self) -> Progress {
        self.query.progress()
    }

    /// As [`next`](Self::next), waiting as futures do.
    ///
    /// # Errors
    /// As `next`.
    pub async fn next_within(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        timeout(wait, poll_fn(|context| self.poll_next(context))).await.ok()
    }

    /// Of all nodes together; complete soon after [`next`](Self::next) has given the end: waits for the last reports, a
    /// moment at most. Not to be called on a thread of the runtime: see [`profile_async`](Self::profile_async).
    pub fn profile(&self) -> Profile {
        if self.has_given_all() {
            let query = self.query.clone();
            let (done, wait) = std::sync::mpsc::channel();
            self.runtime.spawn(async move {
                query.all_reported().await;
                _ = done.send(());
            });
            _ = wait.recv_timeout(PROFILE_WAIT);
        }
        self.query.profile()
    }

    /// As [`profile`](Self::profile), waiting as futures do.
    pub async fn profile_async(&self) -> Profile {
        if self.has_given_all() {
            _ = timeout(PROFILE_WAIT, self.query.all_reported()).await;
        }
        self.query.profile()
    }

    fn has_given_all(&self) -> bool {
        self.query.with(|core| core.root_ended)
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

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}
