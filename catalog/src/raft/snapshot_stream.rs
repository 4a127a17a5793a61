//! An image of the state machine, sent in pieces.
//!
//! openraft has a way of its own for that, which puts a piece where its offset says: one that comes late and twice can
//! end a newer transfer with a hole. Here pieces are taken in order, of one attempt only, and the whole is checked.

use std::io::Cursor;

use nyala_schema::Result;
use openraft::AnyError;
use openraft::error::{NetworkError, ReplicationClosed, StreamingError};
use openraft::raft::SnapshotResponse;

use super::message::{Chunk, Request, Response};
use super::network::{Network, Peer};
use super::octets::Octets;
use super::types::{RaftSnapshot, ReplicaId, TypeConfig, Vote, decode, encode};

type Fatal = openraft::error::Fatal<ReplicaId>;
pub type SendError = StreamingError<TypeConfig, Fatal>;

/// Sends all of it, and waits until it is installed.
///
/// # Errors
/// `Network` when it has to be tried again from the beginning.
pub async fn send(
    network: &dyn Network,
    to: &Peer,
    vote: Vote,
    snapshot: RaftSnapshot,
    plan: Plan,
    closed: impl Future<Output = ReplicationClosed>,
) -> Result<SnapshotResponse<ReplicaId>, SendError> {
    let image = snapshot.snapshot.into_inner();
    let checksum = crc32fast::hash(&image);
    let mut closed = std::pin::pin!(closed);
    let mut offset = 0;
    loop {
        if let Some(closed) = futures_util::FutureExt::now_or_never(closed.as_mut()) {
            return Err(closed.into());
        }
        let end = image.len().min(offset + plan.chunk_bytes);
        let request = Request::Chunk(Chunk {
            vote,
            meta: snapshot.meta.clone(),
            attempt: plan.attempt,
            offset: offset as u64,
            bytes_total: image.len() as u64,
            checksum,
            bytes: Octets(image[offset..end].to_vec()),
        });
        let request = encode(&request).map_err(|e| again(&e))?;
        let answer = tokio::time::timeout(plan.patience, network.call(to, request)).await;
        let answer = answer.map_err(|_| again(&"no answer"))?.map_err(|e| again(&e))?;
        match decode(&answer).map_err(|e| again(&e))? {
            Response::Installed(Ok(response)) => return Ok(response),
            Response::ChunkTaken if end < image.len() => offset = end,
            _ => return Err(again(&"refused")),
        }
    }
}

/// How an image is sent.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Unlike any other of this replica.
    pub attempt: u64,
    pub chunk_bytes: usize,
    /// For one piece.
    pub patience: std::time::Duration,
}

fn again(error: &dyn std::fmt::Display) -> SendError {
    let error = AnyError::error(format!("a snapshot could not be sent: {error}"));
    StreamingError::Network(NetworkError::new(&error))
}

/// The pieces that have come so far, of the newest attempt.
#[derive(Default)]
pub struct Incoming {
    sender: (Vote, u64),
    bytes: Vec<u8>,
    is_open: bool,
}

pub enum Received {
    More,
    Refused,
    All(Vote, RaftSnapshot),
}

impl Incoming {
    pub fn take(&mut self, chunk: Chunk) -> Received {
        let sender = (chunk.vote, chunk.attempt);
        if chunk.offset == 0 {
            *self = Self { sender, bytes: Vec::new(), is_open: true };
        }
        if !self.is_open || self.sender != sender || self.bytes.len() as u64 != chunk.offset {
            return Received::Refused;
        }
        self.bytes.extend_from_slice(&chunk.bytes.0);
        if (self.bytes.len() as u64) < chunk.bytes_total {
            return Received::More;
        }
        let bytes = std::mem::take(self).bytes;
        if bytes.len() as u64 != chunk.bytes_total || crc32fast::hash(&bytes) != chunk.checksum {
            return Received::Refused;
        }
        let snapshot = RaftSnapshot { meta: chunk.meta, snapshot: Box::new(Cursor::new(bytes)) };
        Received::All(chunk.vote, snapshot)
    }
}
