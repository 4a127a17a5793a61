//! The transport of a node.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::transport::ConnectionStatus;
use nyala_exchange::{Handler, Outgoing, Service, Transport};
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, Result};

use crate::config::RpcConfig;

/// Carries calls and streams of a node. Ends when dropped.
pub struct RpcTransport {
    local: Peer,
}

impl RpcTransport {
    /// Listens, and serves whoever connects with `handler`.
    ///
    /// # Errors
    /// `Connection` when the address cannot be listened on; `InvalidParameter` for an address that is not loopback without
    /// TLS, unless `insecure`.
    pub fn start(config: RpcConfig, handler: Arc<dyn Handler>) -> Result<Arc<Self>> {
        let _ = (config, handler);
        Err(Error::unsupported("connections"))
    }

    /// What a node that has joined, or founded, a cluster tells from then on.
    pub fn set_cluster_id(&self, id: u128) {
        let _ = id;
    }

    /// The id of the cluster as far as this node knows: as set, or as the first peer that knew it said.
    pub fn cluster_id(&self) -> Option<u128> {
        None
    }

    /// Ends all connections and threads. What is pending fails.
    pub fn shutdown(&self) {}
}

#[async_trait]
impl Transport for RpcTransport {
    fn local(&self) -> &Peer {
        &self.local
    }

    async fn dial(&self, address: &str) -> Result<NodeId> {
        let _ = address;
        Err(Error::unsupported("connections"))
    }

    async fn call(&self, to: &Peer, service: Service, request: Bytes) -> Result<Bytes> {
        let _ = (to, service, request);
        Err(Error::unsupported("connections"))
    }

    fn open(&self, to: &Peer, stream: StreamId) -> Arc<dyn Outgoing> {
        let _ = (to, stream);
        todo!()
    }

    fn disconnect(&self, node: NodeId) {
        let _ = node;
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        Vec::new()
    }
}
