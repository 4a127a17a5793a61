//! INSERT.

use nyala_schema::error::Position;
use nyala_schema::managed::{TableShape, Transform};
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr, Parens, Query, SelectItem, SetExpr, Spanned, TableWithJoins, Values};

use super::target::Target;
use super::{SOURCE, tree};
use crate::diagnose::at;
use crate::expansion::check_expansion;
use crate::locate::position_of;
use crate::statement::{Insert, InsertSource};
use crate::suggest::quoted;

/// All columns of the table in order, in their types, then `$check_i` for each CHECK.
///
/// # Errors
/// Columns that are not there or there twice; too many or too few values; constants that are none of their column's type.
pub fn insert_query(insert: &Insert, shape: &TableShape) -> Result<Box<Query>> {
    let target = Target { table: &insert.table, shape };
    let said = partition_columns(insert, &target)?;
    let given = given_columns(insert, &target, &said)?;
    let mut columns = Vec::with_capacity(shape.columns.len());
    let (tables, values) = source(insert, &target, &given)?;
    for (position, column) in shape.columns.iter().enumerate() {
        let partition = said.iter().position(|other| *other == position);
        let value = match (partition, given.iter().position(|other| *other == position)) {
            (Some(partition), _) => target.value(position, Some(&insert.partition[partition].value))?,
            (None, Some(index)) => values[index].clone(),
            (None, None) => target.default(column)?,
        };
        columns.push(tree::aliased(value, &column.name));
    }
    let rows = tree::select_query(tree::select(columns, tables, None)?);
    let query = checked(&target, &[], rows, None)?;
    check_expansion(&query)?;
    Ok(Box::new(query))
}

/// The new rows as they are, with `first` before them, and whether they violate a check: of those for which `only` holds.
pub(super) fn checked(target: &Target, first: &[&str], rows: Query, only: Option<&Expr>) -> Result<Query> {
    if target.shape.checks.is_empty() {
        return Ok(rows);
    }
    let names = first.iter().copied().chain(target.shape.columns.iter().map(|column| column.name.as_str()));
    let mut columns: Vec<SelectItem> = names.map(|name| tree::aliased(tree::column(name), name)).collect();
    columns.extend(target.checks(only)?);
    let rows = tree::derived(rows, tree::alias(tree::short_name(target.table), &[]));
    Ok(tree::select_query(tree::select(columns, vec![tree::from(rows)], None)?))
}

/// The columns of PARTITION (…), in the order in which they are written.
fn partition_columns(insert: &Insert, target: &Target) -> Result<Vec<usize>> {
    let said = target.columns(insert.partition.iter().map(|value| &value.term.column))?;
    for (value, position) in insert.partition.iter().zip(&said) {
        let column = &target.shape.columns[*position];
        let fields = &target.shape.partition_by;
        let is_partition =
            fields.iter().any(|field| field.column == column.id && field.transform == Transform::Identity);
        let place = position_of(value.value.span().start);
        if value.term.transform != Transform::Identity {
            let term = value.term.transform.to_sql(&value.term.column);
            let error = Error::new(ErrorCode::InvalidParameter, format!("{term} is not a column"));
            let hint = format!("leave it out: the values of {} say it", quoted(&column.name));
            return Err(at(error.with_hint(hint), place));
        }
        if !is_partition {
            let message = format!("{} is not partitioned by {}", quoted(target.table), quoted(&column.name));
            let error = Error::new(ErrorCode::InvalidParameter, message);
            return Err(at(error.with_hint("name it among the columns"), place));
        }
    }
    Ok(said)
}

/// The columns that the source gives values to, in its order.
fn given_columns(insert: &Insert, target: &Target, said: &[usize]) -> Result<Vec<usize>> {
    if insert.source == InsertSource::Defaults {
        return match insert.columns.first() {
            Some(_) => Err(Error::new(ErrorCode::Syntax, "DEFAULT VALUES is of all columns")
                .with_hint("leave the columns out")),
            None => Ok(Vec::new()),
        };
    }
    if insert.columns.is_empty() {
        return Ok((0..target.shape.columns.len()).filter(|position| !said.contains(position)).collect());
    }
    let given = target.columns(insert.columns.iter())?;
    if let Some(twice) = given.iter().find(|position| said.contains(position)) {
        let name = quoted(&target.shape.columns[*twice].name);
        return Err(Error::new(ErrorCode::DuplicateColumn, format!("column {name} is given a value twice"))
            .with_hint("PARTITION gives it its value"));
    }
    Ok(given)
}

