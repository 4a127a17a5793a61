//! What a replica says of itself.

use std::collections::{BTreeMap, BTreeSet};

use openraft::ServerState;
use openraft::metrics::RaftMetrics;

use super::types::ReplicaId;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Leader,
    Candidate,
    Follower,
    /// Gets all entries, and has no vote.
    Learner,
    Stopped,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Status {
    pub id: ReplicaId,
    pub role: Role,
    /// As far as this replica knows.
    pub leader: Option<ReplicaId>,
    pub term: u64,
    /// Of the catalog, here.
    pub version: u64,
    /// Indexes of the log: the last that is here, applied, in the newest image, given up.
    pub last_entry: u64,
    pub applied: u64,
    pub in_image: u64,
    pub purged: u64,
    pub voters: BTreeSet<ReplicaId>,
    pub learners: BTreeSet<ReplicaId>,
    /// Where each member is.
    pub addresses: BTreeMap<ReplicaId, String>,
    /// Between two sets of voters: a majority of each is needed, and the change has yet to be ended.
    pub is_changing: bool,
    /// Why the replica does not run any more.
    pub failure: Option<String>,
}

impl Status {
    pub(super) fn new(metrics: &RaftMetrics<ReplicaId, openraft::BasicNode>, version: u64) -> Self {
        let membership = metrics.membership_config.membership();
        let index = |log_id: Option<openraft::LogId<ReplicaId>>| log_id.map_or(0, |log_id| log_id.index);
        let role = match (&metrics.running_state, metrics.state) {
            (Err(_), _) | (_, ServerState::Shutdown) => Role::Stopped,
            (_, ServerState::Leader) => Role::Leader,
            (_, ServerState::Candidate) => Role::Candidate,
            (_, ServerState::Follower) => Role::Follower,
            (_, ServerState::Learner) => Role::Learner,
        };
        Self {
            id: metrics.id,
            role,
            leader: metrics.current_leader,
            term: metrics.current_term,
            version,
            last_entry: metrics.last_log_index.unwrap_or(0),
            applied: index(metrics.last_applied),
            in_image: index(metrics.snapshot),
            purged: index(metrics.purged),
            voters: membership.voter_ids().collect(),
            learners: membership.learner_ids().collect(),
            addresses: membership.nodes().map(|(id, node)| (*id, node.addr.clone())).collect(),
            is_changing: membership.get_joint_config().len() > 1,
            failure: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }
}

/// What became of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It made this version of the catalog.
    Done { version: u64 },
    /// It could not be done, and changed nothing.
    Refused(nyala_schema::Error),
    /// It has not been done, and never will be.
    Never,
}
