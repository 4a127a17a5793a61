//! The rows of a statement's query, batch by batch.

use arrow::array::RecordBatch;
use nyala_schema::Result;
use nyala_schema::lookup::World;
use sqlparser::ast::Query;

use crate::answer::RowSource;
use crate::query;
use crate::session::Session;

/// Plans a query, runs it to its end and gives every batch to `take` as it comes; an error of `take` ends the query.
///
/// # Errors
/// Those of the query and of `take`.
pub fn each_batch(
    session: &Session,
    world: &dyn World,
    sql: &str,
    query: &Query,
    mut take: impl FnMut(&RecordBatch) -> Result<()>,
) -> Result<()> {
    let planned = query::plan_in(session, world, sql, query)?;
    let mut running = query::start(session, &planned)?;
    while let Some(batch) = running.next_batch()? {
        if batch.num_rows() > 0 {
            take(&batch)?;
        }
    }
    Ok(())
}
