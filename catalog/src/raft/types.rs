//! What goes into the replicated log, and what comes back when it has been applied.

use std::io::Cursor;

use nyala_schema::{Error, ErrorCode, Result};
use openraft::BasicNode;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::octets::Octets;

/// Names a replica for ever: a replica that lost its disk comes back under another id.
pub type ReplicaId = u64;

/// Names one call of `commit`, or a statement, over all its attempts.
pub type ProposalId = u128;

openraft::declare_raft_types!(
    pub TypeConfig:
        D = Group,
        R = Answers,
        NodeId = ReplicaId,
        Node = BasicNode,
);

pub type Raft = openraft::Raft<TypeConfig>;
pub type LogEntry = openraft::Entry<TypeConfig>;
pub type LogId = openraft::LogId<ReplicaId>;
pub type Vote = openraft::Vote<ReplicaId>;
pub type StorageError = openraft::StorageError<ReplicaId>;
pub type StorageIoError = openraft::StorageIOError<ReplicaId>;
pub type SnapshotMeta = openraft::SnapshotMeta<ReplicaId, BasicNode>;
pub type RaftSnapshot = openraft::Snapshot<TypeConfig>;
pub type Membership = openraft::StoredMembership<ReplicaId, BasicNode>;

/// What came to the leader at the same time: one entry of the log, applied in this order.
pub type Group = Vec<Proposal>;

/// To each of a group, in its order.
pub type Answers = Vec<Answer>;

/// A command that somebody wants applied, once.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Proposal {
    pub id: ProposalId,
    pub since: Since,
    /// When a leader accepted it, milliseconds since 1970.
    pub at_ms: i64,
    /// A `nyala_schema::command::Entry` in its wire form; its own time is not used. `None` is a fence: unless the command of
    /// this id comes before it in the log, it is never applied.
    pub entry: Option<Octets>,
}

/// How far back an earlier application of a proposal can lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Since {
    /// An index of the log that had been applied when the proposal was first made: it can only be applied after it.
    Entry(u64),
    /// The id is that of a statement, a UUID that grows with time: it may be tried again at any time, from anywhere.
    Statement,
}

/// What a proposal did.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Applied {
        version: u64,
    },
    /// The command cannot be done, which is an answer like any other.
    Refused(Refusal),
    /// Too old to know whether it was applied before: not applied now.
    Expired,
    /// A fence came first.
    Never,
}

/// An error of `apply`, as it travels and is kept.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Refusal {
    sqlstate: String,
    message: String,
    hint: Option<String>,
}

impl From<&Error> for Refusal {
    fn from(error: &Error) -> Self {
        Self {
            sqlstate: error.code().sqlstate().to_owned(),
            message: error.message().to_owned(),
            hint: error.hint().map(str::to_owned),
        }
    }
}

impl From<Refusal> for Error {
    fn from(refusal: Refusal) -> Self {
        let code = ErrorCode::from_sqlstate(&refusal.sqlstate).unwrap_or(ErrorCode::Internal);
        let error = Error::new(code, refusal.message);
        match refusal.hint {
            Some(hint) => error.with_hint(hint),
            None => error,
        }
    }
}

/// # Errors
/// `Internal`: none of our types fails to be written.
pub fn encode<T: Serialize>(value: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(value).map_err(|e| Error::internal(format!("a message cannot be written: {e}")))
}

/// # Errors
/// `Store` when the bytes are not what a replica of this version writes.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    postcard::from_bytes(bytes).map_err(|e| {
        Error::new(ErrorCode::Store, format!("bytes of another replica or its log cannot be read: {e}"))
            .with_hint("see that all replicas run the same version of Nyala")
    })
}
