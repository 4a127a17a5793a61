//! ALTER TABLE.

use std::sync::Arc;

use arrow::array::Array;
use nyala_frontend::dml::{check_query, not_null_query};
use nyala_frontend::{CheckDefinition, ColumnDefinition, PartitionValue, Statement, TableAlter};
use nyala_schema::command::Command;
use nyala_schema::managed::{CheckConstraint, ManagedTable, NewColumn, TableAlteration};
use nyala_schema::table::{TableDefinition, TableName, join_name, split_name};
use nyala_schema::type_name::sql_type_name;
use nyala_schema::value::Value;
use nyala_schema::{Error, ErrorCode, Result};

use super::done;
use super::table::{check_column_name, check_name, column, sort_fields};
use super::validate::validate;
use crate::answer::Answer;
use crate::search_path::{full_name, refuse_own, undefined_schema, undefined_table};
use crate::session::Session;
use crate::{query, write};

pub fn run(session: &Session, sql: &str, name: &str, if_exists: bool, change: TableAlter) -> Result<Answer> {
    match change {
        // Tries again by itself.
        TableAlter::DropPartition { partition, if_exists: if_partition_exists } => {
            let is_there = session.snapshot().table(&session.existing_name(name)).is_some();
            if is_there || !if_exists {
                drop_partition(session, sql, name, &partition, if_partition_exists)?;
            }
        }
        change => session.retrying(|_| attempt(session, name, if_exists, &change))?,
    }
    Ok(done("ALTER TABLE"))
}

fn attempt(session: &Session, written: &str, if_exists: bool, change: &TableAlter) -> Result<()> {
    let name = session.existing_name(written);
    let snapshot = session.snapshot();
    let Some(definition) = snapshot.table(&name) else {
        return if if_exists { Ok(()) } else { Err(undefined_table(&snapshot, &session.schema(), written)) };
    };
    match change {
        TableAlter::Rename { to } => {
            let to = if to.contains('.') { to.clone() } else { join_name(split_name(&name).0, to) };
            return rename(session, name, to);
        }
        TableAlter::SetSchema { schema } => {
            let to = join_name(schema, split_name(&name).1);
            return rename(session, name, to);
        }
        _ => {}
    }
    let TableDefinition::Managed(table) = definition.as_ref() else {
        let message =
            format!("\"{written}\" is of kind {}, of which only the name can be changed", definition.kind());
        return Err(Error::unsupported(message).with_hint("make it again with CREATE OR REPLACE"));
    };
    let Some((alteration, requires)) = alteration(session, &name, table, change)? else { return Ok(()) };
    session.commit(&Command::AlterTable { name, alteration, requires })?;
    Ok(())
}

fn rename(session: &Session, from: TableName, to: TableName) -> Result<()> {
    let to = nyala_schema::table::join_name(split_name(&to).0, split_name(&to).1);
    let schema = split_name(&to).0;
    refuse_own(schema)?;
    let snapshot = session.snapshot();
    if !snapshot.schemas.contains_key(schema) {
        return Err(undefined_schema(&snapshot, schema));
    }
    session.commit(&Command::RenameTable { from, to })?;
    Ok(())
}

/// What to do, and the version of the table of which it was found out that it can be done. `None` when there is nothing to do.
fn alteration(
    session: &Session,
    name: &str,
    table: &ManagedTable,
    change: &TableAlter,
) -> Result<Option<(TableAlteration, Option<u64>)>> {
    let shape = &table.shape;
    let mut requires = None;
    let alteration = match change.clone() {
        TableAlter::AddColumn { column, if_not_exists } => {
            if if_not_exists && shape.column(&column.name).is_some() {
                return Ok(None);
            }
            let column = new_column(session, table, column, &mut requires)?;
            TableAlteration::AddColumn { column, if_not_exists }
        }
        TableAlter::DropColumn { name, if_exists } => TableAlteration::DropColumn { name, if_exists },
        TableAlter::RenameColumn { from, to } => {
            check_column_name(&to)?;
            TableAlteration::RenameColumn { from, to }
        }
        TableAlter::SetDefault { column: name, default } => {
            let data_type = &column(shape, &name)?.data_type;
            if let Some(default) = &default {
                fold_default(session, default, data_type)?;
            }
            TableAlteration::SetDefault { column: name, default }
        }
        TableAlter::SetNullable { column: of, nullable } => {
            if !nullable && column(shape, &of)?.nullable {
                let query = not_null_query(&full_name(name), &of)?;
                refuse_rows(session, &query, || {
                    Error::new(ErrorCode::NotNullViolation, format!("there are rows with NULL in \"{of}\""))
                        .with_hint(format!(
                            "give them a value first: UPDATE … SET {of} = … WHERE {of} IS NULL"
                        ))
                })?;
                requires = Some(table.version);
            }
            TableAlteration::SetNullable { column: of, nullable }
        }
        TableAlter::AddCheck(check) => {
            let check = new_check(session, name, table, &check)?;
            requires = Some(table.version);
            TableAlteration::AddCheck(check)
        }
        TableAlter::DropCheck { name, if_exists } => TableAlteration::DropCheck { name, if_exists },
        TableAlter::SetSortBy(terms) => TableAlteration::SetSortBy(sort_fields(shape, &terms)?),
        TableAlter::SetProperties(properties) => TableAlteration::SetProperties(properties),
        TableAlter::Rename { .. } | TableAlter::SetSchema { .. } | TableAlter::DropPartition { .. } => {
            return Err(Error::internal("this alters no shape"));
        }
    };
    Ok(Some((alteration, requires)))
}

