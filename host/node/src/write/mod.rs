//! Statements that change the rows of managed tables.
//!
//! Reading order: `target` is the table that a statement writes, `stream` brings the rows of its query, `checked` refuses
//! those that break a constraint and hands the others to the storage, `gone` collects rows that go, and `pending` makes of
//! both one change and commits it. On these stand the statements: `insert` (with `literal` for a few rows of literals),
//! `create_as`, `copy_from`, `modify` (UPDATE and DELETE), `merge`, `truncate`, and what keeps tables in shape:
//! `optimize` (with `fold` for many small commits), `vacuum` and `analyze`; `explained` gives their queries to EXPLAIN.

mod analyze;
mod checked;
mod copy_from;
mod create_as;
mod diagnose;
mod explained;
mod fold;
mod gone;
mod insert;
mod literal;
mod merge;
mod modify;
mod optimize;
mod partition;
mod pending;
mod sample;
mod stream;
mod target;
mod truncate;
mod vacuum;

pub use explained::query_of;
pub use fold::FoldedTables;
pub use partition::partition_text;

use nyala_frontend::Statement;
use nyala_schema::{Error, Result};

use crate::answer::Answer;
use crate::session::Session;

/// Runs a statement that writes rows. It is tried again when a commit in between was in its way.
pub fn run(session: &Session, sql: &str, statement: &Statement) -> Result<Answer> {
    match statement {
        Statement::Insert(insert) => insert::run(session, sql, insert),
        Statement::CreateTableAs { name, definition, query, on_conflict } => {
            create_as::run(session, sql, name, definition, query, *on_conflict)
        }
        Statement::Update(update) => modify::update(session, sql, update),
        Statement::Delete(delete) => modify::delete(session, sql, delete),
        Statement::Merge(merge) => merge::run(session, sql, merge),
        Statement::Truncate { table, partition } => truncate::run(session, sql, table, partition),
        Statement::CopyFrom { table, columns, location, format } => {
            copy_from::run(session, table, columns, location, format.as_ref())
        }
        Statement::Optimize { table, partition } => optimize::run(session, sql, table, partition),
        Statement::Vacuum { table, older_than_ms } => vacuum::run(session, table.as_deref(), *older_than_ms),
        Statement::Analyze { table, columns } => analyze::run(session, table, columns),
        other => Err(Error::internal(format!("{other:?} writes no rows"))),
    }
}