/// What stands in FROM, and the value of each column that is given.
fn source(insert: &Insert, target: &Target, given: &[usize]) -> Result<(Vec<TableWithJoins>, Vec<Expr>)> {
    let (query, is_typed) = match &insert.source {
        InsertSource::Defaults => return Ok((Vec::new(), Vec::new())),
        InsertSource::Query(query) => {
            if let Some(width) = width(&query.body) {
                check_width(width, given.len(), position_of(query.span().start))?;
            }
            check_values(&query.body, target, given)?;
            (query.as_ref().clone(), false)
        }
        InsertSource::Rows(rows) => (values_of(rows, target, given)?, true),
    };
    let names: Vec<String> = (1..=given.len()).map(|number| format!("${number}")).collect();
    let values = names.iter().zip(given).map(|(name, position)| match is_typed {
        true => tree::column(name),
        false => tree::cast(tree::column(name), &target.shape.columns[*position].data_type),
    });
    let values = values.collect();
    Ok((vec![tree::from(tree::derived(query, tree::alias(SOURCE, &names)))], values))
}

/// Rows in which DEFAULT stands: every value in its column's type, since rows of different types make one of a third.
fn values_of(rows: &[Vec<Option<Expr>>], target: &Target, given: &[usize]) -> Result<Query> {
    let mut content = Vec::with_capacity(rows.len());
    for row in rows {
        let place = row.iter().flatten().next().and_then(|value| position_of(value.span().start));
        check_width(row.len(), given.len(), place)?;
        let values = row.iter().zip(given).map(|(value, position)| target.value(*position, value.as_ref()));
        content.push(Parens {
            opening_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
            content: values.collect::<Result<Vec<_>>>()?,
            closing_token: sqlparser::ast::helpers::attached_token::AttachedToken::empty(),
        });
    }
    Ok(tree::query_of(SetExpr::Values(Values { explicit_row: false, value_keyword: false, rows: content })))
}

fn check_values(body: &SetExpr, target: &Target, given: &[usize]) -> Result<()> {
    let SetExpr::Values(values) = body else { return Ok(()) };
    for row in &values.rows {
        let place = row.content.first().and_then(|value| position_of(value.span().start));
        check_width(row.content.len(), given.len(), place)?;
        for (value, position) in row.content.iter().zip(given) {
            let column = &target.shape.columns[*position];
            super::literal::check(&column.name, &column.data_type, value)?;
        }
    }
    Ok(())
}

/// Columns that a query gives, if that can be seen.
fn width(body: &SetExpr) -> Option<usize> {
    match body {
        SetExpr::Values(values) => values.rows.first().map(|row| row.content.len()),
        SetExpr::Query(query) => width(&query.body),
        SetExpr::SetOperation { left, .. } => width(left),
        SetExpr::Select(select) => {
            let is_one = |item: &SelectItem| {
                matches!(item, SelectItem::ExprWithAlias { .. })
                    || matches!(item, SelectItem::UnnamedExpr(expr) if !matches!(expr, Expr::Function(_)))
            };
            select.projection.iter().all(is_one).then_some(select.projection.len())
        }
        _ => None,
    }
}

pub(super) fn check_width(values: usize, columns: usize, place: Option<Position>) -> Result<()> {
    if values == columns {
        return Ok(());
    }
    let count = |number: usize, what: &str| match number {
        1 => format!("one {what}"),
        number => format!("{number} {what}s"),
    };
    let message = format!("INSERT has {} for {}", count(values, "value"), count(columns, "column"));
    let error = Error::new(ErrorCode::DatatypeMismatch, message);
    Err(at(error.with_hint("name the columns that get values: INSERT INTO t (a, b) …"), place))
}