/// Its default is worked out once, for the rows that are there.
fn new_column(
    session: &Session,
    table: &ManagedTable,
    column: ColumnDefinition,
    requires: &mut Option<u64>,
) -> Result<NewColumn> {
    check_column_name(&column.name)?;
    let initial = match &column.default {
        Some(default) => Some(fold_default(session, default, &column.data_type)?),
        None => None,
    };
    let has_value = initial.as_ref().is_some_and(|value| !value.is_null());
    if !column.nullable && !has_value {
        if table.summary.rows > 0 {
            let message =
                format!("\"{}\" would be NULL in the rows that are there, and is NOT NULL", column.name);
            return Err(Error::new(ErrorCode::NotNullViolation, message).with_hint("give it a DEFAULT"));
        }
        *requires = Some(table.version);
    }
    Ok(NewColumn {
        name: column.name,
        data_type: column.data_type,
        nullable: column.nullable,
        default: column.default,
        initial: initial.filter(|_| has_value),
    })
}

/// The value of an expression without columns, in a type.
fn fold_default(session: &Session, default: &str, data_type: &arrow::datatypes::DataType) -> Result<Value> {
    let wrong = |error: Error| {
        let code = error.code();
        let message = format!("DEFAULT {default} of type {}: {}", sql_type_name(data_type), error.message());
        let told = Error::new(code, message);
        match error.hint() {
            Some(hint) => told.with_hint(hint),
            None => told,
        }
    };
    let (text, query) = query::parsed(format!("SELECT {default}")).map_err(wrong)?;
    let (_, batches) = query::collect(session, &text, &query).map_err(wrong)?;
    let row = batches.iter().find(|batch| batch.num_rows() == 1);
    let column = row.map(|batch| Arc::clone(batch.column(0)));
    let column = column.ok_or_else(|| Error::internal("a query without FROM gave no row"))?;
    debug_assert_eq!(column.len(), 1);
    Value::from_row(&column, 0).cast(data_type).map_err(wrong)
}

fn new_check(
    session: &Session,
    name: &str,
    table: &ManagedTable,
    check: &CheckDefinition,
) -> Result<CheckConstraint> {
    let given = check.name.as_deref();
    let check = CheckConstraint {
        name: check_name(&table.shape, split_name(name).1, given)?,
        sql: check.sql.clone(),
    };
    let mut shape = table.shape.as_ref().clone();
    shape.checks.push(check.clone());
    validate(session, name, &shape)?;
    let query = check_query(&full_name(name), &check.sql)?;
    refuse_rows(session, &query, || {
        let message = format!("there are rows for which CHECK ({}) is false", check.sql);
        Error::new(ErrorCode::CheckViolation, message)
            .with_hint(format!("find them: SELECT * FROM … WHERE NOT ({})", check.sql))
    })?;
    Ok(check)
}

/// # Errors
/// What `error` gives when the query has a row.
fn refuse_rows(
    session: &Session,
    query: &sqlparser::ast::Query,
    error: impl FnOnce() -> Error,
) -> Result<()> {
    let (_, batches) = query::collect(session, "", query)?;
    if batches.iter().any(|batch| batch.num_rows() > 0) { Err(error()) } else { Ok(()) }
}

/// Its rows go, which is what there is of a partition.
fn drop_partition(
    session: &Session,
    sql: &str,
    table: &str,
    partition: &[PartitionValue],
    if_exists: bool,
) -> Result<()> {
    let statement = Statement::Truncate { table: table.to_owned(), partition: partition.to_vec() };
    match write::run(session, sql, &statement) {
        Err(error) if if_exists && error.code() == ErrorCode::UndefinedObject => Ok(()),
        done => done.map(|_| ()),
    }
}
