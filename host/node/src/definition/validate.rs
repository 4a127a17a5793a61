//! Defaults and checks of a table before it is there: they must be SQL over its columns, of their types.

use nyala_frontend::dml::insert_query;
use nyala_frontend::{Insert, InsertSource};
use nyala_schema::managed::TableShape;
use nyala_schema::{Error, Result};

use crate::session::Session;

/// # Errors
/// What is wrong with one of them.
pub fn validate(session: &Session, table: &str, shape: &TableShape) -> Result<()> {
    for column in &shape.columns {
        if let Some(default) = &column.default {
            let mut alone = TableShape { columns: vec![column.clone()], ..TableShape::default() };
            alone.columns[0].nullable = true;
            plan(session, table, &alone).map_err(|error| {
                without_place(&error, &format!("DEFAULT {default} of column \"{}\"", column.name))
            })?;
        }
    }
    for check in &shape.checks {
        let columns = shape.columns.iter().cloned().map(|mut column| {
            column.default = None;
            column.nullable = true;
            column
        });
        let alone =
            TableShape { columns: columns.collect(), checks: vec![check.clone()], ..TableShape::default() };
        plan(session, table, &alone)
            .map_err(|error| without_place(&error, &format!("CHECK ({})", check.sql)))?;
    }
    Ok(())
}

/// Plans what INSERT … DEFAULT VALUES would do, which needs no table.
fn plan(session: &Session, table: &str, shape: &TableShape) -> Result<()> {
    let insert = Insert {
        table: table.to_owned(),
        columns: Vec::new(),
        partition: Vec::new(),
        overwrite: false,
        source: InsertSource::Defaults,
    };
    let query = insert_query(&insert, shape)?;
    session.engine.frontend().plan_query("", &query, &session.tables(), &session.options)?;
    Ok(())
}

/// Positions in the text of an expression mean nothing in the statement.
fn without_place(error: &Error, what: &str) -> Error {
    let told = Error::new(error.code(), format!("{what}: {}", error.message()));
    match error.hint() {
        Some(hint) => told.with_hint(hint),
        None => told,
    }
}
