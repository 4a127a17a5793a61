//! The state machine: committed entries, applied in order to a snapshot of the catalog.

use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};

use nyala_schema::command::Entry;
use nyala_schema::{Error, ErrorCode, Result, wire};
use openraft::storage::RaftStateMachine;
use openraft::{BasicNode, EntryPayload, OptionalSend, RaftSnapshotBuilder};
use serde::{Deserialize, Serialize};
use tokio::sync::Mutex as AsyncMutex;

use super::log::{cause, write_durably};
use super::octets::Octets;
use super::progress::{Applied, Progress};
use super::recent::Recent;
use super::store::{Key, ReplicaStore, put, read};
use super::types::{
    Answer, Answers, LogEntry, LogId, Membership, Proposal, RaftSnapshot, Refusal, SnapshotMeta,
    StorageError, StorageIoError, TypeConfig, decode, encode,
};
use crate::apply::apply;
use crate::snapshot::Snapshot;

#[derive(Clone, Default)]
struct State {
    last_applied: Option<LogId>,
    membership: Membership,
    recent: Recent,
    snapshot: Arc<Snapshot>,
}

/// The state as it is kept and sent.
#[derive(Serialize, Deserialize)]
struct Image {
    recent: Recent,
    catalog: Octets,
}

/// An image with what openraft wants to know of it, as it is kept.
#[derive(Serialize, Deserialize)]
struct KeptImage {
    meta: SnapshotMeta,
    image: Octets,
}

#[derive(Clone)]
pub struct Machine {
    store: Arc<dyn ReplicaStore>,
    state: Arc<Mutex<State>>,
    progress: Arc<Progress>,
    /// Up to where the image on disk goes; held while one is written.
    kept: Arc<AsyncMutex<Option<LogId>>>,
}

impl Machine {
    /// As of the newest image; what the log has after it is applied by openraft.
    ///
    /// # Errors
    /// `Store` when the image is damaged.
    pub fn load(store: Arc<dyn ReplicaStore>) -> Result<Self> {
        let image = read::<KeptImage>(&*store, Key::Snapshot)?;
        let kept = Arc::new(AsyncMutex::new(image.as_ref().and_then(|image| image.meta.last_log_id)));
        let machine = Self { store, state: Arc::default(), progress: Arc::default(), kept };
        if let Some(KeptImage { meta, image }) = image {
            machine.restore(&meta, &image.0)?;
        }
        Ok(machine)
    }

    pub fn progress(&self) -> Arc<Progress> {
        Arc::clone(&self.progress)
    }

    fn restore(&self, meta: &SnapshotMeta, image: &[u8]) -> Result<()> {
        let image: Image = decode(image)?;
        let snapshot = Snapshot::decode(&image.catalog.0)?;
        let restored = State {
            last_applied: meta.last_log_id,
            membership: meta.last_membership.clone(),
            recent: image.recent,
            snapshot: Arc::new(snapshot),
        };
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        *state = restored;
        self.publish(&state);
        Ok(())
    }

    fn publish(&self, state: &State) {
        let index = state.last_applied.map_or(0, |log_id| log_id.index);
        self.progress.set(Applied { index, snapshot: Arc::clone(&state.snapshot) });
    }

    /// Unless a newer one is kept: one is built while another may be installed, and the log is cut up to the newest.
    async fn keep(&self, meta: &SnapshotMeta, image: Vec<u8>) -> Result<()> {
        let mut kept = self.kept.lock().await;
        if meta.last_log_id < *kept {
            return Ok(());
        }
        let image = KeptImage { meta: meta.clone(), image: Octets(image) };
        write_durably(&self.store, vec![put(Key::Snapshot, &image)?]).await?;
        *kept = meta.last_log_id;
        Ok(())
    }
}

impl State {
    /// # Errors
    /// When this replica cannot apply what others can: it must stop.
    fn apply(&mut self, entry: LogEntry) -> Result<Answers> {
        let mut answers = Vec::new();
        match entry.payload {
            EntryPayload::Blank => {}
            EntryPayload::Membership(membership) => {
                self.membership = Membership::new(Some(entry.log_id), membership);
            }
            EntryPayload::Normal(group) => {
                for proposal in group {
                    answers.push(self.propose(&proposal, entry.log_id.index)?);
                }
            }
        }
        self.last_applied = Some(entry.log_id);
        Ok(answers)
    }

    fn propose(&mut self, proposal: &Proposal, index: u64) -> Result<Answer> {
        if let Some(answer) = self.recent.answer(proposal, index) {
            return Ok(answer);
        }
        let answer = match applied_to(&self.snapshot, proposal) {
            Ok(None) => Answer::Never,
            Ok(Some(next)) => {
                self.snapshot = Arc::new(next);
                Answer::Applied { version: self.snapshot.version }
            }
            Err(error) if is_answer(&error) => Answer::Refused(Refusal::from(&error)),
            Err(error) => return Err(error),
        };
        self.recent.remember(proposal, index, answer.clone());
        Ok(answer)
    }

