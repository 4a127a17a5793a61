//! CREATE TABLE: what is written of a table, checked and as the catalog has it.

use std::collections::HashSet;

use arrow::datatypes::DataType;
use nyala_frontend::{ColumnDefinition, PartitionTerm, SortTerm, TableClauses, nearest};
use nyala_schema::command::{Command, CommentTarget, ObjectKind, OnConflict};
use nyala_schema::id::{ColumnId, TableId};
use nyala_schema::managed::{
    CheckConstraint, ManagedTable, PartitionField, SortField, TableColumn, TableProperties, TableShape,
    Transform,
};
use nyala_schema::table::{TableDefinition, TableName, split_name};
use nyala_schema::type_name::sql_type_name;
use nyala_schema::{Error, ErrorCode, Result};

use super::done;
use super::validate::validate;
use crate::answer::Answer;
use crate::session::Session;

/// Columns of a table, at most.
const COLUMNS_MAX: usize = 10_000;

pub fn create(
    session: &Session,
    name: &str,
    columns: &[ColumnDefinition],
    clauses: &TableClauses,
    on_conflict: OnConflict,
) -> Result<Answer> {
    let name = session.new_name(name)?;
    let table = managed(session, &name, columns, clauses)?;
    session.commit_all(create_commands(name, table, clauses, on_conflict))?;
    Ok(done("CREATE TABLE"))
}

/// The commands that make a table, with its comment.
pub fn create_commands(
    name: TableName,
    table: ManagedTable,
    clauses: &TableClauses,
    on_conflict: OnConflict,
) -> Vec<Command> {
    let target = CommentTarget::Object(ObjectKind::Table, name.clone());
    let definition = TableDefinition::Managed(table);
    let mut commands = vec![Command::CreateTable { name, definition, on_conflict }];
    if let Some(text) = &clauses.comment {
        commands.push(Command::Comment { target, text: Some(text.clone()) });
    }
    commands
}

/// An empty table of these columns. `name` is the catalog's.
///
/// # Errors
/// What is wrong with columns and clauses.
pub fn managed(
    session: &Session,
    name: &str,
    columns: &[ColumnDefinition],
    clauses: &TableClauses,
) -> Result<ManagedTable> {
    let mut properties = TableProperties::default();
    for (property, value) in &clauses.properties {
        properties.set(property, value)?;
    }
    let mut shape = TableShape { columns: table_columns(columns)?, ..TableShape::default() };
    shape.next_column = shape.columns.len() as u32 + 1;
    shape.partition_by = partition_fields(&shape, &clauses.partition_by)?;
    shape.sort_by = sort_fields(&shape, &clauses.sort_by)?;
    for check in &clauses.checks {
        let name = check_name(&shape, split_name(name).1, check.name.as_deref())?;
        shape.checks.push(CheckConstraint { name, sql: check.sql.clone() });
    }
    validate(session, name, &shape)?;
    Ok(ManagedTable::new(TableId(session.engine.new_id()), shape, properties))
}

fn table_columns(columns: &[ColumnDefinition]) -> Result<Vec<TableColumn>> {
    if columns.is_empty() || columns.len() > COLUMNS_MAX {
        let message = format!("a table of {} columns", columns.len());
        return Err(Error::new(ErrorCode::InvalidParameter, message)
            .with_hint(format!("a table has from 1 to {COLUMNS_MAX} columns")));
    }
    let mut names = HashSet::new();
    let mut made = Vec::with_capacity(columns.len());
    for (id, column) in (1..).zip(columns) {
        check_column_name(&column.name)?;
        if !names.insert(column.name.as_str()) {
            let message = format!("two columns are named \"{}\"", column.name);
            return Err(
                Error::new(ErrorCode::DuplicateColumn, message).with_hint("give one of them another name")
            );
        }
        made.push(TableColumn {
            id: ColumnId(id),
            name: column.name.clone(),
            data_type: column.data_type.clone(),
            nullable: column.nullable,
            default: column.default.clone(),
            initial: None,
        });
    }
    Ok(made)
}

