//! VACUUM: versions that are older than they need be are forgotten, and files go that no version names.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use nyala_catalog::Snapshot;
use nyala_schema::command::Command;
use nyala_schema::id::TableId;
use nyala_schema::managed::{ManagedTable, TableProperties};
use nyala_schema::option::format_bytes;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use super::target::Target;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::session::Session;

pub fn run(session: &Session, table: Option<&str>, older_than_ms: Option<u64>) -> Result<Answer> {
    if session.in_transaction() {
        return Err(Error::new(ErrorCode::ActiveTransaction, "VACUUM cannot run in a transaction")
            .with_hint("COMMIT or ROLLBACK first"));
    }
    let snapshot = session.snapshot();
    let only = table.map(|name| Target::find(session, name)).transpose()?;
    expire(session, &snapshot, only.as_ref(), older_than_ms)?;
    drop(snapshot);
    let removed = collect(&session.engine, only.map(|target| target.table().id))?;
    Ok(Answer::Done(removed.to_string()))
}

/// Tables by their own retention; all else that the catalog remembers by the longest, when no table is named.
fn expire(
    session: &Session,
    snapshot: &Snapshot,
    only: Option<&Target>,
    older_than_ms: Option<u64>,
) -> Result<()> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    // The catalog's time may be ahead of this clock. What ended in this very millisecond has ended.
    let now = i64::try_from(now).unwrap_or(i64::MAX).max(snapshot.at_ms).saturating_add(1);
    let before = |age: u64| now.saturating_sub(i64::try_from(age).unwrap_or(i64::MAX));
    let mut longest = TableProperties::default().retention_ms;
    for (name, definition) in &snapshot.tables {
        let TableDefinition::Managed(table) = definition.as_ref() else { continue };
        longest = longest.max(table.properties.retention_ms);
        let before_ms = before(older_than_ms.unwrap_or(table.properties.retention_ms));
        if only.is_none_or(|target| target.name == *name) && has_older(table, before_ms) {
            session.commit(&Command::Expire { table: Some(name.clone()), before_ms })?;
        }
    }
    if only.is_none() {
        let before_ms = before(older_than_ms.unwrap_or(longest));
        session.commit(&Command::Expire { table: None, before_ms })?;
    }
    Ok(())
}

/// Whether a version had ended by then, that is, the one after it had come.
fn has_older(table: &ManagedTable, before_ms: i64) -> bool {
    table.history.values().nth(1).is_some_and(|version| version.at_ms < before_ms)
}

#[derive(Default)]
struct Removed {
    files: u64,
    bytes: u64,
}

impl std::fmt::Display for Removed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let plural = if self.files == 1 { "" } else { "s" };
        write!(f, "VACUUM {} file{plural}, {}", self.files, format_bytes(self.bytes))
    }
}

/// Removes the files of one table, or of all, that nobody needs: no kept version names them, no statement that runs reads
/// them, and none is writing for their table.
fn collect(engine: &Engine, only: Option<TableId>) -> Result<Removed> {
    let warehouse = engine.storage.warehouse();
    let mut removed = Removed::default();
    let ids = match only {
        Some(id) => vec![id],
        None => warehouse.tables()?,
    };
    // Listed first: what a statement commits from now on is not in it, or is named below.
    let listed: Vec<_> = ids.into_iter().map(|id| Ok((id, warehouse.files(id)?))).collect::<Result<_>>()?;
    let writing = engine.writing.now();
    let needed = needed(engine);
    for (id, files) in listed.into_iter().filter(|(id, _)| !writing.contains(id)) {
        let named = needed.get(&id);
        for file in files {
            if !named.is_some_and(|named| named.contains(file.path.as_str())) {
                warehouse.remove(id, &file.path)?;
                removed.files += 1;
                removed.bytes += file.bytes;
            }
        }
        if named.is_none() {
            warehouse.remove_table(id)?;
        }
    }
    Ok(removed)
}

fn needed(engine: &Engine) -> BTreeMap<TableId, BTreeSet<Arc<str>>> {
    let mut needed = engine.snapshots.newest(&*engine.catalog).warehouse_files();
    for (table, paths) in engine.snapshots.files() {
        needed.entry(table).or_default().extend(paths);
    }
    needed
}
