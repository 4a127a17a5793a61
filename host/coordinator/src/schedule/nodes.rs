//! Which nodes take part in an attempt.

use nyala_schema::cluster::{NodeId, NodeInfo, NodeState};

/// The active executors that are not left out, this node first; this node alone when there is none.
/// `nodes` has this node first.
pub(crate) fn choose(
    nodes: &[NodeInfo],
    local: NodeId,
    is_left_out: impl Fn(NodeId) -> bool,
) -> Vec<NodeInfo> {
    let takes_part = |node: &&NodeInfo| {
        node.roles.executor
            && node.state == NodeState::Active
            && (node.peer.id == local || !is_left_out(node.peer.id))
    };
    let mut chosen: Vec<NodeInfo> = nodes.iter().filter(takes_part).cloned().collect();
    if chosen.is_empty() {
        chosen.extend(nodes.iter().find(|node| node.peer.id == local).cloned());
    }
    chosen
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{Peer, Roles};

    use super::*;

    fn node(id: u64, state: NodeState, executor: bool) -> NodeInfo {
        let peer = Peer { id: NodeId(id), address: format!("node{id}") };
        NodeInfo { roles: Roles { executor, ..Roles::default() }, state, ..NodeInfo::unheard(peer) }
    }

    fn chosen(nodes: &[NodeInfo], left_out: &[u64]) -> Vec<u64> {
        let chosen = choose(nodes, NodeId(1), |node| left_out.contains(&node.0));
        chosen.iter().map(|node| node.peer.id.0).collect()
    }

    #[test]
    fn only_active_executors_that_did_not_fail_take_part() {
        let nodes = [
            node(1, NodeState::Active, true),
            node(2, NodeState::Draining, true),
            node(3, NodeState::Active, true),
            node(4, NodeState::Suspect, true),
            node(5, NodeState::Active, false),
            node(6, NodeState::Active, true),
        ];
        assert_eq!(chosen(&nodes, &[]), [1, 3, 6]);
        assert_eq!(chosen(&nodes, &[3]), [1, 6]);
    }

    #[test]
    fn this_node_steps_in_when_there_is_no_other() {
        let nodes = [node(1, NodeState::Active, false), node(2, NodeState::Down, true)];
        assert_eq!(chosen(&nodes, &[]), [1]);
        let draining = [node(1, NodeState::Draining, true), node(2, NodeState::Active, true)];
        assert_eq!(chosen(&draining, &[2]), [1]);
    }
}
