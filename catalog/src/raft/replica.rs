//! One replica of the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, PoisonError};

use nyala_schema::command::{Command, Entry};
use nyala_schema::{Error, ErrorCode, Result, wire};
use openraft::BasicNode;
use openraft::error::{ClientWriteError, InitializeError, RaftError};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::time::timeout;

use super::blobs::ReplicaBlobs;
use super::leader::{no_leader, stopped, unknown};
use super::log::Log;
use super::machine::{Machine, applied_to, is_answer};
use super::message::{Request, Response};
use super::network::{Network, Peer};
use super::network_factory::Connections;
use super::octets::Octets;
use super::progress::{Applied, Progress};
use super::settings::Settings;
use super::silence::Silence;
use super::snapshot_stream::{Incoming, Received};
use super::status::{Outcome, Status};
use super::store::{Key, ReplicaStore, put, read};
use super::types::{Answer, Proposal, ProposalId, Raft, Refusal, ReplicaId, Vote, decode, encode};
use crate::blob::Blobs;
use crate::catalog::Clock;
use crate::snapshot::Snapshot;

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
        let blobs = ReplicaBlobs::new(blobs, settings.blob_grace);
        let incoming = Mutex::default();
        let random = Mutex::new(random);
        Ok(Self(Arc::new(Inner {
            id,
            raft,
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

    /// Has a command applied, once. When this returns, a majority has it on disk; the snapshot has it, and perhaps
    /// later ones.
    ///
    /// # Errors
    /// Those of [`apply`](crate::apply()): nothing has changed then. `Connection`: nothing was done, try again.
    /// `CommitUnknown`: it may have been done or may be done yet. `Store`: this replica has stopped.
    pub async fn commit(&self, command: &Command) -> Result<Arc<Snapshot>> {
        let version = self.propose(command).await?;
        let snapshot = self.when(|applied| applied.snapshot.version >= version).await;
        snapshot.ok_or_else(|| {
            let message =
                format!("done, as version {version} of the catalog, which this replica has not got yet");
            Error::new(ErrorCode::CommitUnknown, message).with_hint("do not run the statement again")
        })
    }

    /// The snapshot here as soon as it is of this version or a later one.
    pub async fn when_version(&self, version: u64) -> Arc<Snapshot> {
        self.0.progress.when(|applied| applied.snapshot.version >= version).await.snapshot
    }

    /// As [`commit`](Self::commit), without waiting for this replica to have it: the version that it made.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub async fn propose(&self, command: &Command) -> Result<u64> {
        let entry = wire::encode_entry(&Entry { at_ms: 0, command: command.clone() })?;
        let id = self.0.random.lock().unwrap_or_else(PoisonError::into_inner).r#gen();
        let floor = self.0.progress.now().index;
        let proposal = Proposal { id, floor, at_ms: 0, entry: Octets(entry) };
        match self.ask_leader(&Request::Propose(proposal)).await? {
            Response::Answer(Answer::Applied { version }) => Ok(version),
            Response::Answer(Answer::Refused(refusal)) => Err(refusal.into()),
            Response::Answer(Answer::Expired) => Err(unknown()),
            _ => Err(unexpected()),
        }
    }

    /// As [`commit`](Self::commit), under the id of a statement: however often it is tried, on whatever replicas, it is done
    /// once.
    ///
    /// # Errors
    /// As [`commit`](Self::commit). What is `CommitUnknown` can be tried again, or asked after with
    /// [`outcome`](Self::outcome).
    pub async fn commit_as(&self, id: ProposalId, command: &Command) -> Result<Arc<Snapshot>> {
        let _ = (id, command);
        todo!()
    }

    /// What became of a statement. Asking settles it: what had not been done by then never will be.
    ///
    /// # Errors
    /// `Connection` when no leader could be asked; `CommitUnknown` when it was not heard of again, or so much has been
    /// committed since that nobody knows any more.
    pub async fn outcome(&self, id: ProposalId) -> Result<Outcome> {
        let _ = id;
        todo!()
    }

    /// Makes a cluster of replicas whose stores are empty, by id and address. To be called on one of them; on more only
    /// with the same members.
    ///
    /// # Errors
    /// `InvalidParameter` when this replica is not one of the members. None when the cluster is there already.
    pub async fn initialize(&self, members: &BTreeMap<ReplicaId, String>) -> Result<()> {
        let nodes = members.iter().map(|(id, address)| (*id, BasicNode::new(address)));
        match self.0.raft.initialize(nodes.collect::<BTreeMap<_, _>>()).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(RaftError::APIError(e)) => Err(Error::new(ErrorCode::InvalidParameter, e.to_string())),
            Err(RaftError::Fatal(e)) => Err(stopped(&e.to_string())),
        }
    }

    /// Has a replica get all entries, without a vote; returns when it has nearly all.
    ///
    /// # Errors
    /// As [`change_membership`](Self::change_membership).
    pub async fn add_learner(&self, id: ReplicaId, address: &str) -> Result<()> {
        let address = address.to_owned();
        self.ask_leader(&Request::AddLearner { id, address }).await.map(|_| ())
    }

    /// Gives the vote to these replicas and to no others; each must have it or be a learner. Who had a vote and gets
    /// none leaves the cluster.
    ///
    /// # Errors
    /// `InvalidParameter` for members that are none; `Connection` and `CommitUnknown` as for [`commit`](Self::commit): to
    /// call it again is safe.
    pub async fn change_membership(&self, voters: &BTreeSet<ReplicaId>) -> Result<()> {
        let voters = voters.clone();
        self.ask_leader(&Request::ChangeMembership { voters }).await.map(|_| ())
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
            Request::AddLearner { id, address } => {
                let done =
                    async { self.0.raft.add_learner(id, BasicNode::new(address), true).await.map(|_| ()) };
                self.lead(async { membership_response(done.await) }).await
            }
            Request::ChangeMembership { voters } => {
                let done = async { self.0.raft.change_membership(voters, false).await.map(|_| ()) };
                self.lead(async { membership_response(done.await) }).await
            }
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
        let proposal = Proposal { at_ms: (self.0.clock)(), ..proposal };
        if let Err(error) = applied_to(&self.snapshot(), &proposal)
            && !is_answer(&error)
        {
            return Response::Failed(Refusal::from(&error));
        }
        match self.0.raft.client_write(proposal).await {
            Ok(written) => Response::Answer(written.data),
            Err(error) => Response::Unknown(error.to_string()),
        }
    }

    async fn serve_read_index(&self) -> Response {
        // Who asked waits for it to be applied there; here it need not be.
        match self.0.raft.get_read_log_id().await {
            Ok((log_id, _)) => Response::ReadIndex(log_id.map_or(0, |log_id| log_id.index)),
            Err(error) => Response::Unknown(error.to_string()),
        }
    }

    /// The snapshot as soon as something holds, if it does in time.
    async fn when(&self, holds: impl Fn(&Applied) -> bool) -> Option<Arc<Snapshot>> {
        let waited = timeout(self.0.settings.patience, self.0.progress.when(holds)).await;
        Some(waited.ok()?.snapshot)
    }

    /// Who leads, as far as this replica knows.
    pub(super) fn leader(&self) -> Option<Peer> {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        let id = metrics.current_leader?;
        let node = metrics.membership_config.membership().get_node(&id)?;
        Some(Peer { id, address: node.addr.clone() })
    }

    /// All other members that this replica knows.
    pub(super) fn peers(&self) -> Vec<Peer> {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.0.id);
        others.map(|(id, node)| Peer { id: *id, address: node.addr.clone() }).collect()
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

type MembershipError = RaftError<ReplicaId, ClientWriteError<ReplicaId, BasicNode>>;

fn membership_response(done: Result<(), MembershipError>) -> Response {
    match done {
        Ok(()) => Response::MembershipChanged,
        Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(error))) => match error {
            // Waits for the one before it.
            openraft::error::ChangeMembershipError::InProgress(_) => Response::NotLeader(None),
            other => {
                let error = Error::new(ErrorCode::InvalidParameter, other.to_string())
                    .with_hint("add a replica as a learner before it gets a vote");
                Response::Failed(Refusal::from(&error))
            }
        },
        Err(error) => Response::Unknown(error.to_string()),
    }
}

fn unexpected() -> Error {
    Error::internal("the leader of the catalog gave an answer to another question")
}
