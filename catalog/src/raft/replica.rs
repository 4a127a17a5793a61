//! One replica of the catalog.

use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nyala_schema::{Error, ErrorCode, Result};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::blobs::ReplicaBlobs;
use super::leader::{no_leader, stopped};
use super::log::Log;
use super::machine::{Machine, applied_to, is_answer};
use super::members::Change;
use super::message::{Request, Response};
use super::network::Network;
use super::network_factory::Connections;
use super::progress::{Applied, Progress};
use super::proposals::Proposals;
use super::settings::Settings;
use super::silence::Silence;
use super::snapshot_stream::{Incoming, Received};
use super::status::Status;
use super::store::{Key, ReplicaStore, put, read};
use super::types::{Proposal, ProposalId, Raft, Refusal, ReplicaId, Vote, decode, encode};
use crate::blob::Blobs;
use crate::catalog::Clock;
use crate::snapshot::Snapshot;

/// What one entry of the log may take: it goes to the other replicas in one message.
const PROPOSAL_BYTES_MAX: usize = 8 << 20;

/// How long a snapshot that is asked for may take.
const CHECKPOINT_LIMIT: Duration = Duration::from_secs(60);

/// What a replica is made of.
pub struct Parts {
    /// Never that of another replica, nor of one that lost its store.
    pub id: ReplicaId,
    pub store: Arc<dyn ReplicaStore>,
    pub network: Arc<dyn Network>,
    pub blobs: Arc<dyn Blobs>,
    pub clock: Box<Clock>,
    pub settings: Settings,
}

/// A running replica; clones are the same one.
#[derive(Clone)]
pub struct Replica(Arc<Inner>);

struct Inner {
    id: ReplicaId,
    raft: Raft,
    proposals: Proposals,
    progress: Arc<Progress>,
    network: Arc<dyn Network>,
    blobs: ReplicaBlobs,
    clock: Box<Clock>,
    settings: Settings,
    incoming: Mutex<Incoming>,
    random: Mutex<StdRng>,
    silence: Silence,
}

