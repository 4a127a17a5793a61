//! The statements that sessions of this process run, and some that they ran: what SHOW QUERIES shows and KILL QUERY ends.

use std::collections::{BTreeMap, VecDeque};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use nyala_schema::cluster::QueryId;
use nyala_schema::{Error, ErrorCode, Result};
use serde::{Deserialize, Serialize};
use tokio::sync::Notify;
use uuid::Uuid;

use crate::answer::{FragmentProgress, Progress};
use crate::running::Control;

/// Statements that are remembered after they have ended.
const FINISHED_MAX: usize = 256;
/// Bytes of a statement's text that are kept, and of its profile.
const SQL_BYTES_MAX: usize = 16 << 10;
const PROFILE_BYTES_MAX: usize = 64 << 10;

#[derive(Default)]
pub struct Statements {
    known: Mutex<Known>,
    /// One has ended.
    ended: Notify,
}

#[derive(Default)]
struct Known {
    running: BTreeMap<QueryId, Arc<Statement>>,
    /// Newest last.
    finished: VecDeque<Arc<Statement>>,
    counts: Counts,
}

/// Since the process began.
#[derive(Debug, Clone, Copy, Default)]
pub struct Counts {
    pub running: u64,
    pub done: u64,
    pub failed: u64,
    pub cancelled: u64,
    pub rows: u64,
}

/// One run of one statement.
pub struct Statement {
    pub id: QueryId,
    pub sql: String,
    pub user: String,
    pub pool: String,
    /// Of the client, from 0.
    attempt: u32,
    started: Instant,
    started_ms: i64,
    has_query: AtomicBool,
    /// Why it ends before its time.
    cancelled: OnceLock<Error>,
    /// The query that runs for it, or the last one.
    query: Mutex<Option<Arc<dyn Control>>>,
    end: Mutex<End>,
}

#[derive(Default)]
struct End {
    over: Option<Over>,
    profile: Option<String>,
}

struct Over {
    state: State,
    elapsed: Duration,
    rows: u64,
    progress: Progress,
    error: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    Running,
    Done,
    Failed,
    Cancelled,
    /// Waits for its admission.
    Queued,
}

/// A statement as it is now, for people.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StatementRow {
    pub id: u128,
    pub state: State,
    pub sql: String,
    pub user: String,
    pub pool: String,
    /// Milliseconds since 1970.
    pub started_ms: i64,
    pub elapsed_ms: u64,
    /// 0 to 1.
    pub fraction: f64,
    /// Given to the client; once it is over.
    pub rows: u64,
    pub rows_scanned: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
    pub error: Option<String>,
    pub fragments: Vec<FragmentProgress>,
}

/// A name that no other statement has; later ones sort after earlier ones.
pub fn new_id() -> QueryId {
    QueryId(Uuid::now_v7().as_u128())
}

impl State {
    pub fn is_over(self) -> bool {
        match self {
            Self::Queued | Self::Running => false,
            Self::Done | Self::Failed | Self::Cancelled => true,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Done => "done",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }
}

impl Statements {
    pub fn begin(&self, name: (QueryId, u32), sql: &str, user: &str, pool: &str) -> Arc<Statement> {
        let (id, attempt) = name;
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let statement = Arc::new(Statement {
            id,
            sql: cut(sql, SQL_BYTES_MAX),
            user: user.to_owned(),
            pool: pool.to_owned(),
            attempt,
            started: Instant::now(),
            started_ms: i64::try_from(since.as_millis()).unwrap_or(i64::MAX),
            has_query: AtomicBool::new(false),
            cancelled: OnceLock::new(),
            query: Mutex::default(),
            end: Mutex::default(),
        });
        self.known().running.insert(id, Arc::clone(&statement));
        statement
    }

    /// It gives no more rows; the first call counts.
    pub fn finish(&self, statement: &Statement, rows: u64, progress: Progress, error: Option<&Error>) {
        let state = match error {
            None => State::Done,
            Some(error) if error.code() == ErrorCode::Cancelled => State::Cancelled,
            Some(_) => State::Failed,
        };
        let mut known = self.known();
        let Some(statement) = known.running.remove(&statement.id) else { return };
        let error = error.map(ToString::to_string);
        statement.end().over =
            Some(Over { state, elapsed: statement.started.elapsed(), rows, progress, error });
        let counts = &mut known.counts;
        counts.rows += rows;
        *match state {
            State::Cancelled => &mut counts.cancelled,
            State::Failed => &mut counts.failed,
            State::Queued | State::Running | State::Done => &mut counts.done,
        } += 1;
        known.finished.push_back(statement);
        if known.finished.len() > FINISHED_MAX {
            known.finished.pop_front();
        }
        drop(known);
        self.ended.notify_waiters();
    }

    /// Those that run, oldest first, then those that ran.
    pub fn rows(&self) -> Vec<StatementRow> {
        let known = self.known();
        let all: Vec<_> = known.running.values().chain(known.finished.iter()).cloned().collect();
        drop(known);
        all.iter().map(|statement| statement.row()).collect()
    }

