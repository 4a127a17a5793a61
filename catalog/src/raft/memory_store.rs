//! A replica's store that ends with the process, and forgets at a crash what was not flushed, as a disk does.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};

use nyala_schema::{Error, ErrorCode, Result};

use super::store::{Change, Key, ReplicaStore};

#[derive(Clone, Default)]
pub struct MemoryReplicaStore(Arc<Mutex<Contents>>);

#[derive(Default)]
struct Contents {
    seen: BTreeMap<Key, Vec<u8>>,
    flushed: BTreeMap<Key, Vec<u8>>,
    pending: Vec<Vec<Change>>,
    is_gone: bool,
}

impl MemoryReplicaStore {
    /// What the disk holds after a crash: all that was flushed, and the first `writes` of those that were not. The old
    /// store fails from now on.
    pub fn crash(&self, writes: usize) -> Self {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.is_gone = true;
        let mut kept = std::mem::take(&mut contents.flushed);
        for changes in contents.pending.drain(..).take(writes) {
            changes.into_iter().for_each(|change| apply(&mut kept, change));
        }
        let after = Contents { seen: kept.clone(), flushed: kept, ..Contents::default() };
        Self(Arc::new(Mutex::new(after)))
    }

    fn with<T>(&self, work: impl FnOnce(&mut Contents) -> T) -> Result<T> {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if contents.is_gone {
            return Err(Error::new(ErrorCode::Store, "the replica's store is gone since a crash"));
        }
        Ok(work(&mut contents))
    }
}

fn apply(values: &mut BTreeMap<Key, Vec<u8>>, change: Change) {
    match change {
        Change::Put(key, value) => {
            values.insert(key, value);
        }
        Change::RemoveEntries(range) => values.retain(|key, _| match key {
            Key::Entry(index) => !range.contains(index),
            _ => true,
        }),
    }
}

impl ReplicaStore for MemoryReplicaStore {
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        self.with(|contents| contents.seen.get(&key).cloned())
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>> {
        self.with(|contents| {
            let keys = Key::Entry(range.start)..Key::Entry(range.end.max(range.start));
            let entries = contents.seen.range(keys).filter_map(|(key, value)| match key {
                Key::Entry(index) => Some((*index, value.clone())),
                _ => None,
            });
            entries.collect()
        })
    }

    fn last_entry(&self) -> Result<Option<u64>> {
        self.with(|contents| match contents.seen.last_key_value() {
            Some((Key::Entry(index), _)) => Some(*index),
            _ => None,
        })
    }

    fn write(&self, changes: Vec<Change>) -> Result<()> {
        self.with(|contents| {
            changes.iter().cloned().for_each(|change| apply(&mut contents.seen, change));
            contents.pending.push(changes);
        })
    }

    fn flush(&self) -> Result<()> {
        self.with(|contents| {
            let pending = std::mem::take(&mut contents.pending);
            pending.into_iter().flatten().for_each(|change| apply(&mut contents.flushed, change));
        })
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
