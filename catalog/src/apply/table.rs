//! Tables and views.

use std::sync::Arc;

use nyala_schema::command::{DropKind, OnConflict};
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use super::dependency;
use super::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

pub(super) fn create(
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
    if let TableDefinition::View { uses, .. } = definition {
        dependency::require(next, uses, &format!("the view \"{name}\""))?;
    }
    next.tables.insert(name.to_owned(), Arc::new(definition.clone()));
    Ok(())
}

pub(super) fn drop_table(next: &mut Snapshot, name: &str, if_exists: bool, kind: DropKind) -> Result<()> {
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
        TableDefinition::External(_) | TableDefinition::Managed(_) | TableDefinition::Memory { .. } => {
            "table"
        }
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
    with_near_miss(error, name, snapshot.tables.keys())
}
