//! A client's session.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use nyala_schema::client::{
    ClientResponse, FETCH_BYTES_MAX, FETCH_WAIT_MAX, FetchEnd, OpenQuery, ResponseBody, SQL_BYTES_MAX,
    SessionState, Setting,
};
use nyala_schema::cluster::QueryId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::watch;
use tokio::time::Instant;

use super::rows::ServedRows;
use super::threads::Threads;
use super::told;
use crate::TransactionState;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::session::{CancelHandle, Session};
use crate::work::TRAVEL_OPTIONS;

/// Queries of a session whose rows have not all been fetched.
const QUERIES_MAX: usize = 16;
/// A client has seen a version of the catalog: how long this node may take to have it too.
const CATCH_UP_WITHIN: Duration = Duration::from_secs(4);

pub struct ServedSession {
    /// Of the client's connection.
    pub connection: u64,
    /// One statement at a time.
    session: Arc<tokio::sync::Mutex<Session>>,
    running: CancelHandle,
    queries: Mutex<Queries>,
    cancels: watch::Sender<u64>,
}

#[derive(Default)]
struct Queries {
    open: BTreeMap<OpenQuery, Arc<tokio::sync::Mutex<ServedRows>>>,
    last: u64,
}

/// What a client wants of a new session.
pub struct Wanted {
    pub user: String,
    pub settings: Vec<Setting>,
    pub schema: String,
    pub catalog_version_min: u64,
}

/// Why a session is not opened.
pub enum NotOpened {
    /// Another node may.
    Elsewhere(Error),
    Refused(Error),
}

impl ServedSession {
    /// Blocks until the node has the catalog that the client has seen.
    ///
    /// # Errors
    /// See [`NotOpened`].
    pub fn open(
        engine: &Arc<Engine>,
        connection: u64,
        wanted: Wanted,
    ) -> Result<(Arc<Self>, SessionState), NotOpened> {
        let mut session = engine.session().for_user(wanted.user);
        if wanted.catalog_version_min > 0 {
            let waited = session.wait_for_version(wanted.catalog_version_min, CATCH_UP_WITHIN);
            waited.map_err(NotOpened::Elsewhere)?;
        }
        if !wanted.schema.is_empty() {
            session.set_schema(&wanted.schema);
        }
        for Setting { name, value } in &wanted.settings {
            set(&mut session, name, value).map_err(NotOpened::Refused)?;
        }
        let state = told::state(&session);
        let running = session.cancel_handle();
        let served = Self {
            connection,
            running,
            session: Arc::new(tokio::sync::Mutex::new(session)),
            queries: Mutex::default(),
            cancels: watch::Sender::new(0),
        };
        Ok((Arc::new(served), state))
    }

    fn queries(&self) -> MutexGuard<'_, Queries> {
        self.queries.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs a statement. `refusal` says why this node takes no work; an open transaction goes on all the same.
    pub async fn execute(
        self: &Arc<Self>,
        threads: &Threads,
        statement: QueryId,
        sql: String,
        refusal: Option<Error>,
    ) -> ClientResponse {
        if sql.len() > SQL_BYTES_MAX {
            let message = format!("a statement of {} bytes is too long: {SQL_BYTES_MAX} do", sql.len());
            return failed(Error::new(ErrorCode::TooComplex, message));
        }
        let mut cancelled = self.cancels.subscribe();
        let mut session = Arc::clone(&self.session).lock_owned().await;
        if let (Some(error), TransactionState::None) = (refusal, session.transaction_state()) {
            return body(ResponseBody::Elsewhere(error));
        }
        let thread = tokio::select! {
            thread = threads.for_statement() => thread,
            _ = cancelled.changed() => Err(Error::cancelled()),
        };
        // Whoever does not wait for the answer any more does not want it.
        let mut abandoned = CancelOnDrop(Some(self.running.clone()));
        let ran = match thread {
            Ok(thread) => {
                let run = move || {
                    let _span =
                        tracing::info_span!("statement", query = %statement, user = session.user()).entered();
                    let answer = session.execute_as(&sql, statement, 0);
                    match &answer {
                        Ok(_) => tracing::debug!("a statement is answered"),
                        Err(error) => {
                            tracing::info!(%error, code = error.code().sqlstate(), "a statement failed")
                        }
                    }
                    (answer, told::state(&session))
                };
                thread.run(run).await
            }
            Err(error) => Err(error),
        };
        abandoned.0 = None;
        match ran {
            Ok((answer, state)) => {
                let body = answer.and_then(|answer| self.keep(answer)).unwrap_or_else(ResponseBody::Failed);
                ClientResponse { state: Some(state), body }
            }
            Err(error) => failed(error),
        }
    }

