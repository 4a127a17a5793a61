//! A query while it runs: what its driver, its client, reports and lost nodes change.

use std::sync::{Arc, Mutex, OnceLock};
use std::task::{Context, Poll, Waker, ready};

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use nyala_executor::Profile;
use nyala_schema::cluster::{Attempt, NodeId, QueryId};
use nyala_schema::deploy::QueryState;
use nyala_schema::wire::encode_fragment;
use nyala_schema::{Error, ErrorCode, Fragment, Result};
use nyala_storage::Morsel;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::instance::running::RunningInstance;
use crate::lock::lock;
use crate::query::attempt::RunningAttempt;
use crate::request::QueryRequest;
use crate::schedule::held::Held;
use crate::schedule::shape::Shape;

pub(crate) struct RunningQuery {
    pub(crate) id: QueryId,
    pub(crate) request: QueryRequest,
    pub(crate) shape: Shape,
    pub(crate) schema: SchemaRef,
    pub(crate) started: Instant,
    /// Milliseconds since 1970.
    pub(crate) started_ms: u64,
    /// In wire form, when it has been needed.
    encoded: OnceLock<Vec<Bytes>>,
    /// Of each of the shape's scans, when they have been opened.
    pub(crate) morsels: OnceLock<Vec<Vec<Morsel>>>,
    core: Mutex<Core>,
    /// Counts what the driver, or who waits for the start or the last report, wants to know.
    changed: watch::Sender<u64>,
}

pub(crate) struct Core {
    pub(crate) state: QueryState,
    pub(crate) attempt: Option<RunningAttempt>,
    /// How many there have been.
    pub(crate) attempts: u32,
    /// Of the current attempt: gives the rows.
    root: Option<Arc<RunningInstance>>,
    held: Held,
    consumer: Option<Waker>,
    /// The first that happened to the current attempt.
    failure: Option<Failure>,
    /// The client has all rows, or they wait for it.
    pub(crate) root_ended: bool,
    cancelled: Option<Error>,
    pub(crate) result: Option<Result<()>>,
    pub(crate) rows_given: u64,
    /// When it gave its last row, or failed before.
    pub(crate) ended: Option<Instant>,
}

#[derive(Debug, Clone)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// The node that is lost, when that is what happened.
    pub(crate) lost: Vec<NodeId>,
    /// Only says that something went wrong with another.
    pub(crate) witness: Option<NodeId>,
}

/// What the driver has to see to.
pub(crate) enum Turn {
    Cancelled(Error),
    Failed(Failure),
    Ended,
}

impl RunningQuery {
    pub(crate) fn new(request: QueryRequest, shape: Shape, held_bytes_max: u64, started_ms: u64) -> Self {
        let schema = request.fragments.first().map(output_schema).unwrap_or_else(empty_schema);
        let core = Core {
            state: QueryState::Queued,
            attempt: None,
            attempts: 0,
            root: None,
            held: Held::new(held_bytes_max),
            consumer: None,
            failure: None,
            root_ended: false,
            cancelled: None,
            result: None,
            rows_given: 0,
            ended: None,
        };
        Self {
            id: request.id,
            request,
            shape,
            schema,
            started: Instant::now(),
            started_ms,
            encoded: OnceLock::new(),
            morsels: OnceLock::new(),
            core: Mutex::new(core),
            changed: watch::Sender::new(0),
        }
    }

    pub(crate) fn has_changed(&self) {
        self.changed.send_modify(|changes| *changes += 1);
    }

