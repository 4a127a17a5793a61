//! What carries calls and streams between nodes. Implemented by `host/rpc` over Cap'n Proto, and in memory.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, Result};

use crate::frame::Frame;

/// Who on a node answers a call. Numbers never change their meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Service(pub u16);

impl Service {
    /// Replicas of the catalog.
    pub const CATALOG: Self = Self(1);
    /// Who is there.
    pub const GOSSIP: Self = Self(2);
    /// Instances of fragments: started, cancelled, reported of.
    pub const QUERY: Self = Self(3);
    /// Admission to pools.
    pub const ADMISSION: Self = Self(4);
    /// Sessions of clients.
    pub const CLIENT: Self = Self(5);
    /// Joining, draining, asking for state.
    pub const ADMIN: Self = Self(6);
}

/// Who calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Caller {
    Node {
        id: NodeId,
        incarnation: u64,
    },
    /// A client, by the number of its connection; and who it says, or its certificate shows, that it is.
    Client {
        connection: u64,
        user: String,
    },
}

/// One connection as it is now.
#[derive(Debug, Clone, PartialEq)]
pub struct ConnectionStatus {
    pub peer: Option<Peer>,
    /// For clients: who it is.
    pub user: Option<String>,
    pub is_encrypted: bool,
    pub protocol: u32,
    pub open_for: Duration,
    pub streams: u64,
    pub bytes_sent: u64,
    pub bytes_received: u64,
    /// Of bulk, that the other side has not confirmed yet.
    pub bytes_unconfirmed: u64,
    pub calls: u64,
    /// Of the last heartbeat.
    pub round_trip: Option<Duration>,
}

/// Carries calls and streams from this node to others, over one connection with each.
#[async_trait]
pub trait Transport: Send + Sync + 'static {
    fn local(&self) -> &Peer;

    /// Sees that there is a connection with whoever is at an address, and says who that is.
    ///
    /// # Errors
    /// `Connection`, naming the address and why: nobody there, not our protocol, another cluster, version or certificate.
    async fn dial(&self, address: &str) -> Result<NodeId>;

    /// Takes a request to a node and brings the answer. It waits for as long as it takes: who calls sets a limit, and drops
    /// the future then, which cancels the call there.
    ///
    /// # Errors
    /// `Connection` when the node cannot be reached or went away: it may have done what was asked. What the other side
    /// answers comes as it was.
    async fn call(&self, to: &Peer, service: Service, request: Bytes) -> Result<Bytes>;

    /// The sending end of a stream. The connection is made when it is needed.
    fn open(&self, to: &Peer, stream: StreamId) -> Arc<dyn Outgoing>;

    /// Ends the connection with a node: what was on it fails. It is made again by the next use.
    fn disconnect(&self, node: NodeId);

    fn connections(&self) -> Vec<ConnectionStatus>;
}

/// The sending end of a stream. Parts arrive in order, none twice.
pub trait Outgoing: Send + Sync {
    /// Hands a part over; never waits. How many batches may be under way at once is for the caller to hold to: a batch is
    /// under way until its receipt comes.
    fn push(&self, part: StreamPart, receipt: Receipt);
}

/// What goes through a stream.
#[derive(Debug)]
pub enum StreamPart {
    Batch(Frame),
    /// No more batches come.
    End,
    /// No more batches come, and those that came are not all: the query fails.
    Failed(Error),
}

/// Called once, from any thread, never while [`Outgoing::push`] runs: when the receiver has taken the part out of its queue, or
/// with an error when it never will. Must not block.
pub type Receipt = Box<dyn FnOnce(Result<Taken>) + Send>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    MoreWanted,
    /// The receiver has enough: nothing more need be sent.
    Closed,
}

/// What a node does with what comes in.
#[async_trait]
pub trait Handler: Send + Sync + 'static {
    /// # Errors
    /// Those of the service; they travel to the caller with code, message and hint.
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes>;

    /// A part of a stream has arrived; never waits. `receipt` is called when it has been taken.
    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt);

    /// The connection with a node is gone, or it has come back as another incarnation.
    fn disconnected(&self, node: NodeId);

    /// A client has gone.
    fn client_gone(&self, connection: u64);
}
