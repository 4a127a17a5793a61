//! What the service of clients asks of the cluster.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use nyala_cluster::Cluster;
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, NodeInfo};

#[async_trait]
pub trait Surroundings: Send + Sync + 'static {
    /// This node first.
    fn nodes(&self) -> Arc<Vec<NodeInfo>>;

    /// Lets a node take no new work, and comes back when it has left.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that there is not; what the node says.
    async fn drain(&self, node: NodeId, within: Duration) -> Result<()>;

    /// Forgets a node that is down.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that there is not; when it is not down.
    async fn remove(&self, node: NodeId) -> Result<()>;
}

#[async_trait]
impl Surroundings for Cluster {
    fn nodes(&self) -> Arc<Vec<NodeInfo>> {
        self.members().nodes()
    }

    async fn drain(&self, node: NodeId, within: Duration) -> Result<()> {
        self.drain_node(node, within).await
    }

    async fn remove(&self, node: NodeId) -> Result<()> {
        Self::remove(self, node).await
    }
}