    /// What `look` finds, as soon as it finds something.
    pub(crate) async fn until<T>(&self, look: impl Fn(&Self) -> Option<T>) -> T {
        let mut changes = self.changed.subscribe();
        loop {
            if let Some(found) = look(self) {
                return found;
            }
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Returns when every instance has said how it ended.
    pub(crate) async fn all_reported(&self) {
        let look = |query: &Self| {
            query.with(|core| core.attempt.as_ref().is_none_or(RunningAttempt::has_ended)).then_some(())
        };
        self.until(look).await;
    }

    /// The fragments in wire form.
    ///
    /// # Errors
    /// When a value has no wire form.
    pub(crate) fn encoded(&self) -> Result<&Vec<Bytes>> {
        if let Some(encoded) = self.encoded.get() {
            return Ok(encoded);
        }
        let encode = |fragment: &Fragment| encode_fragment(fragment).map(Bytes::from);
        let encoded = self.request.fragments.iter().map(encode).collect::<Result<Vec<_>>>()?;
        Ok(self.encoded.get_or_init(|| encoded))
    }

    pub(crate) fn with<T>(&self, look: impl FnOnce(&mut Core) -> T) -> T {
        look(&mut lock(&self.core))
    }

    /// The query is to end, unless it has.
    pub(crate) fn cancel(&self, reason: Error) {
        let root = {
            let mut core = lock(&self.core);
            if core.result.is_some() || core.root_ended {
                return;
            }
            core.cancelled.get_or_insert(reason.clone());
            core.root.clone()
        };
        // Here and now, whatever the driver is at: no more rows come.
        if let Some(root) = root {
            root.end(&reason);
        }
        self.has_changed();
    }

    /// Something happened to an attempt: of the current one the first counts, and all that is lost.
    pub(crate) fn fail(&self, attempt: Attempt, mut failure: Failure) {
        {
            let mut core = lock(&self.core);
            if failure.error.code() == ErrorCode::Cancelled && core.cancelled.is_none() {
                // Not by us: a node has given its part up, as it does when it takes this one for gone.
                let message = format!("a node gave up its part of the query: {}", failure.error);
                failure.error = Error::new(ErrorCode::Connection, message);
            }
            if core.root_ended || core.attempt.as_ref().is_none_or(|current| current.attempt != attempt) {
                return;
            }
            match &mut core.failure {
                Some(known) => known.lost.extend(failure.lost),
                None => core.failure = Some(failure),
            }
        }
        self.has_changed();
    }

    /// What the driver has to see to now.
    pub(crate) fn turn(&self) -> Option<Turn> {
        let core = lock(&self.core);
        if let Some(reason) = &core.cancelled {
            return Some(Turn::Cancelled(reason.clone()));
        }
        match &core.failure {
            Some(failure) => Some(Turn::Failed(failure.clone())),
            None => core.root_ended.then_some(Turn::Ended),
        }
    }

    pub(crate) fn cancelled(&self) -> Option<Error> {
        lock(&self.core).cancelled.clone()
    }

    /// A new attempt is about to be deployed: it is known from now on, so that reports find it.
    pub(crate) fn begin(&self, attempt: RunningAttempt) {
        let mut core = lock(&self.core);
        core.attempts = attempt.attempt.number + 1;
        core.attempt = Some(attempt);
        core.failure = None;
    }

    /// The attempt runs: its rows come from here. `is_local` when nothing but this node can fail.
    pub(crate) fn runs(&self, root: Arc<RunningInstance>, is_local: bool) {
        let waker = {
            let mut core = lock(&self.core);
            core.state = QueryState::Running;
            core.root = Some(root);
            if is_local {
                core.held.flow();
            }
            core.consumer.take()
        };
        waker.into_iter().for_each(Waker::wake);
        self.has_changed();
    }

    /// Forgets what a failed attempt gave; `false` when some of it may have been given out.
    pub(crate) fn start_over(&self) -> bool {
        let mut core = lock(&self.core);
        let fresh = core.held.start_over();
        if fresh {
            core.root = None;
        }
        fresh
    }

    pub(crate) fn end(&self, result: Result<()>) {
        let waker = {
            let mut core = lock(&self.core);
            core.state = match &result {
                Ok(()) => QueryState::Finished,
                Err(error) if error.code() == ErrorCode::Cancelled => QueryState::Cancelled,
                Err(_) => QueryState::Failed,
            };
            core.result.get_or_insert(result);
            core.ended.get_or_insert(Instant::now());
            core.consumer.take()
        };
        waker.into_iter().for_each(Waker::wake);
        self.has_changed();
    }

    /// The next rows for the client.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        loop {
            ready!(self.poll_ready(context));
            // The query may have failed in between.
            if let Some(result) = lock(&self.core).poll_held() {
                return Poll::Ready(result);
            }
        }
    }

    /// Ready when there are rows, the end or an error to give; rows that come until then are held.
    pub(crate) fn poll_ready(&self, context: &mut Context<'_>) -> Poll<()> {
        loop {
            let (root, attempt) = {
                let mut core = lock(&self.core);
                if core.has_some() {
                    return Poll::Ready(());
                }
                core.consumer = Some(context.waker().clone());
                // After a failure the driver's verdict is awaited.
                let root = core.root.clone().filter(|_| core.failure.is_none() && core.cancelled.is_none());
                let attempt = core.attempt.as_ref().map(|attempt| attempt.attempt);
                let (Some(root), Some(attempt)) = (root, attempt) else { return Poll::Pending };
                (root, attempt)
            };
            let next = match root.poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(next) => next,
            };
            self.came(attempt, next);
        }
    }

    /// Something has come from the root of an attempt.
    fn came(&self, attempt: Attempt, next: Result<Option<RecordBatch>>) {
        match next {
            Ok(Some(batch)) => {
                let mut core = lock(&self.core);
                if core.attempt.as_ref().is_some_and(|current| current.attempt == attempt) {
                    core.held.push(batch);
                }
            }
            Ok(None) => {
                let mut core = lock(&self.core);
                let is_current = core.attempt.as_ref().is_some_and(|current| current.attempt == attempt);
                if is_current && core.failure.is_none() {
                    core.root_ended = true;
                    // What nodes still report is not what the client waits for.
                    core.ended.get_or_insert(Instant::now());
                    core.held.flow();
                    drop(core);
                    self.has_changed();
                }
            }
            Err(error) => self.fail(attempt, Failure { error, lost: vec![], witness: None }),
        }
    }

    pub(crate) fn root(&self) -> Option<Arc<RunningInstance>> {
        lock(&self.core).root.clone()
    }

    /// Of the root alone, with what users' functions took there.
    pub(crate) fn root_profile(&self) -> Option<Profile> {
        self.root().map(|root| root.profile())
    }
}

impl Core {
    /// Rows may come.
    pub(crate) fn has_started(&self) -> bool {
        self.root.is_some()
    }

    /// Whether it is time for a row batch, the end or the error.
    fn has_some(&self) -> bool {
        matches!(self.result, Some(Err(_))) || self.held.has_some() || self.root_ended
    }

    /// A row batch, the end or the error, if it is time for one.
    fn poll_held(&mut self) -> Option<Result<Option<RecordBatch>>> {
        if let Some(Err(error)) = &self.result {
            return Some(Err(error.clone()));
        }
        if let Some(batch) = self.held.pop() {
            self.rows_given += batch.num_rows() as u64;
            return Some(Ok(Some(batch)));
        }
        self.root_ended.then_some(Ok(None))
    }
}

/// As the client gets it: what plans call exact types.
fn output_schema(root: &Fragment) -> SchemaRef {
    let schema = &root.root.schema;
    let field = |field: &Arc<Field>| {
        field.as_ref().clone().with_data_type(nyala_pipeline::exact_type(field.data_type()))
    };
    let fields: Vec<Field> = schema.fields().iter().map(field).collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}

fn empty_schema() -> SchemaRef {
    Arc::new(Schema::empty())
}
