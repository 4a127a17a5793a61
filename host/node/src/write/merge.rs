//! MERGE.

use arrow::array::{AsArray, BooleanArray, Int32Array, RecordBatch};
use arrow::compute::{cast, filter_record_batch};
use arrow::datatypes::{DataType, Int32Type};
use nyala_frontend::Merge;
use nyala_frontend::dml::{ACTION_DELETE, ACTION_INSERT, ACTION_UPDATE, merge_query};
use nyala_schema::Result;
use nyala_schema::managed::version::TableOperation;

use super::gone::GoneRows;
use super::modify::changed_twice;
use super::pending::PendingChange;
use super::target::Target;
use super::{diagnose, stream};
use crate::answer::Answer;
use crate::session::Session;

/// File, row and action stand before the table's columns.
const COLUMNS_START: usize = 3;

pub fn run(session: &Session, sql: &str, merge: &Merge) -> Result<Answer> {
    let rows = session.retrying(|_| merge_once(session, sql, merge))?;
    Ok(Answer::Done(format!("MERGE {rows}")))
}

fn merge_once(session: &Session, sql: &str, merge: &Merge) -> Result<u64> {
    let target = Target::find(session, &merge.table)?;
    let query = merge_query(merge, &target.table().shape)?;
    let world = session.tables().identifying(&target.name);
    let mut change = PendingChange::new(session, &target, TableOperation::Merge);
    let mut gone = GoneRows::default();
    let mut inserted = 0;
    let streamed = stream::each_batch(session, &world, sql, &query, |batch| {
        let actions = actions(batch)?;
        let going = rows_of(batch, &actions, |action| matches!(action, ACTION_UPDATE | ACTION_DELETE))?;
        if going.num_rows() > 0 {
            gone.add(going.column(0), going.column(1))?;
        }
        let coming = rows_of(batch, &actions, |action| matches!(action, ACTION_UPDATE | ACTION_INSERT))?;
        if coming.num_rows() > 0 {
            change.rows()?.write(&coming.columns()[COLUMNS_START..])?;
        }
        inserted += actions.iter().filter(|action| *action == Some(ACTION_INSERT)).count() as u64;
        Ok(())
    });
    diagnose::naming_column(session, &world, sql, &query, &target, streamed)?;
    if gone.has_repeated() {
        return Err(changed_twice("MERGE", &target));
    }
    if !gone.is_empty() {
        change.take_away(&gone)?;
    }
    change.commit()?;
    Ok(gone.count() + inserted)
}

fn actions(batch: &RecordBatch) -> Result<Int32Array> {
    Ok(cast(batch.column(2), &DataType::Int32)?.as_primitive::<Int32Type>().clone())
}

fn rows_of(batch: &RecordBatch, actions: &Int32Array, wanted: impl Fn(i32) -> bool) -> Result<RecordBatch> {
    let rows: BooleanArray = actions.iter().map(|action| Some(action.is_some_and(&wanted))).collect();
    if rows.true_count() == batch.num_rows() {
        return Ok(batch.clone());
    }
    Ok(filter_record_batch(batch, &rows)?)
}