    fn image(&self) -> Result<Vec<u8>> {
        let catalog = Octets(self.snapshot.encode()?);
        encode(&Image { recent: self.recent.clone(), catalog })
    }
}

/// The snapshot after the proposal; `None` for a fence, which changes nothing.
///
/// # Errors
/// Those of [`apply`]; `Store` when the bytes cannot be read; `Internal` when `apply` panicked.
pub fn applied_to(snapshot: &Snapshot, proposal: &Proposal) -> Result<Option<Snapshot>> {
    let Some(entry) = &proposal.entry else { return Ok(None) };
    let entry =
        wire::decode_entry(&entry.0).map_err(|error| Error::new(ErrorCode::Store, error.message()))?;
    let entry = Entry { at_ms: proposal.at_ms, ..entry };
    catch_unwind(AssertUnwindSafe(|| apply(snapshot, &entry).map(Some)))
        .unwrap_or_else(|_| Err(Error::internal("a command of the catalog cannot be applied")))
}

/// Whether every replica comes to the same error. The others are of this replica alone, its program or its memory: it
/// would diverge if it went on.
pub fn is_answer(error: &Error) -> bool {
    !matches!(error.code(), ErrorCode::Internal | ErrorCode::Store | ErrorCode::Unsupported)
}

fn cannot_write(error: &Error) -> StorageError {
    StorageIoError::write_snapshot(None, cause(error)).into()
}

impl RaftStateMachine<TypeConfig> for Machine {
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), StorageError> {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        Ok((state.last_applied, state.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answers>, StorageError>
    where
        I: IntoIterator<Item = LogEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let mut answers = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            let answer = state.apply(entry).map_err(|e| StorageIoError::apply(log_id, cause(&e)))?;
            answers.push(answer);
        }
        self.publish(&state);
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Builder { machine: self.clone(), state }
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<Cursor<Vec<u8>>>, StorageError> {
        Ok(Box::default())
    }

    /// Kept before it is used: the log is purged up to it next.
    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError> {
        let image = snapshot.into_inner();
        self.keep(meta, image.clone()).await.map_err(|e| cannot_write(&e))?;
        self.restore(meta, &image).map_err(|e| cannot_write(&e))
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<RaftSnapshot>, StorageError> {
        let kept = read::<KeptImage>(&*self.store, Key::Snapshot);
        let kept = kept.map_err(|e| StorageIoError::read_snapshot(None, cause(&e)))?;
        Ok(kept.map(|kept| RaftSnapshot { meta: kept.meta, snapshot: Box::new(Cursor::new(kept.image.0)) }))
    }
}

/// Holds the state as it was when the builder was asked for; entries are applied meanwhile.
pub struct Builder {
    machine: Machine,
    state: State,
}

impl RaftSnapshotBuilder<TypeConfig> for Builder {
    async fn build_snapshot(&mut self) -> Result<RaftSnapshot, StorageError> {
        let image = self.state.image().map_err(|e| cannot_write(&e))?;
        let last = self.state.last_applied;
        let meta = openraft::SnapshotMeta::<u64, BasicNode> {
            last_log_id: last,
            last_membership: self.state.membership.clone(),
            // Equal states have equal images: the place in the log names it.
            snapshot_id: last.map_or_else(String::new, |log_id| log_id.to_string()),
        };
        self.machine.keep(&meta, image.clone()).await.map_err(|e| cannot_write(&e))?;
        Ok(RaftSnapshot { meta, snapshot: Box::new(Cursor::new(image)) })
    }
}

#[cfg(test)]
mod tests {
    use openraft::CommittedLeaderId;

    use super::*;
    use crate::raft::memory_store::MemoryReplicaStore;
    use crate::raft::types::Since;

    /// What only a newer version, or damaged memory, could have put into the log.
    #[tokio::test]
    async fn an_entry_that_cannot_be_applied_is_an_error_of_the_replica() {
        let mut machine = Machine::load(Arc::new(MemoryReplicaStore::default())).unwrap();
        let entry = |index: u64, bytes: &[u8]| {
            let entry = Some(Octets(bytes.to_vec()));
            let proposal = Proposal { id: index.into(), since: Since::Entry(0), at_ms: 0, entry };
            LogEntry {
                log_id: LogId::new(CommittedLeaderId::new(1, 1), index),
                payload: EntryPayload::Normal(vec![proposal]),
            }
        };
        machine.apply([entry(1, b"no entry of ours")]).await.unwrap_err();
        let (applied, _) = machine.applied_state().await.unwrap();
        assert_eq!(applied, None, "it stops before it");
        let command = nyala_schema::command::Command::DropModule { name: "m".into(), if_exists: false };
        let refused = wire::encode_entry(&Entry { at_ms: 0, command }).unwrap();
        let answers = machine.apply([entry(1, &refused)]).await.unwrap();
        assert!(
            matches!(answers.concat()[..], [Answer::Refused(_)]),
            "an error of the user is an answer: {answers:?}"
        );
        assert_eq!(machine.progress().now().index, 1);
    }
}