    /// Rows wait here to be fetched.
    fn keep(&self, answer: Answer) -> Result<ResponseBody> {
        let stream = match answer {
            Answer::Done(tag) => return Ok(ResponseBody::Done { tag }),
            Answer::Rows(stream) => stream,
        };
        let schema = stream.schema();
        let rows = Arc::new(tokio::sync::Mutex::new(ServedRows::new(stream)?));
        let mut queries = self.queries();
        if queries.open.len() >= QUERIES_MAX {
            let message = format!("{QUERIES_MAX} queries of this session wait to be fetched already");
            return Err(Error::new(ErrorCode::TooComplex, message)
                .with_hint("read the rows of one of them to the end, or give it up"));
        }
        queries.last += 1;
        let query = OpenQuery(queries.last);
        queries.open.insert(query, rows);
        Ok(ResponseBody::Rows { query, schema })
    }

    pub async fn fetch(
        &self,
        threads: &Threads,
        query: OpenQuery,
        wait: Duration,
        bytes_max: u32,
    ) -> ClientResponse {
        let Some(rows) = self.queries().open.get(&query).cloned() else {
            let message = format!("query {} of this session is over", query.0);
            return failed(Error::new(ErrorCode::UndefinedObject, message));
        };
        let mut rows = rows.lock_owned().await;
        let bytes_max = bytes_max.clamp(1, FETCH_BYTES_MAX) as usize;
        let wait = wait.min(FETCH_WAIT_MAX);
        let until = Instant::now() + wait;
        let piece = if rows.ready(wait).await {
            let left = until.saturating_duration_since(Instant::now());
            threads.wait(left, move |wait| rows.fetch(wait, bytes_max)).await
        } else {
            Ok(rows.nothing_yet())
        };
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                self.forget(query);
                return failed(error);
            }
        };
        let mut state = None;
        if piece.end != FetchEnd::More {
            self.forget(query);
            // The end of a query may have failed the transaction; when a statement runs, its own end tells.
            state = self.session.try_lock().ok().map(|session| told::state(&session));
        }
        let super::rows::Piece { bytes, progress, end } = piece;
        ClientResponse { state, body: ResponseBody::Fetched { bytes, progress, end } }
    }

    /// Ends a query, if there is such a one.
    pub fn forget(&self, query: OpenQuery) {
        let forgotten = self.queries().open.remove(&query);
        drop(forgotten);
    }

    pub fn cancel(&self) {
        self.cancels.send_modify(|cancels| *cancels += 1);
        self.running.cancel();
    }

    pub fn progress(&self) -> ResponseBody {
        ResponseBody::Progress(self.running.progress())
    }

    /// Asks the session something, or has it set something; statements go before.
    pub async fn with(
        &self,
        threads: &Threads,
        ask: impl FnOnce(&mut Session) -> Result<ResponseBody> + Send + 'static,
    ) -> ClientResponse {
        let mut session = Arc::clone(&self.session).lock_owned().await;
        let asked = threads.question(move || (ask(&mut session), told::state(&session))).await;
        match asked {
            Ok((answer, state)) => {
                ClientResponse { state: Some(state), body: answer.unwrap_or_else(ResponseBody::Failed) }
            }
            Err(error) => failed(error),
        }
    }
}

/// As SET does, for all options.
///
/// # Errors
/// Unknown option or value.
pub fn set(session: &mut Session, name: &str, value: &str) -> Result<()> {
    if TRAVEL_OPTIONS.iter().any(|(option, _)| option.eq_ignore_ascii_case(name)) {
        return session.execute(&format!("SET {name} = '{}'", value.replace('\'', "''"))).map(|_| ());
    }
    session.set(name, value)
}

pub fn body(body: ResponseBody) -> ClientResponse {
    ClientResponse { state: None, body }
}

pub fn failed(error: Error) -> ClientResponse {
    body(ResponseBody::Failed(error))
}

struct CancelOnDrop(Option<CancelHandle>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(running) = &self.0 {
            running.cancel();
        }
    }
}
