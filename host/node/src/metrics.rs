//! Numbers that a process gives of itself, for whoever watches it.

use nyala_schema::cluster::NodeState;

use crate::engine::Engine;
use crate::network::Network;

/// One number, with its labels. Metrics of one name have one help and one kind.
#[derive(Debug, Clone, PartialEq)]
pub struct Metric {
    /// As Prometheus writes names: `nyala_statements_running`.
    pub name: &'static str,
    pub help: &'static str,
    pub kind: MetricKind,
    pub labels: Vec<(&'static str, String)>,
    pub value: f64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MetricKind {
    /// Only grows while the process lives.
    Counter,
    Gauge,
}

impl Metric {
    fn counter(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: MetricKind::Counter, labels: Vec::new(), value: value as f64 }
    }

    fn gauge(name: &'static str, help: &'static str, value: u64) -> Self {
        Self { name, help, kind: MetricKind::Gauge, labels: Vec::new(), value: value as f64 }
    }

    fn with(mut self, label: &'static str, value: impl Into<String>) -> Self {
        self.labels.push((label, value.into()));
        self
    }
}

impl Engine {
    /// What can be counted of this process, those of one name next to each other.
    pub fn metrics(&self) -> Vec<Metric> {
        let mut all = self.own_metrics();
        all.extend(process_metrics());
        if let Some(network) = self.network() {
            all.extend(exchange_metrics(network));
            all.extend(connection_metrics(network));
            all.extend(cluster_metrics(network));
        }
        all
    }

    fn own_metrics(&self) -> Vec<Metric> {
        let counts = self.statements.counts();
        let ended = "Statements that have ended since the process began, by how.";
        let name = "nyala_statements_ended_total";
        let progress = self.statements.memory_bytes();
        let memory = self.executor.memory();
        vec![
            Metric::gauge("nyala_statements_running", "Statements that run or wait.", counts.running),
            Metric::counter(name, ended, counts.done).with("state", "done"),
            Metric::counter(name, ended, counts.failed).with("state", "failed"),
            Metric::counter(name, ended, counts.cancelled).with("state", "cancelled"),
            Metric::counter("nyala_rows_returned_total", "Rows given to clients.", counts.rows),
            Metric::gauge("nyala_query_memory_bytes", "Memory of queries that arrived here.", progress),
            Metric::gauge("nyala_memory_held_bytes", "That all queries hold in this process.", memory.held),
            Metric::gauge("nyala_memory_limit_bytes", "That all queries may hold here.", memory.limit),
            Metric::gauge("nyala_memory_peak_bytes", "The most that all queries held here.", memory.peak),
            Metric::counter(
                "nyala_memory_exhausted_total",
                "Times that a query was refused memory, or ended, because all was taken.",
                memory.exhausted,
            ),
            Metric::gauge("nyala_catalog_version", "The catalog's version here.", self.newest().version),
            Metric::gauge(
                "nyala_column_cache_bytes",
                "Decoded columns that are kept.",
                self.storage.column_cache_bytes() as u64,
            ),
        ]
    }
}

/// Of Linux; nothing elsewhere.
fn process_metrics() -> Vec<Metric> {
    let entries = |folder: &str| std::fs::read_dir(folder).ok().map(|entries| entries.count() as u64);
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let resident = resident.and_then(|rest| rest.split_whitespace().next()?.parse::<u64>().ok());
    let found = [
        ("process_open_fds", "Open files and sockets.", entries("/proc/self/fd")),
        ("process_threads", "Threads.", entries("/proc/self/task")),
        ("process_resident_memory_bytes", "Memory that the process holds.", resident.map(|kib| kib * 1024)),
    ];
    let made = found.into_iter().filter_map(|(name, help, value)| Some(Metric::gauge(name, help, value?)));
    made.collect()
}

fn exchange_metrics(network: &Network) -> Vec<Metric> {
    let now = network.exchange.statistics();
    vec![
        Metric::gauge("nyala_exchange_attempts", "Queries with streams here.", now.attempts),
        Metric::gauge("nyala_exchange_streams_in", "Streams that instances here read.", now.streams_in),
        Metric::gauge("nyala_exchange_streams_out", "Streams that instances here write.", now.streams_out),
        Metric::gauge("nyala_exchange_waiting_bytes", "Batches that wait to be read.", now.bytes_waiting),
        Metric::counter("nyala_exchange_sent_bytes_total", "Batches to other nodes.", now.bytes_sent),
        Metric::counter(
            "nyala_exchange_received_bytes_total",
            "Batches from other nodes.",
            now.bytes_received,
        ),
    ]
}

fn connection_metrics(network: &Network) -> Vec<Metric> {
    let connections = network.transport.connections();
    let (nodes, clients): (Vec<_>, Vec<_>) = connections.iter().partition(|one| one.user.is_none());
    let help = "Connections that are open.";
    let mut all = vec![
        Metric::gauge("nyala_connections", help, nodes.len() as u64).with("with", "node"),
        Metric::gauge("nyala_connections", help, clients.len() as u64).with("with", "client"),
    ];
    let each = |name, help, of: fn(&nyala_exchange::transport::ConnectionStatus) -> u64| {
        let named = nodes.iter().filter_map(|one| Some((one.peer.as_ref()?.id.to_string(), of(one))));
        named.map(|(node, value)| Metric::gauge(name, help, value).with("node", node)).collect::<Vec<_>>()
    };
    all.extend(each("nyala_connection_streams", "Streams on a connection.", |one| one.streams));
    all.extend(each("nyala_connection_unconfirmed_bytes", "Sent and not confirmed.", |one| {
        one.bytes_unconfirmed
    }));
    all.extend(each("nyala_connection_round_trip_us", "Of the last heartbeat.", |one| {
        one.round_trip.map_or(0, |time| u64::try_from(time.as_micros()).unwrap_or(u64::MAX))
    }));
    all
}

fn cluster_metrics(network: &Network) -> Vec<Metric> {
    let nodes = network.members.nodes();
    let states =
        [NodeState::Joining, NodeState::Active, NodeState::Draining, NodeState::Suspect, NodeState::Down];
    let count = |state: NodeState| nodes.iter().filter(|node| node.state == state).count() as u64;
    let help = "Nodes as this one sees them, by state.";
    let mut all: Vec<Metric> = states
        .into_iter()
        .map(|state| Metric::gauge("nyala_nodes", help, count(state)).with("state", state.to_string()))
        .collect();
    let leads = network.cluster.leader().is_some_and(|leader| leader.id == network.members.local());
    all.push(Metric::gauge("nyala_catalog_is_leader", "Whether this node leads the catalog.", leads.into()));
    all
}
