//! The state machine: what a command does to a snapshot. Pure and deterministic.

use std::sync::Arc;

use nyala_schema::command::{Command, DropKind, OnConflict};
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use crate::snapshot::Snapshot;

/// The snapshot after `command`, one version later also when nothing but the version changed.
///
/// # Errors
/// `DuplicateTable`, `UndefinedTable`, `DatatypeMismatch` (DROP TABLE of a view and the reverse); the snapshot is
/// untouched.
pub fn apply(snapshot: &Snapshot, command: &Command) -> Result<Snapshot> {
    let mut next = snapshot.clone();
    next.version += 1;
    match command {
        Command::CreateTable { name, definition, on_conflict } => {
            create(&mut next, name, definition, *on_conflict)?;
        }
        Command::DropTable { name, if_exists, kind } => drop_table(&mut next, name, *if_exists, *kind)?,
        other => return Err(Error::unsupported(format!("{other:?} cannot be applied yet"))),
    }
    Ok(next)
}

fn create(
    next: &mut Snapshot,
    name: &str,
    definition: &TableDefinition,
    on_conflict: OnConflict,
) -> Result<()> {
    if let Some(existing) = next.table(name) {
        match on_conflict {
            OnConflict::Keep => return Ok(()),
            OnConflict::Fail => {
                return Err(Error::new(
                    ErrorCode::DuplicateTable,
                    format!("there is already a {} named \"{name}\"", noun(existing)),
                )
                .with_hint("drop it first, or use OR REPLACE or IF NOT EXISTS"));
            }
            OnConflict::Replace if noun(existing) != noun(definition) => {
                return Err(wrong_kind(name, existing));
            }
            OnConflict::Replace => {}
        }
    }
    next.tables.insert(name.to_owned(), Arc::new(definition.clone()));
    Ok(())
}

fn drop_table(next: &mut Snapshot, name: &str, if_exists: bool, kind: DropKind) -> Result<()> {
    let Some(existing) = next.table(name) else {
        return if if_exists { Ok(()) } else { Err(undefined(next, name, kind)) };
    };
    let is_view = matches!(existing.as_ref(), TableDefinition::View { .. });
    if is_view != (kind == DropKind::View) {
        return Err(wrong_kind(name, existing));
    }
    next.tables.remove(name);
    Ok(())
}

fn noun(definition: &TableDefinition) -> &'static str {
    match definition {
        TableDefinition::View { .. } => "view",
        TableDefinition::External(_) | TableDefinition::Memory { .. } => "table",
    }
}

fn wrong_kind(name: &str, existing: &TableDefinition) -> Error {
    let noun = noun(existing);
    Error::new(ErrorCode::DatatypeMismatch, format!("\"{name}\" is a {noun}"))
        .with_hint(format!("use DROP {} {name}", noun.to_uppercase()))
}

fn undefined(snapshot: &Snapshot, name: &str, kind: DropKind) -> Error {
    let noun = match kind {
        DropKind::Table => "table",
        DropKind::View => "view",
    };
    let error = Error::new(ErrorCode::UndefinedTable, format!("there is no {noun} \"{name}\""));
    match nearest(snapshot, name) {
        Some(other) => error.with_hint(format!("did you mean \"{other}\"?")),
        None => error,
    }
}

/// The most similar name, if any is similar.
fn nearest<'a>(snapshot: &'a Snapshot, name: &str) -> Option<&'a str> {
    const SIMILARITY_MIN: f64 = 0.8;
    let score = |other: &&String| strsim::jaro_winkler(other, name);
    let best = snapshot.tables.keys().max_by(|a, b| score(a).total_cmp(&score(b)))?;
    (score(&best) >= SIMILARITY_MIN).then_some(best.as_str())
}
