//! Runs a statement until its outcome is known, on whatever node.

use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use nyala_schema::client::{
    ClientRequest, OpenQuery, ResponseBody, SQL_BYTES_MAX, StatementOutcome, TransactionState,
};
use nyala_schema::cluster::QueryId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, sleep};

use crate::place::{Place, Seat, Trouble, unexpected};
use crate::words;

/// Nodes that go away under one statement, one after the other.
const TRIES_MAX: u32 = 16;
/// Between two questions for an outcome that no node can tell yet.
const ASK_AGAIN_AFTER: Duration = Duration::from_millis(200);
/// How often a statement is run again that a node could not run for want of others; it waits so long before, longer each time.
pub const DOUBTS_MAX: u32 = 5;
const DOUBT_PAUSE: Duration = Duration::from_millis(100);
/// A node that was told to cancel has this long to say that it has.
const CANCEL_WITHIN: Duration = Duration::from_secs(3);

/// A statement that a node has begun to answer.
pub enum Begun {
    Done(String),
    Rows(BegunRows),
}

pub struct BegunRows {
    pub seat: Seat,
    pub statement: QueryId,
    pub query: OpenQuery,
    pub schema: SchemaRef,
    pub in_transaction: bool,
}

/// # Errors
/// Those of the statement; `Cancelled`; `Connection` when no node is found; `SerializationFailure` when the open transaction
/// went away with its node; `CommitUnknown` when nobody can say whether it was done.
pub async fn run(place: &Arc<Place>, sql: &str) -> Result<Begun> {
    if sql.len() > SQL_BYTES_MAX {
        let message = format!("a statement of {} bytes is too long", sql.len());
        return Err(Error::new(ErrorCode::TooComplex, message)
            .with_hint(format!("{SQL_BYTES_MAX} bytes do; load rows from a file, or insert fewer at once")));
    }
    if place.has_lost_transaction() {
        return roll_back(place, sql);
    }
    place.learn_now_and_then();
    let mut doubts = 0;
    for _ in 0..TRIES_MAX {
        let seat = place.seat()?;
        let in_transaction = place.state().transaction != TransactionState::None;
        let statement = QueryId(uuid::Uuid::now_v7().as_u128());
        let request = ClientRequest::Execute { session: seat.session, statement, sql: sql.to_owned() };
        match answer(place, &seat, &request).await {
            Ok(ResponseBody::Done { tag }) => return Ok(Begun::Done(tag)),
            Ok(ResponseBody::Rows { query, schema }) => {
                return Ok(Begun::Rows(BegunRows { seat, statement, query, schema, in_transaction }));
            }
            Ok(other) => return Err(unexpected(&other)),
            Err(Trouble::Failed(error)) if is_in_doubt(&error, in_transaction) && doubts < DOUBTS_MAX => {
                pause(place, doubts).await?;
                doubts += 1;
                if let Some(tag) = settled(place, sql, statement, in_transaction, &error).await? {
                    return Ok(Begun::Done(tag));
                }
            }
            Err(Trouble::Failed(error)) => return Err(error),
            Err(Trouble::Elsewhere(_)) if !in_transaction => place.move_on(seat.moves).await?,
            Err(Trouble::Elsewhere(error) | Trouble::Lost(error)) => {
                let done = after_loss(place, &seat, sql, statement, in_transaction, &error).await?;
                if let Some(tag) = done {
                    return Ok(Begun::Done(tag));
                }
            }
        }
    }
    Err(too_many_lost(TRIES_MAX))
}

pub fn too_many_lost(nodes: u32) -> Error {
    Error::new(ErrorCode::Connection, format!("{nodes} nodes went away under this statement"))
        .with_hint("SHOW NODES lists which are there")
}

/// Whether the node itself may have done it or not, or says that nothing was done for want of other nodes: it is asked
/// again soon, when those have found each other.
pub fn is_in_doubt(error: &Error, in_transaction: bool) -> bool {
    match error.code() {
        ErrorCode::CommitUnknown => true,
        ErrorCode::Connection => !in_transaction,
        _ => false,
    }
}

/// Longer each time.
///
/// # Errors
/// `Cancelled`.
pub async fn pause(place: &Place, doubts: u32) -> Result<()> {
    let mut cancellation = place.cancellation();
    tokio::select! {
        () = sleep(DOUBT_PAUSE * 2_u32.pow(doubts.min(DOUBTS_MAX))) => Ok(()),
        _ = cancellation.changed() => Err(Error::cancelled()),
    }
}

