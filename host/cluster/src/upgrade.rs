//! What to restart next in a rolling upgrade.

use nyala_schema::cluster::{NodeId, NodeInfo, NodeState, ProtocolVersions};

/// Whether all nodes understand each other.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeCheck {
    /// In the order in which they should be restarted: those that vote for nothing, then voters, the leader last; older
    /// versions first.
    pub steps: Vec<UpgradeStep>,
    /// Pairs of nodes, by name, without a protocol that both speak.
    pub apart: Vec<(String, String)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeStep {
    pub node: NodeId,
    pub name: String,
    pub version: String,
    pub protocol: ProtocolVersions,
    pub state: NodeState,
    pub is_voter: bool,
    pub is_leader: bool,
    /// Runs an older version than the newest in the cluster, or speaks an older protocol.
    pub is_behind: bool,
}

impl UpgradeCheck {
    /// The next to be restarted, when not all run the newest version.
    pub fn next(&self) -> Option<&UpgradeStep> {
        self.steps.iter().find(|step| step.is_behind)
    }

    pub fn new(nodes: &[NodeInfo], voters: &[NodeId], leader: Option<NodeId>) -> Self {
        let newest = nodes.iter().map(age).max().unwrap_or_default();
        let mut steps: Vec<UpgradeStep> = nodes
            .iter()
            .map(|node| UpgradeStep {
                node: node.peer.id,
                name: node.name.clone(),
                version: node.version.clone(),
                protocol: node.protocol,
                state: node.state,
                is_voter: voters.contains(&node.peer.id),
                is_leader: leader == Some(node.peer.id),
                is_behind: age(node) < newest,
            })
            .collect();
        let name = |step: &UpgradeStep| (step.name.clone(), step.node);
        steps.sort_by_key(|step| {
            (step.is_leader, step.is_voter, !step.is_behind, order(&step.version), name(step))
        });
        let mut apart = Vec::new();
        for (at, one) in nodes.iter().enumerate() {
            for other in &nodes[at + 1..] {
                if one.protocol.common(other.protocol).is_none() {
                    apart.push((one.name.clone(), other.name.clone()));
                }
            }
        }
        Self { steps, apart }
    }
}

/// Who has less is older.
fn age(node: &NodeInfo) -> (u32, Vec<u64>) {
    (node.protocol.max, order(&node.version))
}

/// Versions by their numbers: 0.10 is newer than 0.9.
fn order(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::Peer;

    use super::*;

    fn node(id: u64, version: &str, protocol: (u32, u32)) -> NodeInfo {
        let peer = Peer { id: NodeId(id), address: format!("n{id}:1") };
        NodeInfo {
            name: format!("n{id}"),
            state: NodeState::Active,
            version: version.into(),
            protocol: ProtocolVersions { min: protocol.0, max: protocol.1 },
            ..NodeInfo::unheard(peer)
        }
    }

    #[test]
    fn the_leader_is_last_and_old_ones_are_first() {
        let nodes = [
            node(1, "0.9.0", (1, 1)),
            node(2, "0.9.0", (1, 1)),
            node(3, "0.10.0-rc1", (1, 2)),
            node(4, "0.9.0", (1, 1)),
        ];
        let check = UpgradeCheck::new(&nodes, &[NodeId(1), NodeId(2), NodeId(3)], Some(NodeId(1)));
        let order: Vec<u64> = check.steps.iter().map(|step| step.node.0).collect();
        assert_eq!(order, [4, 2, 3, 1]);
        assert_eq!(check.next().map(|step| step.node), Some(NodeId(4)));
        assert_eq!(check.apart, []);
        let behind: Vec<u64> = check.steps.iter().filter(|step| step.is_behind).map(|s| s.node.0).collect();
        assert_eq!(behind, [4, 2, 1], "0.10 is newer than 0.9");
    }

    #[test]
    fn nodes_two_versions_apart_do_not_understand_each_other() {
        let nodes = [node(1, "0.1.0", (1, 1)), node(2, "0.2.0", (1, 2)), node(3, "0.3.0", (2, 3))];
        let check = UpgradeCheck::new(&nodes, &[], None);
        assert_eq!(check.apart, [("n1".to_owned(), "n3".to_owned())]);
    }

    #[test]
    fn an_older_protocol_is_behind_at_the_same_version() {
        let nodes = [node(1, "0.1.0", (1, 2)), node(2, "0.1.0", (1, 1)), node(3, "0.1.0", (1, 2))];
        let check = UpgradeCheck::new(&nodes, &[], Some(NodeId(3)));
        assert_eq!(check.next().map(|step| step.node), Some(NodeId(2)));
        let order: Vec<u64> = check.steps.iter().map(|step| step.node.0).collect();
        assert_eq!(order, [2, 1, 3]);
    }
}
