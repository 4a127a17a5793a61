//! Nodes, and the queries, instances and streams that run between them.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::id::FragmentId;

/// A node, for as long as it has its data folder: drawn at random when it first starts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

/// 16 hexadecimal digits.
impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// A node and where it is reached, `host:port`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Peer {
    pub id: NodeId,
    pub address: String,
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.address, self.id)
    }
}

/// A statement that runs, or ran: a UUID of the seventh version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QueryId(pub u128);

/// 32 hexadecimal digits.
impl fmt::Display for QueryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl std::str::FromStr for QueryId {
    type Err = std::num::ParseIntError;

    /// With or without hyphens.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        u128::from_str_radix(&text.replace('-', ""), 16).map(Self)
    }
}

/// One try at running a query; a query that lost a node is run again under the next number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Attempt {
    pub query: QueryId,
    /// From 0.
    pub number: u32,
}

impl fmt::Display for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.query, self.number)
    }
}

/// A fragment on one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InstanceId {
    pub attempt: Attempt,
    pub fragment: FragmentId,
    /// From 0, among the instances of the fragment.
    pub index: u32,
}

impl fmt::Display for InstanceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}", self.attempt, self.fragment, self.index)
    }
}

/// The rows of one sending instance for one receiving instance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId {
    pub attempt: Attempt,
    /// That sends; it has one output, so that this names the exchange.
    pub fragment: FragmentId,
    /// Index of the sending instance.
    pub sender: u32,
    /// Index of the receiving instance, among those of the fragment that the output names.
    pub receiver: u32,
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}.{}→{}", self.attempt, self.fragment, self.sender, self.receiver)
    }
}

/// What a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Roles {
    /// Takes statements of clients and plans them.
    pub coordinator: bool,
    /// Runs instances of fragments.
    pub executor: bool,
    /// May hold a vote over the catalog.
    pub catalog: bool,
}

impl Default for Roles {
    fn default() -> Self {
        Self { coordinator: true, executor: true, catalog: true }
    }
}

/// Names parted by commas.
impl fmt::Display for Roles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let all = [(self.coordinator, "coordinator"), (self.executor, "executor"), (self.catalog, "catalog")];
        let names: Vec<&str> = all.iter().filter(|(has, _)| *has).map(|(_, name)| *name).collect();
        f.write_str(&names.join(","))
    }
}

/// What a node says of itself, or is said of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Not ready for work yet.
    Joining,
    Active,
    /// Takes no new work, and leaves when the old is done.
    Draining,
    /// Not heard of for longer than is usual.
    Suspect,
    /// Given up: what it ran is run elsewhere.
    Down,
}

impl fmt::Display for NodeState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Joining => "joining",
            Self::Active => "active",
            Self::Draining => "draining",
            Self::Suspect => "suspect",
            Self::Down => "down",
        })
    }
}

/// The versions of the protocol between nodes that a program speaks, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ProtocolVersions {
    pub min: u32,
    pub max: u32,
}

impl ProtocolVersions {
    /// The newest that both speak.
    pub fn common(self, other: Self) -> Option<u32> {
        let newest = self.max.min(other.max);
        (newest >= self.min.max(other.min)).then_some(newest)
    }
}

/// All that the other nodes know of one.
#[derive(Debug, Clone, PartialEq)]
pub struct NodeInfo {
    pub peer: Peer,
    /// For people; unique in the cluster.
    pub name: String,
    /// Grows with every start of the node, so that what an earlier run sent is told apart.
    pub incarnation: u64,
    pub roles: Roles,
    pub state: NodeState,
    pub cores: u32,
    /// Bytes that queries may hold there.
    pub memory_bytes: u64,
    /// Of the program, for people.
    pub version: String,
    pub protocol: ProtocolVersions,
    /// Of the catalog, as far as it has got there.
    pub catalog_version: u64,
    /// Where metrics and health are asked for, `host:port`.
    pub http: Option<String>,
    /// What the node runs on, where it could find out.
    pub machine: Option<Machine>,
}

impl NodeInfo {
    /// A node that has not said anything of itself; its address is its name.
    pub fn unheard(peer: Peer) -> Self {
        Self {
            name: peer.address.clone(),
            peer,
            incarnation: 1,
            roles: Roles::default(),
            state: NodeState::Joining,
            cores: 1,
            memory_bytes: 0,
            version: String::new(),
            protocol: ProtocolVersions { min: 0, max: 0 },
            catalog_version: 0,
            http: None,
            machine: None,
        }
    }
}

/// A running operating system, which containers share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// No other has it.
    pub id: String,
    /// Of all that runs there.
    pub cores: u32,
}
