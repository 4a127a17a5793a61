//! The log and the vote, as openraft asks for them, over a [`ReplicaStore`].

use std::fmt::Debug;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use nyala_schema::{Error, Result};
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader};

use super::store::{Change, Key, ReplicaStore, open, put, read};
use super::types::{LogEntry, LogId, StorageError, StorageIoError, TypeConfig, Vote};

#[derive(Clone)]
pub struct Log(pub Arc<dyn ReplicaStore>);

impl Log {
    fn entries(&self, range: Range<u64>) -> Result<Vec<LogEntry>> {
        let entries = self.0.entries(range)?;
        entries.into_iter().map(|(index, sealed)| open(Key::Entry(index), &sealed)).collect()
    }

    fn state(&self) -> Result<LogState<TypeConfig>> {
        let last_purged_log_id = read::<LogId>(&*self.0, Key::Purged)?;
        let last = match self.0.last_entry()? {
            Some(index) => read::<LogEntry>(&*self.0, Key::Entry(index))?.map(|entry| entry.log_id),
            None => None,
        };
        Ok(LogState { last_purged_log_id, last_log_id: last.max(last_purged_log_id) })
    }
}

/// Writes, and returns when all of it is on the disk.
///
/// # Errors
/// Those of the store.
pub async fn write_durably(store: &Arc<dyn ReplicaStore>, changes: Vec<Change>) -> Result<()> {
    let waits = store.waits_for_disk();
    let store = Arc::clone(store);
    let work = move || store.write(changes).and_then(|()| store.flush());
    if !waits {
        return work();
    }
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| Error::internal(format!("a write of the replica's store ended early: {e}")))?
}

pub fn cause(error: &Error) -> AnyError {
    AnyError::error(format!("{error:?}"))
}

fn failed_write(error: &Error) -> StorageError {
    StorageIoError::write_logs(cause(error)).into()
}

fn failed_read(error: &Error) -> StorageError {
    StorageIoError::read_logs(cause(error)).into()
}

impl RaftLogReader<TypeConfig> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<LogEntry>, StorageError> {
        let start = match range.start_bound() {
            Bound::Included(index) => *index,
            Bound::Excluded(index) => index + 1,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(index) => index + 1,
            Bound::Excluded(index) => *index,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(start..end).map_err(|e| failed_read(&e))
    }
}

impl RaftLogStorage<TypeConfig> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<TypeConfig>, StorageError> {
        self.state().map_err(|e| failed_read(&e))
    }

    async fn get_log_reader(&mut self) -> Self {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), StorageError> {
        let written = match put(Key::Vote, vote) {
            Ok(change) => write_durably(&self.0, vec![change]).await,
            Err(error) => Err(error),
        };
        written.map_err(|e| StorageIoError::write_vote(cause(&e)).into())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, StorageError> {
        read(&*self.0, Key::Vote).map_err(|e| StorageIoError::read_vote(cause(&e)).into())
    }

    /// Not flushed: what is lost of it is learned again from the leader.
    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), StorageError> {
        let Some(committed) = committed else { return Ok(()) };
        let written = put(Key::Committed, &committed).and_then(|change| self.0.write(vec![change]));
        written.map_err(|e| failed_write(&e))
    }

    /// Only where the log goes so far: openraft applies up to here before it starts, and to know less is always safe.
    async fn read_committed(&mut self) -> Result<Option<LogId>, StorageError> {
        let committed = read::<LogId>(&*self.0, Key::Committed).map_err(|e| failed_read(&e))?;
        let Some(committed) = committed else { return Ok(None) };
        let entries = self.entries(committed.index..committed.index + 1).map_err(|e| failed_read(&e))?;
        Ok(entries.first().map(|entry| entry.log_id).filter(|log_id| *log_id == committed))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Result<(), StorageError>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let changes = entries.into_iter().map(|entry| put(Key::Entry(entry.log_id.index), &entry));
        let changes = changes.collect::<Result<Vec<_>>>().map_err(|e| failed_write(&e))?;
        write_durably(&self.0, changes).await.map_err(|e| failed_write(&e))?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let changes = vec![Change::RemoveEntries(log_id.index..u64::MAX)];
        write_durably(&self.0, changes).await.map_err(|e| failed_write(&e))
    }

    /// In one write, so that no crash leaves a log without its beginning.
    async fn purge(&mut self, log_id: LogId) -> Result<(), StorageError> {
        let written = match put(Key::Purged, &log_id) {
            Ok(marker) => {
                let changes = vec![marker, Change::RemoveEntries(0..log_id.index + 1)];
                write_durably(&self.0, changes).await
            }
            Err(error) => Err(error),
        };
        written.map_err(|e| failed_write(&e))
    }
}
