//! The state machine: what a command does to a snapshot. Pure and deterministic.
//!
//! Reading order: `record` keeps the history of whatever changed; `transaction` makes several commands one;
//! `table` and `alteration` change what tables are, `change` their rows, with `version` and `summary`; `conflict` is what a commit
//! in between may have changed;
//! `rollback` and `undrop` bring back what was, `install` all that a backup has.

mod alteration;
mod change;
mod comment;
mod conflict;
mod dependency;
mod function;
mod identifier;
mod install;
mod journal;
mod module;
mod operator;
mod record;
mod rollback;
mod schema;
mod shape;
pub(crate) mod summary;
mod table;
mod transaction;
mod undrop;
mod version;

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, Result};

use crate::snapshot::Snapshot;

pub(crate) use comment::exists as comment_target_exists;

/// The snapshot after `entry`, one version later also when nothing but the version changed; one that is installed has its own.
///
/// # Errors
/// The snapshot is untouched by these:
/// * `DuplicateTable`, `DuplicateFunction`, `DuplicateObject`, `DuplicateSchema`, `DuplicateColumn`: the name is taken;
/// * `UndefinedTable`, `UndefinedFunction`, `UndefinedObject`, `UndefinedSchema`, `UndefinedColumn`: there is nothing of that
///   name, overload or version;
/// * `UndefinedVersion`: what is to be rolled back to, or brought back, is not kept;
/// * `DatatypeMismatch`: DROP TABLE of a view and the reverse;
/// * `AmbiguousFunction`: several overloads, and the command does not say which;
/// * `Dependency`: something needs what would go or change;
/// * `NotNullViolation`: a column that would be NULL where it must not;
/// * `InvalidParameter`: a name, property or shape that cannot be; a snapshot for a catalog that is in use;
/// * `CorruptFile`: a snapshot that cannot be read;
/// * `SerializationFailure`: what the command was planned on has changed since.
pub fn apply(snapshot: &Snapshot, entry: &Entry) -> Result<Snapshot> {
    if let Command::Install { snapshot: bytes } = &entry.command {
        return install::install(snapshot, bytes);
    }
    let mut next = snapshot.clone();
    next.version += 1;
    next.at_ms = next.at_ms.max(entry.at_ms);
    let what = match &entry.command {
        Command::Transaction { reads, commands } => transaction::run(&mut next, reads, commands)?,
        command => {
            perform(&mut next, command)?;
            journal::line(&next, command)
        }
    };
    record::record(snapshot, &mut next, what);
    Ok(next)
}

/// One command that is no transaction.
fn perform(next: &mut Snapshot, command: &Command) -> Result<()> {
    match command {
        Command::CreateTable { name, definition, on_conflict } => {
            table::create(next, name, definition, *on_conflict)
        }
        Command::DropTable { name, if_exists, kind } => table::drop_table(next, name, *if_exists, *kind),
        Command::RenameTable { from, to } => table::rename(next, from, to),
        Command::AlterTable { name, alteration, requires } => {
            alteration::alter(next, name, alteration, *requires)
        }
        Command::ChangeTable(change) => change::change(next, change),
        Command::RollbackTable { name, to } => rollback::table(next, name, *to),
        Command::SetSummary { name, id, columns, rows } => summary::set(next, name, *id, columns, *rows),
        Command::Expire { table, before_ms } => version::expire_all(next, table.as_deref(), *before_ms),
        Command::CreateSchema { name, if_not_exists } => schema::create(next, name, *if_not_exists),
        Command::DropSchema { name, if_exists, cascade } => {
            schema::drop_schema(next, name, *if_exists, *cascade)
        }
        Command::Comment { target, text } => comment::set(next, target, text.as_deref()),
        Command::RollbackCatalog { to } => rollback::catalog(next, *to),
        Command::Undrop { kind, name, renamed } => undrop::undrop(next, *kind, name, renamed.as_deref()),
        Command::CreateFunction { .. }
        | Command::AddFunctionVersion { .. }
        | Command::SetFunctionVersion { .. }
        | Command::DropFunction { .. }
        | Command::CreateModule { .. }
        | Command::DropModule { .. }
        | Command::CreateOperator { .. }
        | Command::DropOperator { .. } => perform_on_code(next, command),
        Command::Transaction { .. } => Err(Error::internal("a transaction inside a transaction")),
        Command::Install { .. } => Err(Error::internal("a snapshot inside a transaction")),
    }
}

/// One command about functions, operators or modules.
fn perform_on_code(next: &mut Snapshot, command: &Command) -> Result<()> {
    match command {
        Command::CreateFunction { definition, on_conflict } => {
            function::create(next, definition, *on_conflict)
        }
        Command::AddFunctionVersion { overload, version } => function::add_version(next, overload, version),
        Command::SetFunctionVersion { overload, number } => function::set_version(next, overload, *number),
        Command::DropFunction { overload, if_exists } => function::drop_function(next, overload, *if_exists),
        Command::CreateModule { definition, functions, operators, on_conflict } => {
            module::create(next, definition, functions, operators, *on_conflict)
        }
        Command::DropModule { name, if_exists } => module::drop_module(next, name, *if_exists),
        Command::CreateOperator { definition, on_conflict } => {
            operator::create(next, definition, *on_conflict)
        }
        Command::DropOperator { name, if_exists } => operator::drop_operator(next, name, *if_exists),
        other => Err(Error::internal(format!("{other:?} is not about code"))),
    }
}