    /// Ends it for somebody else than its session. Whether it runs here.
    pub fn kill(&self, id: QueryId) -> bool {
        let Some(statement) = self.known().running.get(&id).cloned() else { return false };
        let reason = Error::new(ErrorCode::Cancelled, "the query was killed");
        statement.end_for(reason.with_hint("somebody ended it with KILL QUERY"));
        true
    }

    /// Returns when none runs.
    pub async fn when_idle(&self) {
        loop {
            let mut ended = pin!(self.ended.notified());
            // From here on no end is missed.
            ended.as_mut().enable();
            if self.known().running.is_empty() {
                return;
            }
            ended.await;
        }
    }

    /// Ends all that run.
    pub fn kill_all(&self) {
        let running: Vec<_> = self.known().running.values().cloned().collect();
        running.iter().for_each(|statement| statement.cancel());
    }

    /// What the queries of a statement took; `None` when it is not known here, or had none.
    pub fn profile(&self, id: QueryId) -> Option<String> {
        let known = self.known();
        let finished = || known.finished.iter().rev().find(|statement| statement.id == id);
        let statement = known.running.get(&id).or_else(finished)?;
        statement.end().profile.clone()
    }

    /// That the queries hold which run now.
    pub fn memory_bytes(&self) -> u64 {
        let running: Vec<_> = self.known().running.values().cloned().collect();
        running
            .iter()
            .filter_map(|statement| statement.progress())
            .map(|progress| progress.memory_bytes)
            .sum()
    }

    pub fn counts(&self) -> Counts {
        let known = self.known();
        Counts { running: known.running.len() as u64, ..known.counts }
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Statement {
    /// Ends the query that runs, and those that would come.
    pub fn cancel(&self) {
        self.end_for(Error::cancelled());
    }

    /// The first reason counts.
    fn end_for(&self, reason: Error) {
        self.cancelled.get_or_init(|| reason);
        if let Some(query) = &*self.query() {
            query.cancel();
        }
    }

    /// # Errors
    /// `Cancelled` when that was asked for.
    pub fn check_cancelled(&self) -> Result<()> {
        self.cancelled.get().cloned().map_or(Ok(()), Err)
    }

    /// How its end is told to its session: what ran for it may only know that it was cancelled.
    pub fn told(&self, error: Error) -> Error {
        match self.cancelled.get() {
            Some(reason) if error.code() == ErrorCode::Cancelled => reason.clone(),
            _ => error,
        }
    }

    /// What the next of its queries is called: the first, as the statement.
    pub fn query_id(&self) -> QueryId {
        // An earlier attempt may still be running under that name somewhere.
        if self.has_query.swap(true, Ordering::Relaxed) || self.attempt > 0 { new_id() } else { self.id }
    }

    /// A query runs for it now.
    pub fn watch(&self, query: Arc<dyn Control>) {
        *self.query() = Some(Arc::clone(&query));
        if self.check_cancelled().is_err() {
            query.cancel();
        }
    }

    /// How far the query is that runs for it; `None` when none does.
    pub fn progress(&self) -> Option<Progress> {
        self.query().as_ref()?.progress()
    }

    /// What one of its queries took. Of several, the last that fits is kept behind the others.
    pub fn add_profile(&self, text: &str) {
        let mut end = self.end();
        let kept = end.profile.get_or_insert_default();
        if kept.len() < PROFILE_BYTES_MAX {
            let room = PROFILE_BYTES_MAX - kept.len();
            kept.push_str(&cut(text, room));
        }
    }

    fn query(&self) -> MutexGuard<'_, Option<Arc<dyn Control>>> {
        self.query.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn end(&self) -> MutexGuard<'_, End> {
        self.end.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn unfinished(&self) -> State {
        let is_queued = self.query().as_ref().is_some_and(|query| query.is_queued());
        if is_queued { State::Queued } else { State::Running }
    }

    fn row(&self) -> StatementRow {
        let running = self.progress();
        let end = self.end();
        let over = end.over.as_ref();
        let progress = over.map(|over| over.progress.clone()).or(running).unwrap_or_default();
        let elapsed = over.map_or_else(|| self.started.elapsed(), |over| over.elapsed);
        StatementRow {
            id: self.id.0,
            state: over.map_or_else(|| self.unfinished(), |over| over.state),
            sql: self.sql.clone(),
            user: self.user.clone(),
            pool: self.pool.clone(),
            started_ms: self.started_ms,
            elapsed_ms: u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX),
            fraction: progress.fraction,
            rows: over.map_or(0, |over| over.rows),
            rows_scanned: progress.rows_scanned,
            bytes_read: progress.bytes_read,
            memory_bytes: progress.memory_bytes,
            error: over.and_then(|over| over.error.clone()),
            fragments: progress.fragments,
        }
    }
}

/// At most so many bytes, cut between characters.
fn cut(text: &str, bytes_max: usize) -> String {
    let mut end = text.len().min(bytes_max);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}
