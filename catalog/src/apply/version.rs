//! Versions of a managed table: how they come, and how they go again.

use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::id::FileId;
use nyala_schema::managed::{ManagedTable, TableOperation, TableVersion};
use nyala_schema::table::TableDefinition;

use super::{record, table};
use crate::snapshot::Snapshot;

/// Versions that one change forgets at most: more than it makes, so that what is too old goes, and few, so that no
/// change waits for it.
const EXPIRED_VERSIONS_PER_CHANGE: usize = 4;
/// Files of forgotten versions that one change forgets at most, beside as many as it retires itself.
const EXPIRED_FILES_PER_CHANGE: usize = 256;

/// What a version did to the rows.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Rows {
    pub added: u64,
    pub removed: u64,
}

/// Makes what the table is now its next version.
pub(super) fn push(
    table: &mut ManagedTable,
    catalog_version: u64,
    at_ms: i64,
    operation: TableOperation,
    rows: Rows,
) {
    table.version += 1;
    let version = TableVersion {
        number: table.version,
        catalog_version,
        at_ms,
        operation,
        shape: Arc::clone(&table.shape),
        rows_added: rows.added,
        rows_removed: rows.removed,
        rows: table.summary.rows,
        files: table.files.len() as u64,
        bytes: table.summary.bytes,
    };
    table.history.insert(table.version, Arc::new(version));
}

/// Forgets a little of what the table need not keep. `retired` files have just gone.
pub(super) fn expire_some(table: &mut ManagedTable, at_ms: i64, retired: usize) {
    let retention = i64::try_from(table.properties.retention_ms).unwrap_or(i64::MAX);
    let before_ms = at_ms.saturating_sub(retention);
    for _ in 0..EXPIRED_VERSIONS_PER_CHANGE {
        let too_many = table.history.len() as u64 > table.properties.retention_versions.max(1);
        if !too_many && !oldest_ended_before(table, before_ms) || !forget_oldest(table) {
            break;
        }
    }
    forget_files(table, EXPIRED_FILES_PER_CHANGE.saturating_add(retired));
}

/// Forgets all versions that ended before a time, of one table or, with definitions and lines of the journal, of everything.
///
/// # Errors
/// `UndefinedTable`
pub(super) fn expire_all(next: &mut Snapshot, name: Option<&str>, before_ms: i64) -> Result<()> {
    if let Some(name) = name {
        expire_before(table::managed_mut(next, name)?, before_ms);
        return Ok(());
    }
    let due = next.tables.iter().filter(|(_, definition)| match definition.as_ref() {
        TableDefinition::Managed(table) => oldest_ended_before(table, before_ms),
        _ => false,
    });
    let due: Vec<String> = due.map(|(name, _)| name.clone()).collect();
    for name in due {
        expire_before(table::managed_mut(next, &name)?, before_ms);
    }
    record::forget_before(next, before_ms);
    Ok(())
}

fn expire_before(table: &mut ManagedTable, before_ms: i64) {
    while oldest_ended_before(table, before_ms) && forget_oldest(table) {}
    forget_files(table, usize::MAX);
}

/// A version ends when the next one comes.
fn oldest_ended_before(table: &ManagedTable, before_ms: i64) -> bool {
    let Some((oldest, _)) = table.history.get_min() else { return false };
    table.history.get(&(oldest + 1)).is_some_and(|following| following.at_ms < before_ms)
}

/// The newest is kept always.
fn forget_oldest(table: &mut ManagedTable) -> bool {
    let oldest = table.history.get_min().map(|(number, _)| *number);
    match oldest.filter(|oldest| *oldest < table.version) {
        Some(oldest) => table.history.remove(&oldest).is_some(),
        None => false,
    }
}

/// Forgets files that went in or before the oldest version that is kept.
fn forget_files(table: &mut ManagedTable, files_max: usize) {
    let Some(oldest) = table.history.get_min().map(|(number, _)| *number) else { return };
    for _ in 0..files_max {
        let first: Option<(u64, FileId)> = table.retired.get_min().map(|(key, _)| *key);
        match first.filter(|(went_in, _)| *went_in <= oldest) {
            Some(key) => table.retired.remove(&key),
            None => break,
        };
    }
}
