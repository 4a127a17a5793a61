//! The rows of a statement: fetched piece by piece, and held back so that the statement can be run again elsewhere.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;
use arrow::buffer::Buffer;
use arrow::datatypes::SchemaRef;
use arrow::ipc::reader::StreamDecoder;
use bytes::Bytes;
use nyala_schema::client::{
    ClientRequest, FETCH_BYTES_MAX, FETCH_WAIT_MAX, FetchEnd, ResponseBody, StatementProgress,
    StatementSummary,
};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::task::JoinHandle;
use tokio::time::timeout;

use crate::place::{Place, Trouble, unexpected};
use crate::run::{self, Begun, BegunRows};
use crate::session::Reactor;
use crate::words;

/// How long a node may keep a question for rows when somebody looks at progress, which comes with its answer.
const WATCHED_WAIT: Duration = Duration::from_millis(100);
/// A node that has not answered such a question for so long is taken for gone.
const FETCH_WITHIN: Duration = Duration::from_secs(30);
/// A statement whose rows are lost so often is not begun again: it may be what its nodes do not survive.
const LOSSES_MAX: u32 = 5;

/// Rows as they come, after they have been held back until the statement's end or until there were too many of them.
/// Dropping it cancels the query.
pub struct RowStream {
    place: Arc<Place>,
    reactor: Arc<Reactor>,
    sql: String,
    begun: BegunRows,
    decoder: StreamDecoder,
    /// How long a node may keep a question.
    wait: Duration,
    fetching: Option<JoinHandle<Result<Bytes>>>,
    /// Not given yet.
    held: VecDeque<RecordBatch>,
    /// As they came; counted until they are released.
    held_bytes: usize,
    /// Rows are given as they come: they are complete, or too many to hold back.
    is_released: bool,
    is_over: bool,
    /// Comes after the rows that are held.
    failure: Option<Error>,
    /// How often it was begun again for want of other nodes.
    doubts: u32,
    /// How often it was begun again because its node went away.
    losses: u32,
    progress: StatementProgress,
    summary: StatementSummary,
}

impl RowStream {
    pub(crate) fn new(place: Arc<Place>, reactor: Arc<Reactor>, sql: &str, begun: BegunRows) -> Self {
        Self {
            place,
            reactor,
            sql: sql.to_owned(),
            begun,
            decoder: StreamDecoder::new(),
            wait: WATCHED_WAIT,
            fetching: None,
            held: VecDeque::new(),
            held_bytes: 0,
            is_released: false,
            is_over: false,
            failure: None,
            doubts: 0,
            losses: 0,
            progress: StatementProgress::default(),
            summary: StatementSummary::default(),
        }
    }

    pub fn schema(&self) -> SchemaRef {
        Arc::clone(&self.begun.schema)
    }

    /// As of the last answer of the node.
    pub fn progress(&self) -> &StatementProgress {
        &self.progress
    }

    /// What the query took; complete once the stream has ended.
    pub fn summary(&self) -> &StatementSummary {
        &self.summary
    }

    /// The next batch, blocking; `None` at the end. After an error there are no more rows.
    ///
    /// # Errors
    /// Those of the query, `Cancelled` among them; `Connection` when its node went away after rows had been given.
    pub fn next_batch(&mut self) -> Result<Option<RecordBatch>> {
        // Nobody looks at progress, and each question costs the node something.
        self.wait = FETCH_WAIT_MAX;
        loop {
            if let Some(result) = self.within(FETCH_WAIT_MAX) {
                return result;
            }
        }
    }

    /// As [`next_batch`](Self::next_batch), but gives up with `None` after `wait`, so that progress can be shown.
    pub fn next_within(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        self.wait = WATCHED_WAIT;
        self.within(wait)
    }

    fn within(&mut self, wait: Duration) -> Option<Result<Option<RecordBatch>>> {
        if let Some(ready) = self.ready() {
            return Some(ready);
        }
        let reactor = Arc::clone(&self.reactor);
        if let Err(error) = reactor.block_on(self.advance(wait)) {
            self.fail(error);
        }
        self.ready()
    }

    fn ready(&mut self) -> Option<Result<Option<RecordBatch>>> {
        if (self.is_released || self.is_over)
            && let Some(batch) = self.held.pop_front()
        {
            return Some(Ok(Some(batch)));
        }
        if let Some(error) = self.failure.take() {
            return Some(Err(error));
        }
        self.is_over.then_some(Ok(None))
    }

    /// Rows that were held back are no answer when the query has failed.
    fn fail(&mut self, error: Error) {
        if !self.is_released {
            self.held.clear();
        }
        self.is_over = true;
        self.failure = Some(error);
    }

