//! What to restart next in a rolling upgrade.

use nyala_schema::cluster::{NodeId, NodeInfo, ProtocolVersions};

/// Whether all nodes understand each other.
#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeCheck {
    /// In the order in which they should be restarted: those that vote for nothing, then voters, the leader last; older
    /// versions first.
    pub steps: Vec<UpgradeStep>,
    /// Pairs of nodes without a protocol that both speak.
    pub apart: Vec<(NodeId, NodeId)>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UpgradeStep {
    pub node: NodeId,
    pub name: String,
    pub version: String,
    pub protocol: ProtocolVersions,
    pub is_voter: bool,
    pub is_leader: bool,
    /// Runs an older version than the newest in the cluster.
    pub is_behind: bool,
}

impl UpgradeCheck {
    /// The next to be restarted, when not all run the newest version.
    pub fn next(&self) -> Option<&UpgradeStep> {
        self.steps.iter().find(|step| step.is_behind)
    }

    pub fn new(nodes: &[NodeInfo], voters: &[NodeId], leader: Option<NodeId>) -> Self {
        let newest = nodes.iter().map(|node| order(&node.version)).max().unwrap_or_default();
        let mut steps: Vec<UpgradeStep> = nodes
            .iter()
            .map(|node| UpgradeStep {
                node: node.peer.id,
                name: node.name.clone(),
                version: node.version.clone(),
                protocol: node.protocol,
                is_voter: voters.contains(&node.peer.id),
                is_leader: leader == Some(node.peer.id),
                is_behind: order(&node.version) < newest,
            })
            .collect();
        steps.sort_by_key(|step| (step.is_leader, step.is_voter, order(&step.version), step.node));
        let mut apart = Vec::new();
        for (at, one) in nodes.iter().enumerate() {
            for other in &nodes[at + 1..] {
                if one.protocol.common(other.protocol).is_none() {
                    apart.push((one.peer.id, other.peer.id));
                }
            }
        }
        Self { steps, apart }
    }
}

/// Versions by their numbers: 0.10 is newer than 0.9.
fn order(version: &str) -> Vec<u64> {
    let release = version.split(['-', '+']).next().unwrap_or(version);
    release.split('.').map(|number| number.parse().unwrap_or(0)).collect()
}
