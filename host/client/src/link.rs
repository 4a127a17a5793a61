//! What carries a client's requests to a node.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_schema::Result;

/// A connection with one node.
#[async_trait]
pub trait Link: Send + Sync + 'static {
    /// Takes a request to the service of clients and brings its answer, however long that takes.
    ///
    /// # Errors
    /// `Connection` when the node went away: it may have done what was asked. What the service itself refuses is no error
    /// here, but an answer.
    async fn call(&self, request: Bytes) -> Result<Bytes>;
}

/// Makes connections.
#[async_trait]
pub trait Dial: Send + Sync + 'static {
    /// # Errors
    /// `Connection`, naming the address and why: nobody there, not our protocol, another cluster, version or certificate.
    async fn dial(&self, address: &str) -> Result<Arc<dyn Link>>;
}
