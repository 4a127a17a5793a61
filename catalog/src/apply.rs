//! The state machine: what a command does to a snapshot. Pure and deterministic.

mod dependency;
pub(crate) mod function;
mod module;
mod near_miss;
mod operator;
mod table;

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, Result};

use crate::snapshot::Snapshot;

/// The snapshot after `entry`, one version later also when nothing but the version changed.
///
/// # Errors
/// The snapshot is untouched by these:
/// * `DuplicateTable`, `DuplicateFunction`, `DuplicateObject`: the name is taken;
/// * `UndefinedTable`, `UndefinedFunction`, `UndefinedObject`: there is nothing of that name, overload or version;
/// * `DatatypeMismatch`: DROP TABLE of a view and the reverse;
/// * `AmbiguousFunction`: several overloads, and the command does not say which;
/// * `Dependency`: a view, SQL function or module needs what would go or change.
pub fn apply(snapshot: &Snapshot, entry: &Entry) -> Result<Snapshot> {
    let mut next = snapshot.clone();
    next.version += 1;
    next.at_ms = next.at_ms.max(entry.at_ms);
    match &entry.command {
        Command::CreateTable { name, definition, on_conflict } => {
            table::create(&mut next, name, definition, *on_conflict)?;
        }
        Command::DropTable { name, if_exists, kind } => {
            table::drop_table(&mut next, name, *if_exists, *kind)?;
        }
        Command::CreateFunction { definition, on_conflict } => {
            function::create(&mut next, definition, *on_conflict)?;
        }
        Command::AddFunctionVersion { overload, version } => {
            function::add_version(&mut next, overload, version)?;
        }
        Command::SetFunctionVersion { overload, number } => {
            function::set_version(&mut next, overload, *number)?;
        }
        Command::DropFunction { overload, if_exists } => {
            function::drop_function(&mut next, overload, *if_exists)?;
        }
        Command::CreateModule { definition, functions, operators, on_conflict } => {
            module::create(&mut next, definition, functions, operators, *on_conflict)?;
        }
        Command::DropModule { name, if_exists } => module::drop_module(&mut next, name, *if_exists)?,
        Command::CreateOperator { definition, on_conflict } => {
            operator::create(&mut next, definition, *on_conflict)?;
        }
        Command::DropOperator { name, if_exists } => {
            operator::drop_operator(&mut next, name, *if_exists)?;
        }
        other => return Err(Error::unsupported(format!("{other:?} is not applied yet"))),
    }
    Ok(next)
}