/// # Errors
/// `InvalidParameter` for names that statements give to columns of their own.
pub fn check_column_name(name: &str) -> Result<()> {
    if name.is_empty() || name.starts_with('$') {
        return Err(Error::new(ErrorCode::InvalidParameter, format!("a column cannot be named \"{name}\""))
            .with_hint("names of columns do not begin with $"));
    }
    Ok(())
}

/// The name that was given, or one that no other constraint has.
///
/// # Errors
/// `DuplicateObject`
pub fn check_name(shape: &TableShape, table: &str, given: Option<&str>) -> Result<String> {
    let is_taken = |name: &str| shape.checks.iter().any(|check| check.name == name);
    match given {
        Some(name) if is_taken(name) => Err(Error::new(
            ErrorCode::DuplicateObject,
            format!("two constraints of \"{table}\" are named \"{name}\""),
        )
        .with_hint("give one of them another name")),
        Some(name) => Ok(name.to_owned()),
        None => {
            let numbered = (1..).map(|number| format!("{table}_check{number}"));
            let mut names = std::iter::once(format!("{table}_check")).chain(numbered);
            Ok(names.find(|name| !is_taken(name)).unwrap_or_default())
        }
    }
}

fn partition_fields(shape: &TableShape, terms: &[PartitionTerm]) -> Result<Vec<PartitionField>> {
    let mut fields = Vec::<PartitionField>::new();
    for term in terms {
        let column = column(shape, &term.column)?;
        check_transform(column, term.transform)?;
        let field = PartitionField { column: column.id, transform: term.transform };
        if fields.contains(&field) {
            let text = term.transform.to_sql(&term.column);
            return Err(Error::new(ErrorCode::DuplicateColumn, format!("PARTITIONED BY names {text} twice")));
        }
        fields.push(field);
    }
    Ok(fields)
}

fn check_transform(column: &TableColumn, transform: Transform) -> Result<()> {
    let data_type = &column.data_type;
    let is_date = matches!(data_type, DataType::Date32 | DataType::Date64);
    let is_time = matches!(data_type, DataType::Timestamp(..));
    let (fits, wanted) = match transform {
        Transform::Identity => (!data_type.is_nested(), "a type without parts"),
        Transform::Year | Transform::Month | Transform::Day => (is_date || is_time, "DATE or TIMESTAMP"),
        Transform::Hour => (is_time, "TIMESTAMP"),
        Transform::Bucket(_) => {
            (!data_type.is_nested() && !data_type.is_floating(), "integers, text, dates or times")
        }
        Transform::Truncate(_) => (data_type.is_integer() || data_type.is_string(), "integers or text"),
    };
    if fits {
        return Ok(());
    }
    let text = transform.to_sql(&column.name);
    let message = format!("{text} is of a column of type {}", sql_type_name(data_type));
    Err(Error::new(ErrorCode::DatatypeMismatch, message).with_hint(format!("it takes {wanted}")))
}

/// # Errors
/// `UndefinedColumn`
pub fn sort_fields(shape: &TableShape, terms: &[SortTerm]) -> Result<Vec<SortField>> {
    let field = |term: &SortTerm| {
        let column = column(shape, &term.column)?.id;
        Ok(SortField { column, descending: term.descending, nulls_first: term.nulls_first })
    };
    terms.iter().map(field).collect()
}

/// # Errors
/// `UndefinedColumn` with what was probably meant.
pub fn column<'a>(shape: &'a TableShape, name: &str) -> Result<&'a TableColumn> {
    shape.column(name).ok_or_else(|| {
        let names = shape.columns.iter().map(|column| column.name.as_str());
        let error = Error::new(ErrorCode::UndefinedColumn, format!("there is no column \"{name}\""));
        match nearest(name, names.clone()) {
            Some(near) => error.with_hint(format!("did you mean \"{near}\"?")),
            None => error.with_hint(format!("columns are {}", names.collect::<Vec<_>>().join(", "))),
        }
    })
}
