//! UPDATE and DELETE.

use nyala_schema::managed::TableShape;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Distinct, Query, With};

use super::insert::checked;
use super::target::Target;
use super::{FILE_COLUMN, ROW_COLUMN, tree};
use crate::expansion::check_expansion;
use crate::same_name::refuse_name_of_target;
use crate::statement::{Delete, Update};
use crate::suggest::quoted;

/// `$file` and `$row` of each row that is changed, then all columns as they become, then `$check_i` for each CHECK. With FROM,
/// a row that several rows of other tables are found for comes several times.
///
/// # Errors
/// Columns that are not there or set twice; constants that are none of their column's type.
pub fn update_query(update: &Update, shape: &TableShape) -> Result<Box<Query>> {
    refuse_target_in_with(update.with.as_ref(), &update.table)?;
    let target = Target { table: &update.table, shape };
    let alias = update.alias.as_deref();
    refuse_name_of_target(alias.unwrap_or(tree::short_name(target.table)), &update.from)?;
    let set = target.columns(update.assignments.iter().map(|(name, _)| name))?;
    let place = [FILE_COLUMN, ROW_COLUMN];
    let mut columns: Vec<_> = place.iter().map(|name| tree::aliased(target.old(alias, name), name)).collect();
    for (position, column) in shape.columns.iter().enumerate() {
        let value = match set.iter().position(|other| *other == position) {
            Some(index) => target.value(position, update.assignments[index].1.as_ref())?,
            None => target.old(alias, &column.name),
        };
        columns.push(tree::aliased(value, &column.name));
    }
    let mut tables = vec![target.read(alias)];
    tables.extend(update.from.iter().cloned());
    let rows = tree::select_query(tree::select(columns, tables, update.condition.clone())?);
    let mut query = checked(&target, &place, rows, None)?;
    query.with = update.with.clone();
    check_expansion(&query)?;
    Ok(Box::new(query))
}

/// `$file` and `$row` of each row that is deleted, once.
///
/// # Errors
/// A name in WITH that is the table's.
pub fn delete_query(delete: &Delete) -> Result<Box<Query>> {
    refuse_target_in_with(delete.with.as_ref(), &delete.table)?;
    let shape = TableShape::default();
    let target = Target { table: &delete.table, shape: &shape };
    let alias = delete.alias.as_deref();
    refuse_name_of_target(alias.unwrap_or(tree::short_name(target.table)), &delete.using)?;
    let columns = [FILE_COLUMN, ROW_COLUMN].map(|name| tree::aliased(target.old(alias, name), name));
    let mut tables = vec![target.read(alias)];
    tables.extend(delete.using.iter().cloned());
    let mut select = tree::select(columns.into(), tables, delete.condition.clone())?;
    if !delete.using.is_empty() {
        select.distinct = Some(Distinct::Distinct);
    }
    let mut query = tree::select_query(select);
    query.with = delete.with.clone();
    check_expansion(&query)?;
    Ok(Box::new(query))
}

/// The table that is written is never what WITH names so.
fn refuse_target_in_with(with: Option<&With>, table: &str) -> Result<()> {
    if !with.is_some_and(|with| tree::is_named(with, table)) {
        return Ok(());
    }
    let message =
        format!("{} is the name of a query in WITH and of the table that is changed", quoted(table));
    Err(Error::new(ErrorCode::DuplicateTable, message).with_hint("give the query another name"))
}
