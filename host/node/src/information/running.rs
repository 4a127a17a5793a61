//! `system`: what runs now, on all nodes. These tables are made of the nodes and not of the catalog.

use nyala_exchange::transport::ConnectionStatus;
use nyala_schema::cluster::{NodeInfo, QueryId};

use super::rows::{Cell, Kind, MadeTable, Source};
use crate::answer::FragmentProgress;
use crate::engine::Engine;
use crate::metrics::MetricKind;
use crate::statements::StatementRow;

use Kind::{Flag, Number, Real, Text, Time};

pub const TABLES: &[MadeTable] = &[
    MadeTable {
        name: "queries",
        columns: &[
            ("id", Text),
            ("state", Text),
            ("user_name", Text),
            ("pool", Text),
            ("node", Text),
            ("started", Time),
            ("elapsed_ms", Number),
            ("progress", Real),
            ("rows", Number),
            ("rows_scanned", Number),
            ("bytes_read", Number),
            ("memory_bytes", Number),
            ("error", Text),
            ("sql", Text),
        ],
        rows: queries,
    },
    MadeTable {
        name: "fragments",
        columns: &[
            ("query", Text),
            ("state", Text),
            ("node", Text),
            ("fragment", Number),
            ("instances", Number),
            ("done", Number),
            ("rows", Number),
            ("rows_per_second", Real),
            ("memory_bytes", Number),
            ("spilled_bytes", Number),
            ("bytes_sent", Number),
        ],
        rows: fragments,
    },
    MadeTable {
        name: "nodes",
        columns: &[
            ("id", Text),
            ("name", Text),
            ("address", Text),
            ("state", Text),
            ("roles", Text),
            ("is_leader", Flag),
            ("is_local", Flag),
            ("cores", Number),
            ("memory_bytes", Number),
            ("catalog_version", Number),
            ("version", Text),
            ("protocol_min", Number),
            ("protocol_max", Number),
            ("incarnation", Number),
            ("http", Text),
        ],
        rows: nodes,
    },
    MadeTable {
        name: "connections",
        columns: &[
            ("node", Text),
            ("address", Text),
            ("user_name", Text),
            ("is_encrypted", Flag),
            ("protocol", Number),
            ("open_ms", Number),
            ("streams", Number),
            ("calls", Number),
            ("bytes_sent", Number),
            ("bytes_received", Number),
            ("bytes_unconfirmed", Number),
            ("round_trip_us", Number),
        ],
        rows: connections,
    },
    MadeTable {
        name: "metrics",
        columns: &[("name", Text), ("kind", Text), ("labels", Text), ("value", Real), ("help", Text)],
        rows: metrics,
    },
];

/// What this process is called among those that run statements.
pub fn local_name(engine: &Engine) -> String {
    engine.network().and_then(|network| network.local()).map_or_else(|| "local".into(), |node| node.name)
}

/// The statements of all nodes with the name of the node that they arrived at: those that run first, oldest first.
pub fn statements(engine: &Engine) -> Vec<(String, StatementRow)> {
    let name = local_name(engine);
    let mut rows: Vec<(String, StatementRow)> =
        engine.statements.rows().into_iter().map(|row| (name.clone(), row)).collect();
    if let Some(network) = engine.network() {
        for (node, others) in network.statements() {
            rows.extend(others.into_iter().map(|row| (node.name.clone(), row)));
        }
    }
    rows.sort_by_key(|(_, row)| (row.state.is_over(), row.started_ms, row.id));
    rows
}

fn queries(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |(node, row): (String, StatementRow)| {
        vec![
            Cell::text(QueryId(row.id).to_string()),
            Cell::text(row.state.name()),
            Cell::text(row.user),
            Cell::text(row.pool),
            Cell::text(node),
            Cell::Time(row.started_ms),
            Cell::number(row.elapsed_ms),
            Cell::Real(row.fraction),
            Cell::number(row.rows),
            Cell::number(row.rows_scanned),
            Cell::number(row.bytes_read),
            Cell::number(row.memory_bytes),
            Cell::maybe(row.error),
            Cell::text(row.sql),
        ]
    };
    statements(source.engine).into_iter().map(row).collect()
}

