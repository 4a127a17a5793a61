//! UPDATE and DELETE.

use arrow::array::RecordBatch;
use nyala_frontend::dml::{delete_query, update_query};
use nyala_frontend::{Delete, Update};
use nyala_schema::managed::version::TableOperation;
use nyala_schema::{Error, ErrorCode, Result};

use super::gone::GoneRows;
use super::pending::PendingChange;
use super::target::Target;
use super::{diagnose, stream};
use crate::answer::Answer;
use crate::session::Session;

pub fn update(session: &Session, sql: &str, update: &Update) -> Result<Answer> {
    let rows = session.retrying(|_| update_once(session, sql, update))?;
    Ok(Answer::Done(format!("UPDATE {rows}")))
}

fn update_once(session: &Session, sql: &str, update: &Update) -> Result<u64> {
    let target = Target::find(session, &update.table)?;
    let query = update_query(update, &target.table().shape)?;
    let world = session.tables().identifying(&target.name);
    let mut change = PendingChange::new(session, &target, TableOperation::Update);
    let mut gone = GoneRows::default();
    let streamed = stream::each_batch(session, &world, sql, &query, |batch| {
        gone.add(batch.column(0), batch.column(1))?;
        change.rows()?.write(&batch.columns()[2..])
    });
    diagnose::naming_column(session, &world, sql, &query, &target, streamed)?;
    if gone.has_repeated() {
        return Err(changed_twice("UPDATE", &target));
    }
    change.take_away(&gone)?;
    change.commit()?;
    Ok(gone.count())
}

pub fn delete(session: &Session, sql: &str, delete: &Delete) -> Result<Answer> {
    let rows = session.retrying(|_| delete_once(session, sql, delete))?;
    Ok(Answer::Done(format!("DELETE {rows}")))
}

fn delete_once(session: &Session, sql: &str, delete: &Delete) -> Result<u64> {
    let target = Target::find(session, &delete.table)?;
    let mut change = PendingChange::new(session, &target, TableOperation::Delete);
    if delete.condition.is_none() && delete.using.is_empty() {
        let rows = change.remove(target.table().files.iter());
        change.commit()?;
        return Ok(rows);
    }
    let query = delete_query(delete)?;
    let mut gone = GoneRows::default();
    let world = session.tables().identifying(&target.name);
    let take = |batch: &RecordBatch| gone.add(batch.column(0), batch.column(1));
    stream::each_batch(session, &world, sql, &query, take)?;
    change.take_away(&gone)?;
    change.commit()?;
    Ok(gone.count())
}

/// The error of a statement that would give one row two new values.
pub fn changed_twice(statement: &str, target: &Target) -> Error {
    let message = format!("{statement} would change one row of \"{}\" more than once", target.name);
    Error::new(ErrorCode::Cardinality, message).with_hint(
        "more than one row of the source goes with it; aggregate the source or narrow the condition",
    )
}
