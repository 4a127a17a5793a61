//! A replica's store in sled.

use std::fs;
use std::ops::Range;
use std::path::{Path, PathBuf};

use nyala_schema::{Error, ErrorCode, Result};

use super::store::{Change, Key, ReplicaStore, check};

const FOLDER: &str = "replica.sled";
/// sled's page cache: the log is written, and read once.
const CACHE_BYTES: u64 = 16 << 20;
/// How long a folder that is locked is waited for: half a second.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(25);
/// Folders of damaged stores that are kept apart from each other.
const ASIDE_MAX: u32 = 1000;

pub struct SledReplicaStore(sled::Db);

impl SledReplicaStore {
    /// Opens or creates the store in `folder`, which is created when missing.
    ///
    /// # Errors
    /// `Store` when the folder cannot be used, another process holds it, or what is kept is damaged. A damaged store is left
    /// as it is: a replica that forgot its vote or its log must not go on under its id. [`put_aside`](Self::put_aside)
    /// makes room for a new one.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| failed(&e))?;
        let path = folder.join(FOLDER);
        let mut opened = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES).open();
        for _ in 0..LOCK_ATTEMPTS {
            match &opened {
                Err(sled::Error::Io(error)) if is_held(error) => std::thread::sleep(LOCK_WAIT),
                _ => break,
            }
            opened = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES).open();
        }
        let store = Self(opened.map_err(|e| failed(&e))?);
        check(&store)?;
        Ok(store)
    }

    /// Renames a store that is damaged, and says where it is now. A replica that starts here again is a new one: it needs a
    /// new id, and gets all from the others.
    ///
    /// # Errors
    /// `Store` when it cannot be renamed.
    pub fn put_aside(folder: &Path) -> Result<PathBuf> {
        let aside = (1..ASIDE_MAX)
            .map(|n| folder.join(format!("{FOLDER}.damaged-{n}")))
            .find(|candidate| !candidate.exists())
            .ok_or_else(|| failed(&format!("too many damaged stores in {}", folder.display())))?;
        fs::rename(folder.join(FOLDER), &aside).map_err(|e| failed(&e))?;
        tracing::warn!(aside = %aside.display(), "the store of the replica was damaged and has been put aside");
        Ok(aside)
    }
}

impl ReplicaStore for SledReplicaStore {
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        Ok(self.0.get(key.to_bytes()).map_err(|e| failed(&e))?.map(|value| value.to_vec()))
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>> {
        if range.is_empty() {
            return Ok(Vec::new());
        }
        let keys = Key::Entry(range.start).to_bytes()..Key::Entry(range.end).to_bytes();
        let mut entries = Vec::new();
        for found in self.0.range(keys) {
            let (key, value) = found.map_err(|e| failed(&e))?;
            let index = Key::index_of(&key).ok_or_else(|| failed(&"a key that is none of ours"))?;
            entries.push((index, value.to_vec()));
        }
        Ok(entries)
    }

    fn last_entry(&self) -> Result<Option<u64>> {
        let last = self.0.last().map_err(|e| failed(&e))?;
        Ok(last.and_then(|(key, _)| Key::index_of(&key)))
    }

    fn write(&self, changes: Vec<Change>) -> Result<()> {
        let mut batch = sled::Batch::default();
        for change in changes {
            match change {
                Change::Put(key, value) => batch.insert(&key.to_bytes(), value),
                Change::RemoveEntries(range) => {
                    let keys = Key::Entry(range.start).to_bytes()..Key::Entry(range.end).to_bytes();
                    for key in self.0.range(keys).keys() {
                        batch.remove(key.map_err(|e| failed(&e))?);
                    }
                }
            }
        }
        self.0.apply_batch(batch).map_err(|e| failed(&e))
    }

    fn flush(&self) -> Result<()> {
        self.0.flush().map(|_| ()).map_err(|e| failed(&e))
    }

    fn waits_for_disk(&self) -> bool {
        true
    }
}

fn failed(error: &dyn std::fmt::Display) -> Error {
    Error::new(ErrorCode::Store, format!("the store of the replica failed: {error}"))
        .with_hint("see that the data folder is on a disk with free space and that no other process uses it")
}

/// Whether another process, or one that just ended, has the folder. sled may report its lock as an I/O error of kind
/// `Other` with this text.
fn is_held(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("lock")
}
