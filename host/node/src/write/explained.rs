//! The queries of statements that write, for EXPLAIN.

use nyala_frontend::Statement;
use nyala_frontend::dml::{delete_query, insert_query, merge_query, update_query};
use nyala_schema::{Error, Result};
use sqlparser::ast::Query;

use super::target::Target;
use crate::session::Session;
use crate::tables::Tables;

/// The query that finds the rows which the statement writes, and the tables that it is over.
///
/// # Errors
/// Those of the statement's names and values; `Unsupported` for a statement without a query.
pub fn query_of(session: &Session, statement: &Statement) -> Result<(Tables, Box<Query>)> {
    let identifying = |target: &Target| session.tables().identifying(&target.name);
    Ok(match statement {
        Statement::Insert(insert) => {
            let target = Target::find(session, &insert.table)?;
            (session.tables(), insert_query(insert, &target.table().shape)?)
        }
        Statement::Update(update) => {
            let target = Target::find(session, &update.table)?;
            (identifying(&target), update_query(update, &target.table().shape)?)
        }
        Statement::Delete(delete) => {
            let target = Target::find(session, &delete.table)?;
            (identifying(&target), delete_query(delete)?)
        }
        Statement::Merge(merge) => {
            let target = Target::find(session, &merge.table)?;
            (identifying(&target), merge_query(merge, &target.table().shape)?)
        }
        _ => {
            return Err(Error::unsupported("EXPLAIN of this statement")
                .with_hint("it explains queries, and INSERT, UPDATE, DELETE and MERGE"));
        }
    })
}
