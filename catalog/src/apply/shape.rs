//! Whether a table can look like that.

use std::collections::BTreeSet;

use nyala_schema::id::ColumnId;
use nyala_schema::managed::{CheckConstraint, SortField, TableColumn, TableShape};
use nyala_schema::{Error, ErrorCode, Result};

use crate::near_miss::with_near_miss;

/// Columns of one table, at most.
const COLUMNS_MAX: usize = 10_000;

pub(super) fn validate(shape: &TableShape) -> Result<()> {
    if shape.columns.is_empty() {
        return Err(Error::new(ErrorCode::InvalidParameter, "a table needs a column"));
    }
    let mut names = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for column in &shape.columns {
        if !names.insert(column.name.as_str()) {
            return Err(duplicate_column(&column.name));
        }
        if !ids.insert(column.id) || column.id.0 >= shape.next_column {
            return Err(Error::internal(format!("the id of the column \"{}\" is not its own", column.name)));
        }
        require_name(&column.name)?;
    }
    require_room(shape)?;
    if let Some(field) = shape.partition_by.iter().find(|field| !ids.contains(&field.column)) {
        return Err(missing(field.column));
    }
    require_sort_columns(shape, &shape.sort_by)?;
    let mut checks = BTreeSet::new();
    match shape.checks.iter().find(|check| !checks.insert(check.name.as_str())) {
        Some(check) => Err(duplicate_check(check)),
        None => Ok(()),
    }
}

pub(super) fn require_name(name: &str) -> Result<()> {
    if name.is_empty() {
        return Err(Error::new(ErrorCode::InvalidParameter, "the name of a column is empty"));
    }
    Ok(())
}

pub(super) fn require_room(shape: &TableShape) -> Result<()> {
    if shape.columns.len() > COLUMNS_MAX {
        let message = format!("a table has at most {COLUMNS_MAX} columns");
        return Err(Error::new(ErrorCode::TooComplex, message).with_hint("put some into a struct or a list"));
    }
    Ok(())
}

pub(super) fn require_sort_columns(shape: &TableShape, sort_by: &[SortField]) -> Result<()> {
    let mut seen = BTreeSet::new();
    for field in sort_by {
        let column = shape.column_by_id(field.column).ok_or_else(|| missing(field.column))?;
        if !seen.insert(field.column) {
            let message = format!("SORTED BY names the column \"{}\" twice", column.name);
            return Err(Error::new(ErrorCode::DuplicateColumn, message));
        }
    }
    Ok(())
}

pub(super) fn duplicate_column(name: &str) -> Error {
    Error::new(ErrorCode::DuplicateColumn, format!("there is already a column \"{name}\""))
        .with_hint("columns of a table have different names")
}

pub(super) fn duplicate_check(check: &CheckConstraint) -> Error {
    Error::new(ErrorCode::DuplicateObject, format!("there is already a constraint \"{}\"", check.name))
        .with_hint("constraints of a table have different names")
}

pub(super) fn undefined_column(shape: &TableShape, name: &str) -> Error {
    let names: Vec<String> = shape.columns.iter().map(|column: &TableColumn| column.name.clone()).collect();
    let error = Error::new(ErrorCode::UndefinedColumn, format!("there is no column \"{name}\""));
    with_near_miss(error, name, &names)
}

fn missing(column: ColumnId) -> Error {
    Error::new(ErrorCode::UndefinedColumn, format!("the table has no column {column}"))
}
