//! CREATE TABLE … AS: the table and its rows come as one, or not at all.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, new_null_array};
use arrow::datatypes::{DataType, Field};
use nyala_frontend::{ColumnDefinition, TableClauses};
use nyala_schema::command::{Command, OnConflict};
use nyala_schema::managed::version::TableOperation;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::Query;

use super::pending::PendingChange;
use super::target::Target;
use crate::answer::{Answer, RowSource};
use crate::definition::table;
use crate::query;
use crate::session::Session;

/// The version that a table has when it is created.
const FIRST_VERSION: u64 = 1;

pub fn run(
    session: &Session,
    sql: &str,
    name: &str,
    clauses: &TableClauses,
    query: &Query,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let rows = session.retrying(|_| create_once(session, sql, name, clauses, query, on_conflict))?;
    Ok(Answer::Done(match rows {
        Some(rows) => format!("SELECT {rows}"),
        None => "CREATE TABLE".into(),
    }))
}

/// `None` when the table is there already and shall stay.
fn create_once(
    session: &Session,
    sql: &str,
    name: &str,
    clauses: &TableClauses,
    query: &Query,
    on_conflict: OnConflict,
) -> Result<Option<u64>> {
    let name = session.new_name(name)?;
    if let Some(existing) = session.snapshot().table(&name) {
        match on_conflict {
            OnConflict::Keep => return Ok(None),
            OnConflict::Fail => return Err(exists(&name, existing)),
            OnConflict::Replace => {}
        }
    }
    let planned = query::plan(session, sql, query)?;
    let columns: Vec<ColumnDefinition> =
        planned.schema().fields().iter().map(|field| column(field)).collect();
    let table = table::managed(session, &name, &columns, clauses)?;
    let mut commands = table::create_commands(name.clone(), table.clone(), clauses, on_conflict);
    let target = Target::of(name, &Arc::new(TableDefinition::Managed(table)))?;
    let mut change = PendingChange::new(session, &target, TableOperation::Insert);
    let mut running = query::start(session, &planned)?;
    while let Some(batch) = running.next_batch()? {
        if batch.num_rows() > 0 {
            let columns: Vec<ArrayRef> = batch.columns().iter().map(typed).collect();
            change.rows()?.write_unchecked(&columns)?;
        }
    }
    let rows = change.rows_written();
    let (mut change, files) = match change.into_parts()? {
        Some((change, files)) => (Some(change), files),
        None => (None, Vec::new()),
    };
    if let Some(change) = &mut change {
        change.base = FIRST_VERSION;
    }
    commands.extend(change.map(Command::ChangeTable));
    session.commit_all_files(commands, files)?;
    Ok(Some(rows))
}

fn exists(name: &str, existing: &TableDefinition) -> Error {
    let noun = if matches!(existing, TableDefinition::View { .. }) { "view" } else { "table" };
    let message = format!("there is already a {noun} named \"{name}\"");
    Error::new(ErrorCode::DuplicateTable, message)
        .with_hint("CREATE OR REPLACE TABLE takes its place, CREATE TABLE IF NOT EXISTS leaves it as it is")
}

/// The column that holds what a query gives. What has no type of its own is text.
fn column(field: &Field) -> ColumnDefinition {
    ColumnDefinition {
        name: field.name().clone(),
        data_type: stored_type(field.data_type()),
        nullable: true,
        default: None,
    }
}

/// NULLs of no type as NULLs of the type that their column has.
fn typed(values: &ArrayRef) -> ArrayRef {
    match values.data_type() {
        DataType::Null => new_null_array(&stored_type(&DataType::Null), values.len()),
        _ => Arc::clone(values),
    }
}

fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Null | DataType::Utf8View | DataType::LargeUtf8 => DataType::Utf8,
        DataType::BinaryView | DataType::LargeBinary => DataType::Binary,
        DataType::Dictionary(_, values) => stored_type(values),
        DataType::Decimal32(precision, scale) | DataType::Decimal64(precision, scale) => {
            DataType::Decimal128(*precision, *scale)
        }
        other => other.clone(),
    }
}
