//! Bugs that are put in on purpose, and the stores that some of them need.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use nyala_catalog::raft::store::{Change, Key};
use nyala_catalog::raft::{MemoryReplicaStore, ReplicaStore};
use nyala_schema::Result;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A leader answers when it has a command itself.
    EarlyAnswer,
    /// A vote is only in memory.
    LostVote,
    /// Entries are answered before they are flushed.
    LostEntries,
    /// What a replica happens to know is given out as the newest.
    StaleRead,
    /// A try after a lost answer is a new proposal.
    AppliedTwice,
    /// Who asks what became of a statement puts no fence before it.
    ForgottenFence,
}

/// The store of a replica with a bug of stores.
pub fn store(disk: &MemoryReplicaStore, plant: Option<Plant>) -> Arc<dyn ReplicaStore> {
    let disk = disk.clone();
    match plant {
        Some(Plant::LostVote) => Arc::new(ForgetsVote { disk, vote: Mutex::default() }),
        Some(Plant::LostEntries) => Arc::new(NeverFlushes(disk)),
        _ => Arc::new(disk),
    }
}

struct ForgetsVote {
    disk: MemoryReplicaStore,
    vote: Mutex<Option<Vec<u8>>>,
}

impl ReplicaStore for ForgetsVote {
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        if key == Key::Vote { Ok(self.vote.lock().unwrap().clone()) } else { self.disk.get(key) }
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>> {
        self.disk.entries(range)
    }

    fn last_entry(&self) -> Result<Option<u64>> {
        self.disk.last_entry()
    }

    fn write(&self, changes: Vec<Change>) -> Result<()> {
        let mut kept = Vec::new();
        for change in changes {
            match change {
                Change::Put(Key::Vote, value) => *self.vote.lock().unwrap() = Some(value),
                other => kept.push(other),
            }
        }
        self.disk.write(kept)
    }

    fn flush(&self) -> Result<()> {
        self.disk.flush()
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}

struct NeverFlushes(MemoryReplicaStore);

impl ReplicaStore for NeverFlushes {
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>> {
        self.0.get(key)
    }

    fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>> {
        self.0.entries(range)
    }

    fn last_entry(&self) -> Result<Option<u64>> {
        self.0.last_entry()
    }

    fn write(&self, changes: Vec<Change>) -> Result<()> {
        let is_entry = |change: &Change| matches!(change, Change::Put(Key::Entry(_), _));
        let must_flush = !changes.iter().all(is_entry);
        self.0.write(changes)?;
        if must_flush { self.0.flush() } else { Ok(()) }
    }

    fn flush(&self) -> Result<()> {
        Ok(())
    }

    fn waits_for_disk(&self) -> bool {
        false
    }
}
