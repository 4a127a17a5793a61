//! How much more nodes can do together than one alone.

use std::collections::HashMap;

use nyala_schema::cluster::NodeInfo;

/// The work that `nodes` do in the time in which `local` does one piece: nodes of one machine have no more cores than it has.
pub fn strength(nodes: &[&NodeInfo], local: Option<&NodeInfo>) -> f64 {
    let mut machines: HashMap<&str, (f64, f64)> = HashMap::new();
    let mut all = 0.0;
    for node in nodes {
        match &node.machine {
            Some(machine) => {
                let (used, there) = machines.entry(&machine.id).or_insert((0.0, f64::from(machine.cores)));
                *used = (*used + cores(node)).min(*there);
            }
            None => all += cores(node),
        }
    }
    all += machines.values().map(|(used, _)| used).sum::<f64>();
    (all / local.map_or(1.0, cores)).max(1.0)
}

/// That a node can use.
fn cores(node: &NodeInfo) -> f64 {
    let there = node.machine.as_ref().map_or(u32::MAX, |machine| machine.cores);
    f64::from(node.cores.min(there).max(1))
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::{Machine, NodeId, Peer};

    use super::*;

    fn node(cores: u32, machine: Option<(&str, u32)>) -> NodeInfo {
        let peer = Peer { id: NodeId(1), address: String::new() };
        let machine = machine.map(|(id, cores)| Machine { id: id.into(), cores });
        NodeInfo { cores, machine, ..NodeInfo::unheard(peer) }
    }

    fn of(nodes: &[NodeInfo]) -> f64 {
        strength(&nodes.iter().collect::<Vec<_>>(), nodes.first())
    }

    #[test]
    fn machines_of_their_own_add_up() {
        assert_eq!(of(&[node(4, Some(("a", 4))), node(4, Some(("b", 4))), node(8, None)]), 4.0);
    }

    #[test]
    fn nodes_of_one_machine_share_its_cores() {
        let crowded = node(2, Some(("a", 2)));
        assert_eq!(of(&[crowded.clone(), crowded.clone(), crowded.clone()]), 1.0);
        assert_eq!(of(&[crowded.clone(), crowded, node(2, Some(("b", 8)))]), 2.0);
        let roomy = node(2, Some(("a", 8)));
        assert_eq!(of(&[roomy.clone(), roomy.clone(), roomy]), 3.0);
    }

    #[test]
    fn more_threads_than_cores_do_not_help() {
        assert_eq!(of(&[node(16, Some(("a", 2))), node(2, Some(("b", 2)))]), 2.0);
        assert_eq!(strength(&[], None), 1.0);
    }
}