fn fragments(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let of = |(node, row): &(String, StatementRow)| {
        let cells = |fragment: &FragmentProgress| {
            vec![
                Cell::text(QueryId(row.id).to_string()),
                Cell::text(row.state.name()),
                Cell::text(node),
                Cell::number(fragment.fragment),
                Cell::number(fragment.instances),
                Cell::number(fragment.instances_done),
                Cell::number(fragment.rows),
                Cell::Real(fragment.rows_per_second),
                Cell::number(fragment.memory_bytes),
                Cell::number(fragment.spilled_bytes),
                Cell::number(fragment.sent_bytes),
            ]
        };
        row.fragments.iter().map(cells).collect::<Vec<_>>()
    };
    statements(source.engine).iter().flat_map(of).collect()
}

fn nodes(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let Some(network) = source.engine.network() else { return vec![this_process(source.engine)] };
    let (leader, local) = (network.cluster.leader().map(|peer| peer.id), network.members.local());
    let row = |node: &NodeInfo| {
        // Of others it is what they last said.
        let version =
            if node.peer.id == local { source.engine.newest().version } else { node.catalog_version };
        vec![
            Cell::text(node.peer.id.to_string()),
            Cell::text(&node.name),
            Cell::text(&node.peer.address),
            Cell::text(node.state.to_string()),
            Cell::text(node.roles.to_string()),
            Cell::Flag(leader == Some(node.peer.id)),
            Cell::Flag(local == node.peer.id),
            Cell::number(node.cores),
            Cell::number(node.memory_bytes),
            Cell::number(version),
            Cell::text(&node.version),
            Cell::number(node.protocol.min),
            Cell::number(node.protocol.max),
            Cell::number(node.incarnation),
            Cell::maybe(node.http.clone()),
        ]
    };
    network.members.nodes().iter().map(row).collect()
}

/// An embedded engine is all that there is.
fn this_process(engine: &Engine) -> Vec<Cell> {
    let mut row = vec![
        Cell::Null,
        Cell::text(local_name(engine)),
        Cell::Null,
        Cell::text("active"),
        Cell::text("coordinator,executor,catalog"),
        Cell::Flag(true),
        Cell::Flag(true),
        Cell::number(engine.defaults.threads),
        Cell::number(engine.executor.memory().limit),
        Cell::number(engine.newest().version),
        Cell::text(env!("CARGO_PKG_VERSION")),
    ];
    row.extend([Cell::Null, Cell::Null, Cell::Null, Cell::Null]);
    row
}

fn connections(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |connection: ConnectionStatus| {
        let peer = connection.peer.as_ref();
        vec![
            Cell::maybe(peer.map(|peer| peer.id.to_string())),
            Cell::maybe(peer.map(|peer| peer.address.clone())),
            Cell::maybe(connection.user.clone()),
            Cell::Flag(connection.is_encrypted),
            Cell::number(connection.protocol),
            Cell::number(connection.open_for.as_millis()),
            Cell::number(connection.streams),
            Cell::number(connection.calls),
            Cell::number(connection.bytes_sent),
            Cell::number(connection.bytes_received),
            Cell::number(connection.bytes_unconfirmed),
            connection.round_trip.map_or(Cell::Null, |time| Cell::number(time.as_micros())),
        ]
    };
    let network = source.engine.network();
    network.map_or_else(Vec::new, |network| network.transport.connections().into_iter().map(row).collect())
}

fn metrics(source: &Source<'_>) -> Vec<Vec<Cell>> {
    let row = |metric: crate::metrics::Metric| {
        let labels = metric.labels.iter().map(|(name, value)| format!("{name}={value}"));
        let kind = match metric.kind {
            MetricKind::Counter => "counter",
            MetricKind::Gauge => "gauge",
        };
        vec![
            Cell::text(metric.name),
            Cell::text(kind),
            Cell::text(labels.collect::<Vec<_>>().join(",")),
            Cell::Real(metric.value),
            Cell::text(metric.help),
        ]
    };
    source.engine.metrics().into_iter().map(row).collect()
}
