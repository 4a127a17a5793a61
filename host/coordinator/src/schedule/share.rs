//! How many of the queries that a machine runs well are a node's own.

use nyala_schema::cluster::{NodeId, NodeInfo, NodeState};

/// Of `at_once` queries, those that node `local` may coordinate while others of its machine claim the same cores; at least one.
pub(crate) fn share(nodes: &[NodeInfo], local: NodeId, at_once: usize) -> usize {
    let own = nodes.iter().find(|node| node.peer.id == local).and_then(|node| node.machine.as_ref());
    let Some(machine) = own else { return at_once.max(1) };
    let is_neighbour = |node: &&NodeInfo| {
        let is_there = node.state != NodeState::Down;
        is_there && node.machine.as_ref().is_some_and(|other| other.id == machine.id)
    };
    let claimed: u128 = nodes.iter().filter(is_neighbour).map(|node| u128::from(node.cores)).sum();
    let there = u128::from(machine.cores).min(claimed);
    let share = at_once as u128 * there / claimed.max(1);
    usize::try_from(share).unwrap_or(at_once).max(1)
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{Machine, Peer};

    use super::*;

    fn node(id: u64, cores: u32, machine: Option<&str>) -> NodeInfo {
        let peer = Peer { id: NodeId(id), address: format!("node{id}") };
        let machine = machine.map(|id| Machine { id: id.into(), cores: 8 });
        NodeInfo { state: NodeState::Active, cores, machine, ..NodeInfo::unheard(peer) }
    }

    #[test]
    fn nodes_that_claim_the_same_cores_share_their_queries() {
        let of =
            |cores: u32| share(&[1, 2, 3].map(|id| node(id, cores, Some("m"))), NodeId(2), cores as usize);
        assert_eq!(of(8), 2);
        assert_eq!(of(2), 2, "there are as many as they claim");
        assert_eq!(of(4), 2);
    }

    #[test]
    fn others_do_not_count() {
        let mut gone = node(2, 8, Some("m"));
        gone.state = NodeState::Down;
        let nodes = [node(1, 8, Some("m")), gone, node(3, 8, Some("n")), node(4, 8, None)];
        for id in [1, 3, 4, 5] {
            assert_eq!(share(&nodes, NodeId(id), 8), 8, "{id}");
        }
        assert_eq!(share(&nodes, NodeId(1), usize::MAX), usize::MAX);
    }

    #[test]
    fn one_is_always_allowed() {
        let many: Vec<NodeInfo> = (1..=100).map(|id| node(id, 8, Some("m"))).collect();
        assert_eq!(share(&many, NodeId(7), 8), 1);
        assert_eq!(share(&[node(1, 0, Some("m"))], NodeId(1), 0), 1);
    }
}
