//! openraft's messages over a [`Network`].

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nyala_schema::{Error, Result};
use openraft::error::{
    InstallSnapshotError, NetworkError, PayloadTooLarge, RPCError, RaftError, RemoteError, ReplicationClosed,
    Unreachable,
};
use openraft::network::{RPCOption, RaftNetwork, RaftNetworkFactory};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{AnyError, BasicNode, OptionalSend};

use super::message::{Request, Response};
use super::network::{Network, Peer};
use super::silence::Silence;
use super::snapshot_stream::{Plan, SendError, send};
use super::types::{RaftSnapshot, ReplicaId, TypeConfig, Vote, decode, encode};

/// Entries that need more go one after another.
const MESSAGE_BYTES_MAX: usize = 4 << 20;

pub struct Connections {
    pub network: Arc<dyn Network>,
    /// Counts the attempts at sending an image.
    pub attempts: Arc<AtomicU64>,
    pub chunk_bytes: usize,
    pub silence: Silence,
}

/// The way to one other replica.
pub struct Connection {
    network: Arc<dyn Network>,
    attempts: Arc<AtomicU64>,
    chunk_bytes: usize,
    silence: Silence,
    peer: Peer,
}

type CallError<E = openraft::error::Infallible> = RPCError<ReplicaId, BasicNode, RaftError<ReplicaId, E>>;

impl RaftNetworkFactory<TypeConfig> for Connections {
    type Network = Connection;

    async fn new_client(&mut self, target: ReplicaId, node: &BasicNode) -> Connection {
        Connection {
            network: Arc::clone(&self.network),
            attempts: Arc::clone(&self.attempts),
            chunk_bytes: self.chunk_bytes,
            silence: self.silence.clone(),
            peer: Peer { id: target, address: node.addr.clone() },
        }
    }
}

impl Connection {
    async fn call(&self, request: &Request) -> Result<Response> {
        self.send(encode(request)?).await
    }

    async fn send(&self, request: Vec<u8>) -> Result<Response> {
        let answer = self.network.call(&self.peer, request).await?;
        decode(&answer)
    }

    fn remote<E: std::error::Error>(&self, error: E) -> RemoteError<ReplicaId, BasicNode, E> {
        RemoteError::new(self.peer.id, error)
    }
}

fn unreachable(error: &Error) -> CallError {
    RPCError::Unreachable(Unreachable::new(&AnyError::error(format!("{error:?}"))))
}

fn unexpected<E: std::error::Error>() -> CallError<E> {
    RPCError::Network(NetworkError::new(&AnyError::error("an answer to another question")))
}

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<ReplicaId>, CallError> {
        if self.silence.is_on() {
            // As if it were lost: openraft waits for its answer and tries again.
            std::future::pending::<()>().await;
        }
        let count = rpc.entries.len();
        let request = encode(&Request::Append(rpc)).map_err(|e| unreachable(&e))?;
        if request.len() > MESSAGE_BYTES_MAX && count > 1 {
            return Err(RPCError::PayloadTooLarge(PayloadTooLarge::new_entries_hint(count as u64 / 2)));
        }
        match self.send(request).await.map_err(|e| unreachable(&e))? {
            Response::Append(Ok(response)) => Ok(response),
            Response::Append(Err(error)) => Err(self.remote(error).into()),
            _ => Err(unexpected()),
        }
    }

    async fn vote(
        &mut self,
        rpc: VoteRequest<ReplicaId>,
        _option: RPCOption,
    ) -> Result<VoteResponse<ReplicaId>, CallError> {
        match self.call(&Request::Vote(rpc)).await.map_err(|e| unreachable(&e))? {
            Response::Vote(Ok(response)) => Ok(response),
            Response::Vote(Err(error)) => Err(self.remote(error).into()),
            _ => Err(unexpected()),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: RaftSnapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        option: RPCOption,
    ) -> Result<SnapshotResponse<ReplicaId>, SendError> {
        let plan = Plan {
            attempt: self.attempts.fetch_add(1, Ordering::Relaxed),
            chunk_bytes: self.chunk_bytes,
            patience: option.hard_ttl(),
        };
        send(&*self.network, &self.peer, vote, snapshot, plan, cancel).await
    }

    /// Not called: [`full_snapshot`](Self::full_snapshot) sends snapshots.
    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<ReplicaId>, CallError<InstallSnapshotError>> {
        Err(unexpected())
    }
}
