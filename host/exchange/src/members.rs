//! What is known of the nodes of the cluster.

use std::sync::Arc;

use nyala_schema::cluster::{NodeId, NodeInfo};
use tokio::sync::watch;

/// The nodes as this one sees them. What it knows may be some seconds old; of itself it is right.
pub trait Members: Send + Sync + 'static {
    /// This node first, the others by id; those that are down for some time are left out.
    fn nodes(&self) -> Arc<Vec<NodeInfo>>;

    /// Changes whenever [`nodes`](Self::nodes) does.
    fn watch(&self) -> watch::Receiver<Arc<Vec<NodeInfo>>>;

    fn local(&self) -> NodeId;

    fn node(&self, id: NodeId) -> Option<NodeInfo> {
        self.nodes().iter().find(|node| node.peer.id == id).cloned()
    }
}