/// A statement's answer; when it is cancelled and the node does not say so soon, that it was.
async fn answer(place: &Arc<Place>, seat: &Seat, request: &ClientRequest) -> Result<ResponseBody, Trouble> {
    let mut cancellation = place.cancellation();
    let answer = place.ask(seat, request);
    tokio::pin!(answer);
    tokio::select! {
        answer = &mut answer => return answer,
        _ = cancellation.changed() => {}
    }
    place.tell(seat.clone(), ClientRequest::Cancel { session: seat.session });
    match tokio::time::timeout(CANCEL_WITHIN, answer).await {
        Ok(Err(Trouble::Lost(_))) | Err(_) => Err(Trouble::Failed(Error::cancelled())),
        Ok(answer) => answer,
    }
}

/// The node went away under a statement. Its tag if it has been done all the same; `None` when it may be run again.
///
/// # Errors
/// As [`run`].
pub async fn after_loss(
    place: &Arc<Place>,
    seat: &Seat,
    sql: &str,
    statement: QueryId,
    in_transaction: bool,
    why: &Error,
) -> Result<Option<String>> {
    place.move_on(seat.moves).await?;
    let settled = settled(place, sql, statement, in_transaction, why).await;
    if in_transaction && !matches!(settled, Ok(Some(_))) {
        place.lose_transaction();
    }
    settled
}

/// What became of a statement of which that is not known. Its tag if it has been done; `None` when it may be run again.
///
/// # Errors
/// As [`run`].
async fn settled(
    place: &Arc<Place>,
    sql: &str,
    statement: QueryId,
    in_transaction: bool,
    why: &Error,
) -> Result<Option<String>> {
    if words::is_surely_a_read(sql) && !in_transaction {
        return Ok(None);
    }
    match outcome(place, statement).await? {
        StatementOutcome::Done { catalog_version } => {
            place.has_seen(catalog_version);
            Ok(Some(words::tag(sql)))
        }
        StatementOutcome::Refused(error) => Err(error),
        StatementOutcome::Never if in_transaction => {
            let message = format!("the open transaction was lost: {why}");
            Err(Error::new(ErrorCode::SerializationFailure, message)
                .with_hint("nothing of it has been done: ROLLBACK, then run the transaction again"))
        }
        StatementOutcome::Never => Ok(None),
    }
}

/// Asks until a node can tell.
///
/// # Errors
/// `CommitUnknown` when none can for as long as patience lasts; `Cancelled`.
pub async fn outcome(place: &Arc<Place>, statement: QueryId) -> Result<StatementOutcome> {
    let mut cancellation = place.cancellation();
    let until = Instant::now() + place.settings.patience;
    let request = ClientRequest::Outcome { statement };
    loop {
        let seat = place.seat()?;
        let answer = tokio::select! {
            answer = place.ask(&seat, &request) => answer,
            _ = cancellation.changed() => return Err(unknown(statement, "the question was cancelled")),
        };
        let why = match answer {
            Ok(ResponseBody::Outcome(outcome)) => return Ok(outcome),
            Ok(other) => return Err(unexpected(&other)),
            Err(Trouble::Failed(error))
                if !matches!(error.code(), ErrorCode::Connection | ErrorCode::CommitUnknown) =>
            {
                return Err(unknown(statement, error.message()));
            }
            Err(trouble) => {
                if matches!(trouble, Trouble::Lost(_)) {
                    place.move_on(seat.moves).await.map_err(|error| unknown(statement, error.message()))?;
                }
                trouble.into_error()
            }
        };
        if Instant::now() > until {
            return Err(unknown(statement, why.message()));
        }
        sleep(ASK_AGAIN_AFTER).await;
    }
}

fn unknown(statement: QueryId, why: &str) -> Error {
    let message = format!("whether statement {statement} was done is not known: {why}");
    Error::new(ErrorCode::CommitUnknown, message)
        .with_hint("look at the table, or at SHOW HISTORY, before running it again")
}

/// While a transaction that was lost has not been given up.
fn roll_back(place: &Place, sql: &str) -> Result<Begun> {
    if words::is_rollback(sql) {
        place.forget_transaction();
        return Ok(Begun::Done("ROLLBACK".to_owned()));
    }
    let message = "the node went away that had the open transaction, so it cannot go on";
    Err(Error::new(ErrorCode::FailedTransaction, message)
        .with_hint("ROLLBACK, then run the transaction again"))
}
