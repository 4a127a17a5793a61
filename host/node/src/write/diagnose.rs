//! Which column a value did not fit.

use nyala_schema::lookup::World;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Query, SetExpr, TableFactor};

use super::stream;
use super::target::Target;
use crate::query;
use crate::session::Session;

/// Puts the name of the column before the error of a value that cannot be made one of its type. An expression does not know
/// where its value goes; so the query is run once more for each column, until it fails again.
///
/// # Errors
/// `outcome`'s.
pub fn naming_column(
    session: &Session,
    world: &dyn World,
    sql: &str,
    query: &Query,
    target: &Target,
    outcome: Result<()>,
) -> Result<()> {
    let Err(error) = outcome else { return Ok(()) };
    let is_value = matches!(
        error.code(),
        ErrorCode::NumericOverflow | ErrorCode::InvalidText | ErrorCode::InvalidDatetime
    );
    if !is_value {
        return Err(error);
    }
    let columns = &target.table().shape.columns;
    let mut failing = Vec::new();
    for column in columns {
        match fails(session, world, sql, query, &column.name)? {
            Some(again) if again.code() == error.code() => failing.push((column, again)),
            _ => {}
        }
    }
    // What fails for every column is not of one: a condition, or what the rows come from.
    let is_of_all = failing.len() == columns.len() && columns.len() > 1;
    match failing.into_iter().next().filter(|_| !is_of_all) {
        Some((column, again)) => {
            Err(again.context(format!("column \"{}\" of table \"{}\"", column.name, target.name)))
        }
        None => Err(error),
    }
}

/// The error of computing one column; the outer error is of what surrounds it.
fn fails(
    session: &Session,
    world: &dyn World,
    sql: &str,
    query: &Query,
    column: &str,
) -> Result<Option<Error>> {
    let text = format!("SELECT \"{}\" FROM (SELECT 1) AS \"$rows\"", column.replace('"', "\"\""));
    let (_, mut one) = query::parsed(text)?;
    let SetExpr::Select(select) = one.body.as_mut() else { return Err(Error::internal("no SELECT")) };
    for source in &mut select.from {
        if let TableFactor::Derived { subquery, .. } = &mut source.relation {
            **subquery = query.clone();
        }
    }
    Ok(stream::each_batch(session, world, sql, &one, |_| Ok(())).err())
}
