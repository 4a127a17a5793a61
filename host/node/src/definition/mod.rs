//! Statements that change what exists: CREATE, ALTER, DROP, COMMENT ON, USE.
//!
//! [`table`] makes managed tables and [`alter`] changes them, [`external`] makes tables over files, [`view`] views, [`schema`]
//! schemas; [`validate`] checks expressions of tables.

mod alter;
mod external;
mod schema;
pub mod table;
mod validate;
mod view;

use nyala_frontend::Statement;
use nyala_schema::command::{Command, CommentTarget, DropKind, ObjectKind, OnConflict};
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Error, Result};

use crate::answer::Answer;
use crate::session::Session;

pub fn run(session: &Session, sql: &str, statement: Statement) -> Result<Answer> {
    match statement {
        Statement::CreateExternalTable { name, columns, format, location, partition_by, on_conflict } => {
            let definition = external::definition(session, &columns, format, &location, &partition_by)?;
            create(session, session.new_name(&name)?, definition, on_conflict)?;
            Ok(done("CREATE EXTERNAL TABLE"))
        }
        Statement::CreateTable { name, columns, definition, on_conflict } => {
            table::create(session, &name, &columns, &definition, on_conflict)
        }
        Statement::CreateView { name, columns, query_sql, query, on_conflict } => {
            view::create(session, sql, &name, columns, &query_sql, &query, on_conflict)
        }
        Statement::Drop { kind, name, if_exists } => {
            session.commit(&Command::DropTable { name: session.existing_name(&name), if_exists, kind })?;
            Ok(done(match kind {
                DropKind::Table => "DROP TABLE",
                DropKind::View => "DROP VIEW",
            }))
        }
        Statement::CreateSchema { name, if_not_exists } => schema::create(session, name, if_not_exists),
        Statement::DropSchema { name, if_exists, cascade } => schema::drop(session, name, if_exists, cascade),
        Statement::Use { schema } => schema::use_it(session, &schema),
        Statement::AlterTable { name, if_exists, change } => {
            alter::run(session, sql, &name, if_exists, change)
        }
        Statement::Comment { target, text } => {
            let target = comment_target(session, target);
            session.commit(&Command::Comment { target, text })?;
            Ok(done("COMMENT"))
        }
        other => Err(Error::internal(format!("{other:?} defines nothing"))),
    }
}

fn done(tag: &str) -> Answer {
    Answer::Done(tag.to_owned())
}

fn create(
    session: &Session,
    name: TableName,
    definition: TableDefinition,
    on_conflict: OnConflict,
) -> Result<()> {
    session.commit(&Command::CreateTable { name, definition, on_conflict })?;
    Ok(())
}

fn comment_target(session: &Session, target: CommentTarget) -> CommentTarget {
    match target {
        CommentTarget::Object(ObjectKind::Table, name) => {
            CommentTarget::Object(ObjectKind::Table, session.existing_name(&name))
        }
        CommentTarget::Column(table, column) => CommentTarget::Column(session.existing_name(&table), column),
        CommentTarget::Object(..) => target,
    }
}
