//! What a node or a client says of itself, and the limits of its connections.

use std::time::Duration;

use nyala_schema::cluster::{NodeId, ProtocolVersions};

use crate::tls::Tls;

/// The protocol that this program speaks. Two neighbouring versions work together.
pub const PROTOCOL: ProtocolVersions = ProtocolVersions { min: 1, max: 1 };

/// Bytes of one message, both ways.
pub const MESSAGE_BYTES_MAX: usize = 16 << 20;

/// A transport of a node.
#[derive(Debug, Clone)]
pub struct RpcConfig {
    /// Address to listen on, `host:port`; port 0 takes a free one.
    pub listen: String,
    /// Where other nodes reach this one, `host:port`. `None`: where it listens, with the port that it got.
    pub address: Option<String>,
    pub node: NodeId,
    /// Must grow with every start of the node.
    pub incarnation: u64,
    /// Name of the cluster.
    pub cluster: String,
    /// Drawn when the cluster was founded; a node that has not joined yet does not know it. See
    /// [`RpcTransport::set_cluster_id`](crate::RpcTransport::set_cluster_id).
    pub cluster_id: Option<u128>,
    pub protocol: ProtocolVersions,
    pub tls: Option<Tls>,
    /// Listen without TLS on more than loopback addresses.
    pub insecure: bool,
    /// Threads that carry connections.
    pub reactors: usize,
    pub limits: Limits,
    /// Where calls are handled. `None`: on the runtime that [`RpcTransport::start`](crate::RpcTransport::start) is called from.
    pub runtime: Option<tokio::runtime::Handle>,
}

impl RpcConfig {
    /// A node of a cluster that listens on a free port of this machine only.
    pub fn local(cluster: &str, node: NodeId) -> Self {
        Self {
            listen: "127.0.0.1:0".into(),
            address: None,
            node,
            incarnation: 1,
            cluster: cluster.into(),
            cluster_id: None,
            protocol: PROTOCOL,
            tls: None,
            insecure: false,
            reactors: 1,
            limits: Limits::default(),
            runtime: None,
        }
    }
}

/// What keeps one peer from disturbing others.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Bytes of batches per connection that have not arrived at the other side, at most; fewer where they would keep a control
    /// call waiting. One batch more than fits is let through, and two in any case.
    pub bulk_bytes: u64,
    /// Between two heartbeats of nodes. A client that has not been heard for three times as long gets one.
    pub heartbeat_every: Duration,
    /// A connection whose heartbeat is not answered for so long is dropped.
    pub heartbeat_limit: Duration,
    /// From the first byte of a connection until both sides know each other.
    pub hello_limit: Duration,
    /// Calls that one peer may have running here.
    pub calls_max: usize,
    /// Streams that one peer may have open to here.
    pub streams_max: usize,
    /// Connections per thread, of nodes, clients and those that have not said who they are.
    pub connections_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            bulk_bytes: 2 << 20,
            heartbeat_every: Duration::from_secs(1),
            heartbeat_limit: Duration::from_secs(5),
            hello_limit: Duration::from_secs(5),
            calls_max: 4096,
            streams_max: 1 << 17,
            connections_max: 4096,
        }
    }
}

/// A program that is no node.
#[derive(Debug, Clone, Default)]
pub struct ClientConfig {
    pub user: String,
    /// Name of the cluster that the address must belong to. `None`: any.
    pub cluster: Option<String>,
    pub tls: Option<Tls>,
    pub limits: Limits,
}
