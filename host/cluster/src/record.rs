//! What a node says of itself, as it travels: JSON, so that an older node reads what a newer one says as far as it knows it.

use nyala_schema::cluster::{Machine, NodeId, NodeInfo, NodeState, Peer, ProtocolVersions, Roles};
use serde::{Deserialize, Serialize};

/// What a node says of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub id: u64,
    pub incarnation: u64,
    /// Grows whenever something below changes.
    pub revision: u64,
    pub address: String,
    pub name: String,
    pub state: Word,
    pub roles: Vec<String>,
    pub cores: u32,
    pub memory_bytes: u64,
    pub version: String,
    pub protocol_min: u32,
    pub protocol_max: u32,
    pub catalog_version: u64,
    #[serde(default)]
    pub http: Option<String>,
    #[serde(default)]
    pub machine: Option<Machine>,
}

/// What a node says of its own state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Word {
    Joining,
    Active,
    Draining,
    /// Ends, and may come back.
    Stopped,
    /// Does not come back.
    Left,
}

impl Record {
    pub fn node(&self) -> NodeId {
        NodeId(self.id)
    }

    pub fn peer(&self) -> Peer {
        Peer { id: self.node(), address: self.address.clone() }
    }

    pub fn roles(&self) -> Roles {
        let has = |name: &str| self.roles.iter().any(|role| role == name);
        Roles { coordinator: has("coordinator"), executor: has("executor"), catalog: has("catalog") }
    }

    /// As others see the node, when they judge its state so.
    pub fn info(&self, state: NodeState) -> NodeInfo {
        NodeInfo {
            peer: self.peer(),
            name: self.name.clone(),
            incarnation: self.incarnation,
            roles: self.roles(),
            state,
            cores: self.cores,
            memory_bytes: self.memory_bytes,
            version: self.version.clone(),
            protocol: ProtocolVersions { min: self.protocol_min, max: self.protocol_max },
            catalog_version: self.catalog_version,
            http: self.http.clone(),
            machine: self.machine.clone(),
        }
    }

    /// Whether this says more than something of that incarnation and revision.
    pub fn is_newer_than(&self, incarnation: u64, revision: u64) -> bool {
        (self.incarnation, self.revision) > (incarnation, revision)
    }
}

pub fn role_names(roles: Roles) -> Vec<String> {
    roles.to_string().split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect()
}

impl Word {
    /// The state of a node that is heard.
    pub fn state(self) -> NodeState {
        match self {
            Self::Joining => NodeState::Joining,
            Self::Active => NodeState::Active,
            Self::Draining => NodeState::Draining,
            Self::Stopped | Self::Left => NodeState::Down,
        }
    }
}
