//! Several commands as one.

use std::collections::BTreeSet;

use nyala_schema::Result;
use nyala_schema::command::{Command, TableRead};
use nyala_schema::managed::Requirement;
use nyala_schema::table::TableName;

use super::conflict::conflict;
use super::{journal, perform};
use crate::snapshot::Snapshot;

/// Commands that the line of a transaction tells, at most.
const LINES_MAX: usize = 8;

/// Performs the commands in order and says what they did.
pub(super) fn run(next: &mut Snapshot, reads: &[TableRead], commands: &[Command]) -> Result<String> {
    for read in reads {
        let version = next.read_version(&read.name);
        if version != read.version {
            return Err(conflict(format!(
                "the table \"{}\", which the transaction has read, was changed by another",
                read.name
            )));
        }
    }
    let mut changed = BTreeSet::new();
    let mut lines = Vec::new();
    for (number, command) in commands.iter().enumerate() {
        require_own_version(next, command, &changed)?;
        perform(next, command)
            .map_err(|error| error.context(format!("command {} of the transaction", number + 1)))?;
        changed.extend(changed_table(command));
        if lines.len() < LINES_MAX {
            lines.push(journal::line(next, command));
        }
    }
    if commands.len() > LINES_MAX {
        lines.push(format!("and {} more", commands.len() - LINES_MAX));
    }
    Ok(format!("TRANSACTION: {}", lines.join("; ")))
}

/// What a transaction changes a second time it saw as it had made it itself. Ids of files that it gave there are those
/// that are given here only if nobody else has changed the table.
fn require_own_version(next: &Snapshot, command: &Command, changed: &BTreeSet<TableName>) -> Result<()> {
    let Command::ChangeTable(change) = command else { return Ok(()) };
    let only_adds =
        change.requirement == Requirement::Nothing && change.remove.is_empty() && change.delete.is_empty();
    if only_adds || !changed.contains(&change.table) {
        return Ok(());
    }
    match next.managed(&change.table) {
        Some(table) if table.version == change.base => Ok(()),
        _ => Err(conflict(format!(
            "the table \"{}\", which the transaction changes twice, was changed by another",
            change.table
        ))),
    }
}

/// The table of which a command makes another version.
fn changed_table(command: &Command) -> Option<TableName> {
    match command {
        Command::ChangeTable(change) => Some(change.table.clone()),
        Command::CreateTable { name, .. }
        | Command::AlterTable { name, .. }
        | Command::RollbackTable { name, .. } => Some(name.clone()),
        Command::RenameTable { to, .. } => Some(to.clone()),
        _ => None,
    }
}
