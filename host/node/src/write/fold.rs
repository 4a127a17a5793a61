//! Tables of many small commits: rows that the catalog keeps are put into a file before they are too many to scan quickly.

use std::collections::HashSet;
use std::sync::{Arc, Mutex, PoisonError};

use nyala_catalog::Snapshot;
use nyala_schema::id::TableId;
use nyala_schema::managed::{DataFile, FileContent, FileList};
use nyala_schema::{ErrorCode, Result};

use super::optimize;
use super::target::Target;
use crate::session::Session;

/// So many files with rows in the catalog, or bytes of them, are put together.
const ENTRIES: usize = 1000;
const BYTES: u64 = 4 << 20;
/// Files are counted when so many have come since they were counted last.
const LOOK_EVERY: u64 = 128;
/// Where the catalog keeps all rows: more than this are left as they are.
const SMALL_ROWS: u64 = 1000;
/// Each time fewer of the newest are tried, which are the likeliest to be changed meanwhile.
const ATTEMPTS: u32 = 3;

/// The tables whose rows are being put together.
#[derive(Default)]
pub struct FoldedTables(Mutex<HashSet<TableId>>);

struct Claim<'a> {
    folded: &'a FoldedTables,
    table: TableId,
}

impl FoldedTables {
    /// `None` when another session is at it.
    fn claim(&self, table: TableId) -> Option<Claim<'_>> {
        let is_new = self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(table);
        is_new.then_some(Claim { folded: self, table })
    }
}

impl Drop for Claim<'_> {
    fn drop(&mut self) {
        self.folded.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.table);
    }
}

/// Looks at a table that a statement has just changed. The statement is done: a failure here is not its own, and a later
/// commit looks again.
pub fn after_commit(session: &Session, snapshot: &Snapshot, before: &Target) {
    let Some(Ok(now)) = snapshot.table(&before.name).map(|it| Target::of(before.name.clone(), it)) else {
        return;
    };
    let (then, next) = (before.table().next_file, now.table().next_file);
    if session.in_transaction() || then / LOOK_EVERY == next / LOOK_EVERY {
        return;
    }
    let Some(claim) = session.engine.folded_tables.claim(now.table().id) else { return };
    if let Err(error) = fold(session, &before.name) {
        tracing::warn!(table = %before.name, %error, "small commits were not put together");
    }
    drop(claim);
}

fn fold(session: &Session, name: &str) -> Result<()> {
    for attempt in 0..ATTEMPTS {
        session.see_newest()?;
        let target = Target::find(session, name)?;
        let keeps_files = session.engine.storage.warehouse().keeps_files();
        let small = |file: &&Arc<DataFile>| {
            matches!(file.content, FileContent::Rows(_)) && (keeps_files || file.rows < SMALL_ROWS)
        };
        let files: Vec<Arc<DataFile>> = target.table().files.iter().filter(small).map(Arc::clone).collect();
        let bytes: u64 = files.iter().map(|file| file.bytes()).sum();
        if files.len() < ENTRIES && bytes < BYTES {
            return Ok(());
        }
        let oldest: FileList = files[..files.len() >> attempt].iter().map(Arc::clone).collect();
        match optimize::rewrite(session, &target, oldest) {
            Err(error) if error.code() == ErrorCode::SerializationFailure => {}
            other => return other.map(|_| ()),
        }
    }
    Ok(())
}
