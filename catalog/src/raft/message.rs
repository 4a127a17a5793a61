//! What replicas say to each other.

use std::collections::{BTreeMap, BTreeSet};

use nyala_schema::guest::ModuleHash;
use openraft::error::{Fatal, RaftError};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use serde::{Deserialize, Serialize};

use super::octets::Octets;
use super::types::{Answer, Proposal, Refusal, ReplicaId, SnapshotMeta, TypeConfig, Vote};

#[derive(Serialize, Deserialize)]
pub enum Request {
    Append(AppendEntriesRequest<TypeConfig>),
    Vote(VoteRequest<ReplicaId>),
    Chunk(Chunk),
    /// To the leader only, as the four after it.
    Propose(Proposal),
    /// Up to where the log must be applied for a read to see all that was committed before.
    ReadIndex,
    AddLearner {
        id: ReplicaId,
        address: String,
    },
    ChangeMembership {
        voters: BTreeSet<ReplicaId>,
    },
    GetBlob(Hash),
    PutBlob(Octets),
    /// To the leader only, as the two after it: makes replicas members, or changes their addresses.
    Admit {
        replicas: BTreeMap<ReplicaId, String>,
    },
    /// As `ChangeMembership`, but who loses the vote stays as a learner.
    SetVoters {
        voters: BTreeSet<ReplicaId>,
    },
    /// Learners that are none any more.
    Forget {
        replicas: BTreeSet<ReplicaId>,
    },
}

/// A piece of an image of the state machine.
#[derive(Serialize, Deserialize)]
pub struct Chunk {
    pub vote: Vote,
    pub meta: SnapshotMeta,
    /// One try at sending the whole of it, by one replica.
    pub attempt: u64,
    pub offset: u64,
    pub bytes_total: u64,
    /// Of the whole.
    pub checksum: u32,
    pub bytes: Octets,
}

#[derive(Serialize, Deserialize)]
pub enum Response {
    Append(Result<AppendEntriesResponse<ReplicaId>, RaftError<ReplicaId>>),
    Vote(Result<VoteResponse<ReplicaId>, RaftError<ReplicaId>>),
    /// More is wanted.
    ChunkTaken,
    /// Not the piece that was due: begin again.
    ChunkRefused,
    Installed(Result<SnapshotResponse<ReplicaId>, Fatal<ReplicaId>>),
    Answer(Answer),
    ReadIndex(u64),
    MembershipChanged,
    /// Nothing was done: another replica leads, perhaps this one.
    NotLeader(Option<(ReplicaId, String)>),
    /// It is not known whether it was or will be done.
    Unknown(String),
    /// Nothing was done, nor would be at another time.
    Failed(Refusal),
    Blob(Option<Octets>),
    BlobKept,
}

/// A SHA-256.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub struct Hash(pub [u8; 32]);

impl From<ModuleHash> for Hash {
    fn from(hash: ModuleHash) -> Self {
        Self(hash.0)
    }
}
