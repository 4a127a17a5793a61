//! Tables and views as things that have a name.

use std::sync::Arc;

use nyala_schema::command::{DropKind, OnConflict};
use nyala_schema::managed::{ManagedTable, TableOperation};
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use super::version::Rows;
use super::{comment, dependency, identifier, shape, version};
use crate::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

pub(super) fn create(
    next: &mut Snapshot,
    name: &str,
    definition: &TableDefinition,
    on_conflict: OnConflict,
) -> Result<()> {
    identifier::require_table_name(next, name)?;
    if let Some(existing) = next.table(name) {
        match on_conflict {
            OnConflict::Keep => return Ok(()),
            OnConflict::Fail => {
                return Err(
                    duplicate(name, existing).with_hint("drop it first, or use OR REPLACE or IF NOT EXISTS")
                );
            }
            OnConflict::Replace if noun(existing) != noun(definition) => {
                return Err(wrong_kind(name, existing));
            }
            OnConflict::Replace => {}
        }
    }
    let definition = match definition {
        TableDefinition::View { uses, .. } => {
            dependency::require(next, uses, &format!("the view \"{name}\""))?;
            definition.clone()
        }
        TableDefinition::Managed(table) => TableDefinition::Managed(first_version(next, name, table)?),
        TableDefinition::External(_) => definition.clone(),
    };
    next.tables.insert(name.to_owned(), Arc::new(definition));
    Ok(())
}

/// A managed table as it begins: without rows.
fn first_version(next: &Snapshot, name: &str, definition: &ManagedTable) -> Result<ManagedTable> {
    shape::validate(&definition.shape).map_err(|error| error.context(format!("table \"{name}\"")))?;
    if !definition.files.is_empty() || !definition.retired.is_empty() {
        return Err(Error::internal(format!("the table \"{name}\" is created with files")));
    }
    let same_id = |table: &ManagedTable| table.id == definition.id;
    if next.managed(name).is_some_and(same_id) {
        return Err(Error::internal(format!("the table \"{name}\" is created with an id that is used")));
    }
    // Its summary gets columns with the first rows: a large catalog has many empty tables.
    let mut table = ManagedTable::new(
        definition.id,
        definition.shape.as_ref().clone(),
        definition.properties.as_ref().clone(),
    );
    version::push(&mut table, next.version, next.at_ms, TableOperation::Create, Rows::default());
    Ok(table)
}

pub(super) fn drop_table(next: &mut Snapshot, name: &str, if_exists: bool, kind: DropKind) -> Result<()> {
    let Some(existing) = next.table(name) else {
        let noun = match kind {
            DropKind::Table => "table",
            DropKind::View => "view",
        };
        return if if_exists { Ok(()) } else { Err(undefined(next, name, noun)) };
    };
    let is_view = matches!(existing.as_ref(), TableDefinition::View { .. });
    if is_view != (kind == DropKind::View) {
        return Err(wrong_kind(name, existing));
    }
    next.tables.remove(name);
    Ok(())
}

pub(super) fn rename(next: &mut Snapshot, from: &str, to: &str) -> Result<()> {
    let Some(definition) = next.table(from).cloned() else {
        return Err(undefined(next, from, "table or view"));
    };
    if from == to {
        return Ok(());
    }
    identifier::require_table_name(next, to)?;
    if let Some(existing) = next.table(to) {
        return Err(duplicate(to, existing).with_hint("choose another name, or drop that first"));
    }
    next.tables.remove(from);
    next.tables.insert(to.to_owned(), definition);
    comment::rename_table(next, from, to);
    Ok(())
}

/// The managed table of that name, to be changed.
///
/// # Errors
/// `UndefinedTable`, or `DatatypeMismatch` for what is no managed table.
pub(super) fn managed_mut<'a>(next: &'a mut Snapshot, name: &str) -> Result<&'a mut ManagedTable> {
    match next.table(name).map(AsRef::as_ref) {
        Some(TableDefinition::Managed(_)) => {}
        None => return Err(undefined(next, name, "table")),
        Some(other) => {
            let message = format!("\"{name}\" is a {} and has no versions of its own", described(other));
            return Err(Error::new(ErrorCode::DatatypeMismatch, message)
                .with_hint("only tables made by CREATE TABLE can be changed"));
        }
    }
    match next.tables.get_mut(name).map(Arc::make_mut) {
        Some(TableDefinition::Managed(table)) => Ok(table),
        _ => Err(Error::internal(format!("the table \"{name}\" vanished"))),
    }
}

pub(super) fn duplicate(name: &str, existing: &TableDefinition) -> Error {
    Error::new(ErrorCode::DuplicateTable, format!("there is already a {} named \"{name}\"", noun(existing)))
}

fn noun(definition: &TableDefinition) -> &'static str {
    match definition {
        TableDefinition::View { .. } => "view",
        TableDefinition::External(_) | TableDefinition::Managed(_) => "table",
    }
}

fn described(definition: &TableDefinition) -> &'static str {
    match definition {
        TableDefinition::View { .. } => "view",
        TableDefinition::External(_) => "external table",
        TableDefinition::Managed(_) => "table",
    }
}

fn wrong_kind(name: &str, existing: &TableDefinition) -> Error {
    let noun = noun(existing);
    Error::new(ErrorCode::DatatypeMismatch, format!("\"{name}\" is a {noun}"))
        .with_hint(format!("use DROP {} {name}", noun.to_uppercase()))
}

pub(super) fn undefined(snapshot: &Snapshot, name: &str, noun: &str) -> Error {
    let error = Error::new(ErrorCode::UndefinedTable, format!("there is no {noun} \"{name}\""));
    with_near_miss(error, name, snapshot.tables.keys())
}
