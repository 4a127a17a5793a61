//! What a node is given.

use std::time::Duration;

use nyala_catalog::raft::Settings;
use nyala_schema::cluster::{Machine, ProtocolVersions, Roles};

#[derive(Debug, Clone)]
pub struct ClusterSettings {
    /// Of this node, for people; unique in the cluster.
    pub name: String,
    /// Nodes of another cluster name are refused.
    pub cluster_name: String,
    /// Addresses of nodes that may be in the cluster, `host:port`. Empty: this node makes a new cluster when its data folder
    /// is empty. When the first is this node's own address, it makes one after no other has said that there is one.
    pub join: Vec<String>,
    pub roles: Roles,
    pub cores: u32,
    pub memory_bytes: u64,
    /// Where metrics and health are asked for, `host:port`.
    pub http: Option<String>,
    /// What this node runs on.
    pub machine: Option<Machine>,
    /// Of the program.
    pub version: String,
    pub protocol: ProtocolVersions,
    /// Where managed tables are. All nodes have the same, when they have one.
    pub warehouse: Option<String>,
    /// How many nodes vote over the catalog when there are enough: 1, 3 or 5.
    pub voters: usize,
    /// How long a voter is down before another node gets its vote.
    pub replace_voter_after: Duration,
    pub gossip: GossipSettings,
    pub replica: Settings,
}

impl Default for ClusterSettings {
    fn default() -> Self {
        Self {
            name: String::new(),
            cluster_name: "nyala".into(),
            join: Vec::new(),
            roles: Roles::default(),
            cores: 1,
            memory_bytes: 0,
            http: None,
            machine: None,
            version: env!("CARGO_PKG_VERSION").into(),
            protocol: ProtocolVersions { min: 1, max: 1 },
            warehouse: None,
            voters: 3,
            replace_voter_after: Duration::from_secs(60),
            gossip: GossipSettings::default(),
            replica: Settings::default(),
        }
    }
}

/// How nodes watch each other.
#[derive(Debug, Clone)]
pub struct GossipSettings {
    /// Between two rounds.
    pub interval: Duration,
    /// A node is suspect when its silence is this many times as long as usual, and at least `suspect_after`.
    pub phi_suspect: f64,
    pub suspect_after: Duration,
    /// Silence after which a node is given up. One whose connection broke and that refuses another is given up at once.
    pub down_after: Duration,
    /// How long a node that is down is still shown.
    pub forget_after: Duration,
    /// For one message, and for one try to connect.
    pub limit: Duration,
}

impl Default for GossipSettings {
    fn default() -> Self {
        Self {
            interval: Duration::from_millis(500),
            phi_suspect: 8.0,
            suspect_after: Duration::from_secs(3),
            down_after: Duration::from_secs(10),
            forget_after: Duration::from_secs(300),
            limit: Duration::from_secs(2),
        }
    }
}
