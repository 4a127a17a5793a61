//! Which node decides over admission.

use std::sync::Arc;

use nyala_exchange::Members;
use nyala_schema::cluster::{NodeState, Peer};

/// The node that all agree on, or soon will: the one that leads the catalog.
pub trait Leader: Send + Sync + 'static {
    /// `None` while there is none.
    fn leader(&self) -> Option<Peer>;
}

impl<F: Fn() -> Option<Peer> + Send + Sync + 'static> Leader for F {
    fn leader(&self) -> Option<Peer> {
        self()
    }
}

/// The active node of the lowest id, where there is nothing better to agree on.
pub struct LowestNode(pub Arc<dyn Members>);

impl Leader for LowestNode {
    fn leader(&self) -> Option<Peer> {
        let nodes = self.0.nodes();
        let active = nodes.iter().filter(|node| node.state == NodeState::Active);
        active.map(|node| &node.peer).min_by_key(|peer| peer.id).cloned()
    }
}
