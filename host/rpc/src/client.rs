//! A connection of a program that is no node.

use std::sync::Arc;

use bytes::Bytes;
use nyala_exchange::Service;
use nyala_schema::cluster::Peer;
use nyala_schema::{Error, Result};

use crate::config::ClientConfig;

/// A connection with a node. Closed when dropped.
pub struct ClientConnection {
    peer: Peer,
}

/// Connects to a node.
///
/// # Errors
/// `Connection`, naming the address and why: nobody there, not our protocol, another cluster, version or certificate.
pub async fn connect(address: &str, config: ClientConfig) -> Result<Arc<ClientConnection>> {
    let _ = (address, config);
    Err(Error::unsupported("connections"))
}

impl ClientConnection {
    /// Takes a request and brings the answer. It waits for as long as it takes; dropping the future cancels the call there.
    ///
    /// # Errors
    /// `Connection` when the node went away: it may have done what was asked. What the node answers comes as it was.
    pub async fn call(&self, service: Service, request: Bytes) -> Result<Bytes> {
        let _ = (service, request);
        Err(Error::unsupported("connections"))
    }

    /// The node at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether calls can still succeed.
    pub fn is_open(&self) -> bool {
        false
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Error {
        Error::unsupported("connections")
    }
}