impl Replica {
    /// Goes on from what the store keeps. A replica with an empty store waits until it is made a member, by
    /// [`initialize`](Self::initialize) or by [`add_learner`](Self::add_learner) of a member.
    ///
    /// # Errors
    /// `Store` when the store cannot be read or belongs to another replica; `InvalidParameter` for settings
    /// that do not go together.
    pub async fn start(parts: Parts) -> Result<Self> {
        let Parts { id, store, network, blobs, clock, settings } = parts;
        own(&*store, id)?;
        give_up_lead(&*store, id)?;
        let mut random = settings.random();
        let config = settings.config(&mut random)?;
        let machine = Machine::load(Arc::clone(&store))?;
        let progress = machine.progress();
        let silence = Silence::default();
        let connections = Connections {
            network: Arc::clone(&network),
            attempts: Arc::new(AtomicU64::new(random.r#gen())),
            chunk_bytes: settings.chunk_bytes.max(1),
            silence: silence.clone(),
        };
        let raft = Raft::new(id, config, connections, Log(store), machine).await;
        let raft = raft.map_err(|e| stopped(&e.to_string()))?;
        // Long enough for the others to elect another one, also when the first that tries lacks entries.
        tokio::spawn(silence.clone().watch(raft.clone(), 4 * settings.election.end));
        let proposals = Proposals::start(raft.clone());
        let blobs = ReplicaBlobs::new(blobs, settings.blob_grace);
        let incoming = Mutex::default();
        let random = Mutex::new(random);
        Ok(Self(Arc::new(Inner {
            id,
            raft,
            proposals,
            progress,
            network,
            blobs,
            clock,
            settings,
            incoming,
            random,
            silence,
        })))
    }

    pub fn id(&self) -> ReplicaId {
        self.0.id
    }

    /// Whether both are one running replica.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// Ends it; what it had said is on its disk. A replica goes on until this is called, also when all of its handles are
    /// gone.
    pub async fn stop(&self) {
        // The only error is that it has ended already.
        let _ = self.0.raft.shutdown().await;
    }

    /// What this replica knows, which may be behind what has been committed.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        self.0.progress.now().snapshot
    }

    /// A snapshot that has all that was committed before the call, on any replica.
    ///
    /// # Errors
    /// `Connection` when no leader with a majority could be asked, or this replica did not get so far in time.
    pub async fn linearizable_snapshot(&self) -> Result<Arc<Snapshot>> {
        match self.ask_leader(&Request::ReadIndex).await {
            Ok(Response::ReadIndex(index)) => {
                self.when(|applied| applied.index >= index).await.ok_or_else(no_leader)
            }
            Ok(_) => Err(unexpected()),
            // Nothing that reading could have done.
            Err(error) if error.code() == ErrorCode::CommitUnknown => Err(no_leader()),
            Err(error) => Err(error),
        }
    }

    /// The snapshot here as soon as it is of this version or a later one.
    pub async fn when_version(&self, version: u64) -> Arc<Snapshot> {
        self.0.progress.when(|applied| applied.snapshot.version >= version).await.snapshot
    }

    /// Writes a snapshot of all that is applied here to this replica's disk, and says which version it has at least.
    ///
    /// # Errors
    /// `Store` when this replica has stopped, or it took too long.
    pub async fn checkpoint(&self) -> Result<u64> {
        let applied = self.0.progress.now();
        self.0.raft.trigger().snapshot().await.map_err(|error| stopped(&error.to_string()))?;
        let is_kept = |index: Option<u64>| index.unwrap_or(0) >= applied.index;
        let kept = self.0.raft.wait(Some(CHECKPOINT_LIMIT));
        let kept = kept.metrics(|now| is_kept(now.snapshot.map(|log_id| log_id.index)), "a checkpoint");
        kept.await.map_err(|error| {
            let message = format!("the catalog's snapshot was not written: {error}");
            Error::new(ErrorCode::Store, message).with_hint("the log has everything; see the node's log")
        })?;
        Ok(applied.snapshot.version)
    }

    pub fn status(&self) -> Status {
        Status::new(&self.0.raft.metrics().borrow(), self.0.progress.now().snapshot.version)
    }

    /// Answers a request of another replica, as the network brought it.
    ///
    /// # Errors
    /// `Store` for bytes that are no request.
    pub async fn handle(&self, request: &[u8]) -> Result<Vec<u8>> {
        encode(&self.serve(decode(request)?).await)
    }

    async fn serve(&self, request: Request) -> Response {
        match request {
            Request::Append(request) => Response::Append(self.0.raft.append_entries(request).await),
            Request::Vote(request) => Response::Vote(self.0.raft.vote(request).await),
            Request::Chunk(chunk) => {
                let received = self.0.incoming.lock().unwrap_or_else(PoisonError::into_inner).take(chunk);
                match received {
                    Received::More => Response::ChunkTaken,
                    Received::Refused => Response::ChunkRefused,
                    Received::All(vote, snapshot) => {
                        Response::Installed(self.0.raft.install_full_snapshot(vote, snapshot).await)
                    }
                }
            }
            Request::Propose(proposal) => self.lead(self.serve_proposal(proposal)).await,
            Request::ReadIndex => self.lead(self.serve_read_index()).await,
            Request::AddLearner { id, address } => self.lead(self.serve_add_learner(id, address)).await,
            Request::ChangeMembership { voters } => self.change(Change::Voters(voters)).await,
            Request::SetVoters { voters } => self.change(Change::VotersOnly(voters)).await,
            Request::Admit { replicas } => self.change(Change::Admitted(replicas)).await,
            Request::Forget { replicas } => self.change(Change::Forgotten(replicas)).await,
            Request::GetBlob(hash) => self.0.blobs.serve_get(hash),
            Request::PutBlob(bytes) => self.0.blobs.serve_put(&bytes.0),
        }
    }

    /// Does it if this replica leads, within the time of an attempt.
    async fn lead(&self, work: impl Future<Output = Response>) -> Response {
        let leader = self.leader();
        if leader.as_ref().is_none_or(|leader| leader.id != self.0.id) {
            return Response::NotLeader(leader.map(|leader| (leader.id, leader.address)));
        }
        if self.0.silence.is_on() {
            return Response::NotLeader(None);
        }
        let done = timeout(self.0.settings.attempt, work).await;
        done.unwrap_or_else(|_| Response::Unknown("no majority answered in time".into()))
    }

    /// Stamps the time, and refuses what would stop every replica that applies it.
    async fn serve_proposal(&self, proposal: Proposal) -> Response {
        let bytes = proposal.entry.as_ref().map_or(0, |entry| entry.0.len());
        if bytes > PROPOSAL_BYTES_MAX {
            let message =
                format!("a change of the catalog of {bytes} bytes; at most {PROPOSAL_BYTES_MAX} fit");
            let error = Error::new(ErrorCode::TooComplex, message).with_hint("do it in several statements");
            return Response::Failed(Refusal::from(&error));
        }
        let proposal = Proposal { at_ms: (self.0.clock)(), ..proposal };
        if let Err(error) = applied_to(&self.snapshot(), &proposal)
            && !is_answer(&error)
        {
            return Response::Failed(Refusal::from(&error));
        }
        self.0.proposals.write(proposal).await
    }

    async fn change(&self, change: Change) -> Response {
        self.lead(self.serve_change(change)).await
    }

    async fn serve_read_index(&self) -> Response {
        // Who asked waits for it to be applied there; here it need not be.
        match self.0.raft.get_read_log_id().await {
            Ok((log_id, _)) => Response::ReadIndex(log_id.map_or(0, |log_id| log_id.index)),
            Err(error) => Response::Unknown(error.to_string()),
        }
    }

    /// The snapshot as soon as something holds, if it does in time.
    pub(super) async fn when(&self, holds: impl Fn(&Applied) -> bool) -> Option<Arc<Snapshot>> {
        let waited = timeout(self.0.settings.patience, self.0.progress.when(holds)).await;
        Some(waited.ok()?.snapshot)
    }

    pub(super) fn draw_id(&self) -> ProposalId {
        self.0.random.lock().unwrap_or_else(PoisonError::into_inner).r#gen()
    }

    pub(super) fn raft(&self) -> &Raft {
        &self.0.raft
    }

    pub(super) fn silence(&self) -> &Silence {
        &self.0.silence
    }

    pub(super) fn settings(&self) -> &Settings {
        &self.0.settings
    }

    pub(super) fn network(&self) -> &dyn Network {
        &*self.0.network
    }

    pub(super) fn blobs(&self) -> &ReplicaBlobs {
        &self.0.blobs
    }

    pub(super) fn progress(&self) -> &Progress {
        &self.0.progress
    }
}

/// A store belongs to the replica that used it first.
fn own(store: &dyn ReplicaStore, id: ReplicaId) -> Result<()> {
    match read::<ReplicaId>(store, Key::Owner)? {
        Some(owner) if owner != id => Err(Error::new(
            ErrorCode::Store,
            format!("the store is that of replica {owner}, not of replica {id}"),
        )
        .with_hint("start the replica with its own data folder")),
        Some(_) => Ok(()),
        None => {
            store.write(vec![put(Key::Owner, &id)?])?;
            store.flush()
        }
    }
}

/// A leader that starts again is none until it is elected anew.
///
/// openraft would have it lead on in its old term. It then takes as the place up to which a read must see the log the
/// greater of the first entry of that term and what this store knows to be committed, which may be less than what was
/// answered before the crash. A replica may always vote for itself in a later term.
fn give_up_lead(store: &dyn ReplicaStore, id: ReplicaId) -> Result<()> {
    match read::<Vote>(store, Key::Vote)? {
        Some(vote) if vote.committed && vote.leader_id.voted_for() == Some(id) => {
            store.write(vec![put(Key::Vote, &Vote::new(vote.leader_id.term + 1, id))?])?;
            store.flush()
        }
        _ => Ok(()),
    }
}

pub fn unexpected() -> Error {
    Error::internal("the leader of the catalog gave an answer to another question")
}