    /// Waits for one answer of the node, and asks for the next rows at once, while the program looks at these.
    async fn advance(&mut self, wait: Duration) -> Result<()> {
        let fetching = match &mut self.fetching {
            Some(fetching) => fetching,
            none => none.insert(fetch(&self.place, &self.begun, self.wait)),
        };
        let Ok(fetched) = timeout(wait, fetching).await else { return Ok(()) };
        self.fetching = None;
        let answer = match fetched {
            Ok(Ok(bytes)) => self.place.understood(&self.begun.seat, &bytes),
            Ok(Err(error)) => Err(Trouble::Lost(error)),
            Err(_) => Err(Trouble::Lost(Error::internal("a question for rows was given up"))),
        };
        match answer {
            Ok(ResponseBody::Fetched { bytes, progress, end }) => {
                self.progress = progress;
                if end == FetchEnd::More {
                    self.fetching = Some(fetch(&self.place, &self.begun, self.wait));
                }
                self.decode(bytes)?;
                self.take_end(end).await
            }
            Ok(other) => Err(unexpected(&other)),
            Err(Trouble::Failed(error)) => Err(error),
            Err(Trouble::Lost(error) | Trouble::Elsewhere(error)) => self.begin_again(&error).await,
        }
    }

    fn decode(&mut self, bytes: Bytes) -> Result<()> {
        self.held_bytes += bytes.len();
        let mut buffer = Buffer::from(bytes);
        while !buffer.is_empty() {
            let batch = self.decoder.decode(&mut buffer).map_err(|error| {
                Error::new(ErrorCode::Connection, format!("rows that cannot be read have come: {error}"))
            })?;
            if let Some(batch) = batch {
                self.hold(batch)?;
            }
        }
        self.is_released |= self.held_bytes > self.place.settings.held_bytes_max;
        Ok(())
    }

    fn hold(&mut self, batch: RecordBatch) -> Result<()> {
        if batch.schema_ref().fields() != self.begun.schema.fields() {
            return Err(Error::new(
                ErrorCode::Connection,
                "rows of other columns have come than were announced",
            ));
        }
        self.held.push_back(batch);
        Ok(())
    }

    async fn take_end(&mut self, end: FetchEnd) -> Result<()> {
        match end {
            FetchEnd::More => Ok(()),
            FetchEnd::Over(summary) => {
                self.summary = summary;
                self.is_over = true;
                Ok(())
            }
            FetchEnd::Failed(error) => {
                let again = words::is_surely_a_read(&self.sql)
                    && !self.is_released
                    && run::is_in_doubt(&error, self.begun.in_transaction)
                    && self.doubts < run::DOUBTS_MAX;
                if !again {
                    return Err(error);
                }
                run::pause(&self.place, self.doubts).await?;
                self.doubts += 1;
                self.replace().await
            }
        }
    }

    /// Runs the statement again on another node, if no row of it has been given.
    async fn begin_again(&mut self, why: &Error) -> Result<()> {
        let BegunRows { seat, statement, in_transaction, .. } = &self.begun;
        let done = run::after_loss(&self.place, seat, &self.sql, *statement, *in_transaction, why).await?;
        let lost = |message: String| Error::new(ErrorCode::Connection, message);
        if let Some(tag) = done {
            return Err(lost(format!(
                "{tag} has been done, but the node went away that had its rows: {why}"
            ))
            .with_hint("do not run it again"));
        }
        if self.is_released {
            let hint = if words::is_surely_a_read(&self.sql) {
                "run it again"
            } else {
                "nothing was changed: run it again"
            };
            return Err(lost(format!("the node went away in the middle of the rows: {why}")).with_hint(hint));
        }
        if self.losses >= LOSSES_MAX {
            return Err(run::too_many_lost(self.losses + 1));
        }
        if self.losses > 0 {
            run::pause(&self.place, self.losses - 1).await?;
        }
        self.losses += 1;
        self.replace().await
    }

    /// Puts another run of the statement in the place of this one, of which no row has been given.
    async fn replace(&mut self) -> Result<()> {
        let lost = |message: String| Error::new(ErrorCode::Connection, message);
        let Begun::Rows(begun) = run::run(&self.place, &self.sql).await? else {
            return Err(lost("run again elsewhere, the statement has given no rows".to_owned()));
        };
        if begun.schema.fields() != self.begun.schema.fields() {
            let message = "the columns of the result changed while the statement was run again elsewhere";
            return Err(Error::new(ErrorCode::SerializationFailure, message).with_hint("run it again"));
        }
        self.begun = begun;
        self.decoder = StreamDecoder::new();
        self.held.clear();
        self.held_bytes = 0;
        Ok(())
    }
}

/// Asks for rows. Goes on when it is not waited for.
fn fetch(place: &Arc<Place>, begun: &BegunRows, wait: Duration) -> JoinHandle<Result<Bytes>> {
    let request = ClientRequest::Fetch {
        session: begun.seat.session,
        query: begun.query,
        wait,
        bytes_max: FETCH_BYTES_MAX,
    };
    let bytes = Bytes::from(nyala_schema::wire::encode_client_request(&request));
    let link = Arc::clone(&begun.seat.link);
    place.handle.spawn(async move {
        timeout(FETCH_WITHIN, link.call(bytes)).await.unwrap_or_else(|_| {
            let seconds = FETCH_WITHIN.as_secs();
            Err(Error::new(ErrorCode::Connection, format!("the node has not answered for {seconds} s")))
        })
    })
}

impl Drop for RowStream {
    fn drop(&mut self) {
        if let Some(fetching) = self.fetching.take() {
            fetching.abort();
        }
        if !self.is_over {
            let seat = self.begun.seat.clone();
            let request = ClientRequest::Forget { session: seat.session, query: self.begun.query };
            self.place.tell(seat, request);
        }
    }
}
