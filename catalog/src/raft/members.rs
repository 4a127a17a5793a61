//! Who is a member: replicas come as learners, get a vote, lose it, and go.

use std::collections::{BTreeMap, BTreeSet};

use nyala_schema::{Error, ErrorCode, Result};
use openraft::error::{ClientWriteError, InitializeError, RaftError};
use openraft::{BasicNode, ChangeMembers};
use tokio::time::timeout;

use super::leader::{no_leader, stopped};
use super::message::{Request, Response};
use super::network::Peer;
use super::replica::Replica;
use super::status::Status;
use super::types::{Refusal, ReplicaId};

/// Of the longest time to an election: by then another replica leads, or none can.
const ELECTIONS_FOR_HAND_OVER: u32 = 5;

impl Replica {
    /// Makes a cluster of replicas whose stores are empty, by id and address. To be called on one of them; on more only
    /// with the same members.
    ///
    /// # Errors
    /// `InvalidParameter` when this replica is not one of the members. None when the cluster is there already.
    pub async fn initialize(&self, members: &BTreeMap<ReplicaId, String>) -> Result<()> {
        match self.raft().initialize(nodes(members)).await {
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

    /// Makes replicas learners, without waiting for them to have anything; one that is a member already is known under
    /// its new address from then on.
    ///
    /// # Errors
    /// As [`change_membership`](Self::change_membership).
    pub async fn admit(&self, replicas: &BTreeMap<ReplicaId, String>) -> Result<()> {
        self.ask_leader(&Request::Admit { replicas: replicas.clone() }).await.map(|_| ())
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

    /// As [`change_membership`](Self::change_membership), but who gets no vote stays as a learner.
    ///
    /// # Errors
    /// As [`change_membership`](Self::change_membership).
    pub async fn set_voters(&self, voters: &BTreeSet<ReplicaId>) -> Result<()> {
        let voters = voters.clone();
        self.ask_leader(&Request::SetVoters { voters }).await.map(|_| ())
    }

    /// Learners leave the cluster.
    ///
    /// # Errors
    /// `InvalidParameter` when one has a vote; otherwise as [`change_membership`](Self::change_membership).
    pub async fn forget(&self, replicas: &BTreeSet<ReplicaId>) -> Result<()> {
        self.ask_leader(&Request::Forget { replicas: replicas.clone() }).await.map(|_| ())
    }

    /// Has another voter lead, if this replica does. Nothing is committed meanwhile, for about the time of an election.
    ///
    /// # Errors
    /// `Connection` when no other came to lead; this one leads on then.
    pub async fn hand_over(&self) -> Result<()> {
        let id = self.id();
        let status = self.status();
        if status.leader != Some(id) || status.voters.len() == 1 {
            return Ok(());
        }
        let hush = self.silence().hush();
        let limit = ELECTIONS_FOR_HAND_OVER * self.settings().election.end;
        let is_done = |status: &Status| status.leader.is_some_and(|leader| leader != id);
        let done = timeout(limit, self.when_status(is_done)).await;
        drop(hush);
        done.map(|_| ()).map_err(|_| no_leader())
    }

    /// The status as soon as something holds of it, or when the replica has stopped.
    pub async fn when_status(&self, holds: impl Fn(&Status) -> bool) -> Status {
        let mut metrics = self.raft().metrics();
        loop {
            let status = Status::new(&metrics.borrow_and_update(), self.snapshot().version);
            if status.failure.is_some() || holds(&status) || metrics.changed().await.is_err() {
                return status;
            }
        }
    }

    /// Who leads, as far as this replica knows.
    pub fn leader(&self) -> Option<Peer> {
        self.leader_of_term().map(|(leader, _)| leader)
    }

    /// Who leads, with the term: whoever comes to lead again does so in a later one.
    pub fn leader_of_term(&self) -> Option<(Peer, u64)> {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow();
        let id = metrics.current_leader?;
        let node = metrics.membership_config.membership().get_node(&id)?;
        Some((Peer { id, address: node.addr.clone() }, metrics.current_term))
    }

    /// All other members that this replica knows.
    pub fn peers(&self) -> Vec<Peer> {
        let metrics = self.raft().metrics();
        let metrics = metrics.borrow();
        let nodes = metrics.membership_config.membership().nodes();
        let others = nodes.filter(|(id, _)| **id != self.id());
        others.map(|(id, node)| Peer { id: *id, address: node.addr.clone() }).collect()
    }

    pub(super) async fn serve_add_learner(&self, id: ReplicaId, address: String) -> Response {
        let done = self.raft().add_learner(id, BasicNode::new(address), true).await;
        membership_response(done.map(|_| ()))
    }

    pub(super) async fn serve_change(&self, change: Change) -> Response {
        let (members, stays) = match change {
            Change::Voters(voters) => (ChangeMembers::ReplaceAllVoters(voters), false),
            Change::VotersOnly(voters) => (ChangeMembers::ReplaceAllVoters(voters), true),
            // A replica is where its id is: ids are never used again, so that no two of them are at one address.
            Change::Admitted(replicas) => (ChangeMembers::SetNodes(nodes(&replicas)), true),
            Change::Forgotten(replicas) => {
                let known: BTreeSet<_> = self.status().addresses.into_keys().collect();
                let replicas: BTreeSet<_> = replicas.intersection(&known).copied().collect();
                if replicas.is_empty() {
                    return Response::MembershipChanged;
                }
                (ChangeMembers::RemoveNodes(replicas), true)
            }
        };
        membership_response(self.raft().change_membership(members, stays).await.map(|_| ()))
    }
}

pub enum Change {
    Voters(BTreeSet<ReplicaId>),
    /// Others become learners.
    VotersOnly(BTreeSet<ReplicaId>),
    Admitted(BTreeMap<ReplicaId, String>),
    Forgotten(BTreeSet<ReplicaId>),
}

fn nodes(members: &BTreeMap<ReplicaId, String>) -> BTreeMap<ReplicaId, BasicNode> {
    members.iter().map(|(id, address)| (*id, BasicNode::new(address))).collect()
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
