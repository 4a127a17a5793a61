//! What was, again: as a new version, so that nothing is lost.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::command::ObjectKind;
use nyala_schema::id::{FileId, TableId};
use nyala_schema::lookup::AsOf;
use nyala_schema::managed::{DataFile, ManagedTable, TableOperation, TableShape};
use nyala_schema::table::{TableDefinition, TableName};

use super::version::Rows;
use super::{summary, table, version};
use crate::history;
use crate::snapshot::{Retired, Snapshot};

pub(super) fn table(next: &mut Snapshot, name: &str, to: u64) -> Result<()> {
    let (catalog_version, at_ms) = (next.version, next.at_ms);
    let table = table::managed_mut(next, name)?;
    let retired = restore(table, to, catalog_version, at_ms)
        .map_err(|error| error.context(format!("table \"{name}\"")))?;
    version::expire_some(table, at_ms, retired);
    Ok(())
}

/// Gives the table a version with the rows and the shape of version `to`, and says how many files went.
fn restore(table: &mut ManagedTable, to: u64, catalog_version: u64, at_ms: i64) -> Result<usize> {
    let was = history::table_at(table, &AsOf::Version(to))?;
    let number = table.version + 1;
    let gone: Vec<FileId> =
        table.files.iter().map(|file| file.id).filter(|id| was.files.get(*id).is_none()).collect();
    let mut rows = Rows::default();
    for id in &gone {
        if let Some(file) = table.files.remove(*id) {
            rows.removed = rows.removed.saturating_add(file.live_rows());
            table.retired.insert((number, *id), file);
        }
    }
    for file in was.files.iter().filter(|file| table.files.get(file.id).is_none()).collect::<Vec<_>>() {
        rows.added = rows.added.saturating_add(file.live_rows());
        let again =
            DataFile { id: FileId(table.next_file), added_in: number, ..DataFile::clone(file.as_ref()) };
        table.next_file += 1;
        table.files.insert(Arc::new(again));
    }
    let next_column = table.shape.next_column.max(was.shape.next_column);
    if was.shape.next_column == next_column {
        table.shape = was.shape;
    } else {
        table.shape = Arc::new(TableShape { next_column, ..was.shape.as_ref().clone() });
    }
    table.summary = Arc::new(summary::again(&table.shape, &table.files, &table.summary));
    version::push(table, catalog_version, at_ms, TableOperation::Rollback(to), rows);
    Ok(gone.len())
}

pub(super) fn catalog(next: &mut Snapshot, to: u64) -> Result<()> {
    // The version that is being made is not one to go back to.
    let mut before = next.clone();
    before.version -= 1;
    let was = before.at(&AsOf::Version(to))?;
    let mut tables = imbl::OrdMap::new();
    let newest = newest_by_id(&before);
    for (name, definition) in &was.tables {
        let restored = match definition.as_ref() {
            TableDefinition::Managed(table) => {
                let newest = newest.get(&table.id).copied();
                again(next, name, table, newest)?
            }
            TableDefinition::External(_) | TableDefinition::View { .. } => Arc::clone(definition),
        };
        tables.insert(name.clone(), restored);
    }
    next.tables = tables;
    next.schemas = was.schemas;
    next.functions = was.functions;
    next.operators = was.operators;
    next.modules = was.modules;
    forget_drops(next);
    Ok(())
}

/// A table with its newest rows, as it is or as it was when it was dropped.
fn newest_by_id(snapshot: &Snapshot) -> BTreeMap<TableId, &ManagedTable> {
    let retired = snapshot.retired.values().filter_map(|retired| retired.object.managed());
    let live = snapshot.tables.values().filter_map(|definition| definition.managed());
    // Later ones take the place of earlier ones.
    retired.chain(live).map(|table| (table.id, table)).collect()
}

/// The table as it was, as a new version of what it is.
fn again(
    next: &Snapshot,
    name: &TableName,
    was: &ManagedTable,
    newest: Option<&ManagedTable>,
) -> Result<Arc<TableDefinition>> {
    let Some(newest) = newest else { return Ok(Arc::new(TableDefinition::Managed(was.clone()))) };
    if newest.version == was.version {
        return Ok(match next.table(name) {
            Some(definition) if definition.managed().is_some_and(|table| table.id == was.id) => {
                Arc::clone(definition)
            }
            _ => Arc::new(TableDefinition::Managed(newest.clone())),
        });
    }
    let mut table = newest.clone();
    restore(&mut table, was.version, next.version, next.at_ms)
        .map_err(|error| error.context(format!("table \"{name}\"")))?;
    Ok(Arc::new(TableDefinition::Managed(table)))
}

/// What has come back is not dropped any more: it cannot be brought back a second time.
fn forget_drops(next: &mut Snapshot) {
    let live: BTreeSet<TableId> =
        next.tables.values().filter_map(|definition| definition.managed()).map(|table| table.id).collect();
    let back = next.retired.iter().filter(|(_, retired)| {
        retired.is_dropped && retired.object.managed().is_some_and(|table| live.contains(&table.id))
    });
    let back: Vec<(u64, ObjectKind, String)> = back.map(|(key, _)| key.clone()).collect();
    back.iter().for_each(|key| forget_drop(next, key));
}

/// What it was stays known; it does not count as dropped.
pub(super) fn forget_drop(next: &mut Snapshot, key: &(u64, ObjectKind, String)) {
    if let Some(retired) = next.retired.get(key) {
        let kept = Retired { is_dropped: false, ..Retired::clone(retired) };
        next.retired.insert(key.clone(), Arc::new(kept));
    }
}
