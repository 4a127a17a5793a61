//! What the log tells of the cluster when it changes: the states of nodes, and who leads the catalog.

use nyala_catalog::raft::Status;
use nyala_schema::cluster::{NodeId, NodeInfo, NodeState};

/// Tells of nodes whose state is another than before.
pub fn tell_states(before: &[NodeInfo], now: &[NodeInfo]) {
    for node in now {
        let was = before.iter().find(|known| known.peer.id == node.peer.id).map(|known| known.state);
        if was == Some(node.state) {
            continue;
        }
        let (name, address, state) = (&node.name, &node.peer.address, node.state);
        match state {
            NodeState::Suspect | NodeState::Down => tracing::warn!(name, address, "a node is {state}"),
            NodeState::Joining | NodeState::Active | NodeState::Draining => {
                tracing::info!(name, address, "a node is {state}");
            }
        }
    }
}

/// What has been told of the catalog's replicas.
#[derive(Default)]
pub struct Told {
    leader: Option<u64>,
    has_failed: bool,
}

impl Told {
    /// Tells who leads, when that is another than the last one, and when the replica of this node has stopped.
    pub fn tell_lead(&mut self, status: &Status, nodes: &[NodeInfo]) {
        if let Some(leader) = status.leader.filter(|leader| self.leader != Some(*leader)) {
            self.leader = Some(leader);
            let known = nodes.iter().find(|node| node.peer.id == NodeId(leader));
            let name = known.map_or_else(|| NodeId(leader).to_string(), |node| node.name.clone());
            tracing::info!(name, term = status.term, "a node leads the catalog");
        }
        if let Some(reason) = status.failure.as_ref().filter(|_| !self.has_failed) {
            self.has_failed = true;
            tracing::error!(reason, "the replica of the catalog has stopped; restart the node");
        }
    }
}
