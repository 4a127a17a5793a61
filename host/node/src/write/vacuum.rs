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
use nyala_storage::managed::StoredFile;

use super::target::Target;
use crate::answer::Answer;
use crate::engine::Engine;
use crate::network::FilesInUse;
use crate::session::Session;
use crate::shared_warehouse::OWN_FOLDER;

/// Among several nodes, a file that no version has named may be of a commit that is under way on a node which does not
/// answer: so long it stays.
const UNNAMED_MIN_MS: i64 = 3_600_000;

pub fn run(session: &Session, table: Option<&str>, older_than_ms: Option<u64>) -> Result<Answer> {
    if session.in_transaction() {
        return Err(Error::new(ErrorCode::ActiveTransaction, "VACUUM cannot run in a transaction")
            .with_hint("COMMIT or ROLLBACK first"));
    }
    let snapshot = session.snapshot();
    let before = snapshot.warehouse_files();
    let only = table.map(|name| Target::find(session, name)).transpose()?;
    expire(session, &snapshot, only.as_ref(), older_than_ms)?;
    drop(snapshot);
    let only = only.map(|target| target.table().id);
    let candidates = Candidates::list(&session.engine, only)?;
    let kept = match session.engine.network() {
        None => Kept { files: FilesInUse::default(), before: None, unnamed_before_ms: 0 },
        // Files that nobody reads are no worse than files that somebody misses.
        Some(network) => match network.files_in_use(session.engine.newest().version) {
            Ok(files) => {
                let unnamed_before_ms = session.engine.now_ms().saturating_sub(UNNAMED_MIN_MS);
                Kept { files, before: Some(before), unnamed_before_ms }
            }
            Err(error) => return Ok(Answer::Done(format!("{}; files stay: {error}", Removed::default()))),
        },
    };
    let removed = candidates.remove(&session.engine, &kept)?;
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

/// What other nodes need, and what may be of them.
struct Kept {
    files: FilesInUse,
    /// Files that versions named before any was forgotten; `None` for an engine that is alone.
    before: Option<NamedFiles>,
    /// Files that no version named go when they are older, milliseconds since 1970.
    unnamed_before_ms: i64,
}

type NamedFiles = BTreeMap<TableId, BTreeSet<Arc<str>>>;

/// Files that were there before anybody was asked what is needed: what is committed from then on is not among them, or is
/// named by the newest catalog.
struct Candidates(Vec<(TableId, Vec<StoredFile>)>);

impl Candidates {
    fn list(engine: &Engine, only: Option<TableId>) -> Result<Self> {
        let warehouse = engine.warehouse();
        let ids = match only {
            Some(id) => vec![id],
            None => warehouse.tables()?,
        };
        // What is of no table is not ours to judge.
        let ids = ids.into_iter().filter(|id| *id != OWN_FOLDER);
        ids.map(|id| Ok((id, warehouse.files(id)?))).collect::<Result<_>>().map(Self)
    }

    /// Removes those that nobody needs: no kept version names them, no statement that runs reads them, and none is writing
    /// for their table.
    fn remove(self, engine: &Engine, kept: &Kept) -> Result<Removed> {
        let warehouse = engine.warehouse();
        let mut removed = Removed::default();
        let writing = engine.writing.now();
        let needed = needed(engine)?;
        let is_written = |id: &TableId| writing.contains(id) || kept.files.is_writing(*id);
        for (id, files) in self.0.into_iter().filter(|(id, _)| !is_written(id)) {
            let named = needed.get(&id);
            let all = files.len();
            let mut gone = 0;
            for file in files {
                if !named.is_some_and(|named| named.contains(file.path.as_str())) && kept.may_go(id, &file) {
                    warehouse.remove(id, &file.path)?;
                    gone += 1;
                    removed.files += 1;
                    removed.bytes += file.bytes;
                }
            }
            if named.is_none() && gone == all {
                warehouse.remove_table(id)?;
            }
        }
        Ok(removed)
    }
}

impl Kept {
    fn may_go(&self, table: TableId, file: &StoredFile) -> bool {
        let Some(before) = &self.before else { return true };
        let was_named = before.get(&table).is_some_and(|named| named.contains(file.path.as_str()));
        let is_old = file.modified_ms < self.unnamed_before_ms;
        (was_named || is_old) && !self.files.is_reading(table, &file.path)
    }
}

/// By the newest catalog of all, and by statements that run here.
fn needed(engine: &Engine) -> Result<NamedFiles> {
    engine.catalog.newest()?;
    let mut needed = engine.newest().warehouse_files();
    for (table, paths) in engine.snapshots.files() {
        needed.entry(table).or_default().extend(paths);
    }
    Ok(needed)
}
