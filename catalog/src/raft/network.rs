//! How replicas reach each other. What carries the bytes, and proves who sends them, is somebody else's.

use async_trait::async_trait;
use nyala_schema::Result;

use super::types::ReplicaId;

/// Another replica, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    pub id: ReplicaId,
    /// As it was given when the replica was made a member.
    pub address: String,
}

/// Takes a request of this replica to another one, which gives it to its
/// [`Replica::handle`](super::Replica::handle), and brings the answer back. Requests may be lost, come late, twice and
/// in any order; they must not come changed.
#[async_trait]
pub trait Network: Send + Sync + 'static {
    /// Waits for as long as it takes: who calls sets a limit, and drops the future then.
    ///
    /// # Errors
    /// `Connection` when the peer is known not to be reachable now; the request may have arrived all the same.
    async fn call(&self, to: &Peer, request: Vec<u8>) -> Result<Vec<u8>>;
}
