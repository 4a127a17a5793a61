//! What a node is told: by a file in TOML, or by whoever embeds it.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use nyala_schema::Result;
use nyala_schema::cluster::Roles;
use nyala_schema::option::Options;

/// A node of a cluster.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// What the node keeps of its own; of no other node.
    pub data: PathBuf,
    /// Where other nodes and clients connect to; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Under which others reach it, `host:port`, when that is not `listen`.
    pub advertise: Option<String>,
    /// Nodes of the cluster to join, `host:port`. None makes a cluster, unless the data folder knows one.
    pub join: Vec<String>,
    /// For people, unique in the cluster; made of the address when it is not said.
    pub name: Option<String>,
    /// Nodes of other clusters are refused.
    pub cluster: String,
    pub roles: Roles,
    /// The folder or URL that all nodes share. Without it a cluster of one node has one in its data folder.
    pub warehouse: Option<String>,
    pub pools: BTreeMap<String, PoolConfig>,
    pub tls: Option<TlsFiles>,
    /// Connections that nobody can trust are allowed beyond loopback.
    pub allow_insecure: bool,
    /// Bytes that all queries may hold here together.
    pub memory_bytes: u64,
    /// Worker threads of queries.
    pub threads: usize,
    /// That sessions start with.
    pub options: Options,
    /// Where metrics and health are asked for.
    pub http: Option<SocketAddr>,
    /// How long a start waits for the cluster.
    pub join_limit: Duration,
    /// How long a drain waits for what runs.
    pub drain: Duration,
    /// `SET fault` is allowed: for tests.
    pub allow_faults: bool,
    /// The node says that it speaks this version of the protocol and the one before, whatever it does: for tests, where faults
    /// are allowed.
    pub claim_protocol: Option<u32>,
    /// A program that compiles modules when it is run with `compile-module`.
    pub compiler: Option<PathBuf>,
    /// How many times as long as usual nodes may take to answer each other, and as seldom they look for each other: for very
    /// many nodes on one machine. The same on all nodes.
    pub slack: u32,
}

/// PEM files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    pub ca: PathBuf,
    pub certificate: PathBuf,
    pub key: PathBuf,
}

impl TlsFiles {
    /// # Errors
    /// `FileAccess` naming the file; `InvalidParameter` when it holds no such thing.
    pub(crate) fn read(&self) -> Result<nyala_rpc::tls::Tls> {
        nyala_rpc::tls::Tls::read(&self.ca, &self.certificate, &self.key)
    }
}

/// What the queries of a pool share, over the whole cluster. What is `None` has no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolConfig {
    /// Queries that run at once; more wait.
    pub slots: Option<u32>,
    /// Of one user.
    pub slots_per_user: Option<u32>,
    /// Bytes that they may hold together, by their memory limits.
    pub memory_bytes: Option<u64>,
    /// Queries that may wait; more are refused.
    pub queue: u32,
    /// How long one waits before it is refused.
    pub queue_timeout: Duration,
    /// Where a slot of all pools becomes free, the greatest goes first.
    pub priority: i32,
}

const QUEUE: u32 = 1000;
const QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

impl Default for PoolConfig {
    fn default() -> Self {
        Self {
            slots: None,
            slots_per_user: None,
            memory_bytes: None,
            queue: QUEUE,
            queue_timeout: QUEUE_TIMEOUT,
            priority: 0,
        }
    }
}

/// How long a start waits for the cluster, and a drain for what runs, unless told otherwise.
const JOIN_LIMIT: Duration = Duration::from_secs(120);
const DRAIN: Duration = Duration::from_secs(60);

impl NodeConfig {
    /// With nothing said but the two things that have no default.
    pub fn new(data: impl Into<PathBuf>, listen: SocketAddr) -> Self {
        let options = crate::default_options();
        Self {
            data: data.into(),
            listen,
            advertise: None,
            join: Vec::new(),
            name: None,
            cluster: "nyala".into(),
            roles: Roles::default(),
            warehouse: None,
            pools: BTreeMap::new(),
            tls: None,
            allow_insecure: false,
            memory_bytes: options.memory_limit,
            threads: options.threads,
            options,
            http: None,
            join_limit: JOIN_LIMIT,
            drain: DRAIN,
            allow_faults: false,
            claim_protocol: None,
            compiler: None,
            slack: 1,
        }
    }
}
