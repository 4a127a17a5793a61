//! What a way of running a plan costs: nanoseconds until the busiest node is ready, roughly, which are bytes that it copies.
//!
//! Only the proportions matter. Work that nodes share costs each of them its part.

use nyala_schema::Operator;
use nyala_schema::operator::OperatorKind;

use super::location::Location;
use super::ranges::Ranges;
use super::width::bytes_read;

/// Of every row that an operator takes.
pub const ROW: f64 = 2.0;
const BUILD_ROW: f64 = 50.0;
const PROBE_ROW: f64 = 15.0;
pub const GROUPED_ROW: f64 = 20.0;
const GROUP: f64 = 20.0;
/// Of a row, for each doubling of the rows.
const SORTED_ROW: f64 = 4.0;
/// Of a row that is merged, for each doubling of the streams. Three streams of six million rows took 9 ns for an integer key,
/// 18 ns for a decimal one beside two other columns, where sorting them took 4.8 ns for each doubling of the rows.
const MERGED_ROW: f64 = 12.0;
const PAIR: f64 = 1.0;
/// Decoding a byte of a column.
const SCANNED_BYTE: f64 = 1.0;
/// Additions, in which costs of users' code are counted by the hundred.
const GUEST_ROW: f64 = 0.01;
/// Of a row in an exchange, beside its columns.
const ROW_MOVED: f64 = 2.0;
/// Of an exchange: streams are made, batches are partly filled, and its end is waited for.
const EXCHANGE: f64 = 200_000.0;
/// Of a scan that nodes share: each asks for its parts.
const SHARED_SCAN: f64 = 200_000.0;
/// Of work on the coordinator when distribution is asked for, so that all that can be elsewhere is.
const UNWANTED: f64 = 1_000.0;

/// How rows get from one operator to the next.
#[derive(Debug, Clone, PartialEq)]
pub enum Move {
    /// They are there.
    Stay,
    /// To the coordinator.
    Gather,
    /// All to each node.
    Broadcast,
    /// In turns to the nodes.
    Deal,
    /// To the node that the hash of these columns picks.
    Hash(Vec<usize>),
    /// To the node whose range of a column holds them.
    Range(Ranges),
}

/// Rows that are somewhere.
#[derive(Debug, Clone, Copy)]
pub struct Flow {
    pub rows: f64,
    /// Bytes of a row.
    pub width: f64,
}

#[derive(Debug, Clone, Copy)]
pub struct Prices {
    pub nodes: f64,
    /// The work that they do while the coordinator does one piece.
    pub strength: f64,
    /// Whether what can be distributed is to be, whatever it costs.
    pub is_forced: bool,
}

impl Prices {
    /// Work in nanoseconds, done where the rows are.
    pub fn at(&self, location: &Location, work: f64) -> f64 {
        match location {
            Location::Coordinator if self.is_forced => work * UNWANTED,
            Location::Coordinator => work,
            Location::Everywhere => work * self.nodes / self.strength,
            Location::Nodes(_) => work / self.strength,
        }
    }

    /// Rows that leave `from`: sent and received by the busiest node.
    pub fn moving(&self, from: &Location, moved: &Move, flow: Flow) -> f64 {
        let bytes = flow.rows * (flow.width + ROW_MOVED);
        let (share, copies) = (bytes / self.strength, bytes * self.nodes);
        let sent = match (from, moved) {
            (_, Move::Stay) => return 0.0,
            (Location::Coordinator | Location::Everywhere, Move::Broadcast) => copies,
            (
                Location::Coordinator | Location::Everywhere,
                Move::Gather | Move::Deal | Move::Hash(_) | Move::Range(_),
            ) => bytes,
            (Location::Nodes(_), Move::Broadcast) => copies / self.strength,
            (Location::Nodes(_), Move::Gather | Move::Deal | Move::Hash(_) | Move::Range(_)) => share,
        };
        let received = match moved {
            Move::Stay => 0.0,
            Move::Gather => bytes,
            Move::Broadcast => copies / self.strength,
            Move::Deal | Move::Hash(_) | Move::Range(_) => share,
        };
        sent + received + if self.is_forced { 0.0 } else { EXCHANGE }
    }

    /// Sorted rows of all nodes put together on the coordinator: one stream after the other, or from one row to the next.
    pub fn merging(&self, rows: f64, in_ranges: bool) -> f64 {
        let merged = if in_ranges { 0.0 } else { MERGED_ROW * self.nodes.max(2.0).log2() };
        self.at(&Location::Coordinator, rows * (ROW + merged))
    }

    pub fn shared_scan(&self) -> f64 {
        if self.is_forced { 0.0 } else { SHARED_SCAN }
    }
}

/// Nanoseconds of one core for an operator.
#[derive(Debug, Clone, Copy)]
pub struct Work {
    /// What is shared by those that share the (first input's) rows.
    pub own: f64,
    /// For the build side of a join: each node that has all its rows does all of it.
    pub build: f64,
}

impl Work {
    /// Of an operator with these inputs.
    pub fn of(operator: &Operator, inputs: &[Flow]) -> Self {
        let built = inputs.get(1).map_or(0.0, |input| input.rows);
        let build = match &operator.kind {
            OperatorKind::HashJoin(_) => built * (BUILD_ROW + ROW),
            OperatorKind::NestedLoopJoin { .. } => built * ROW,
            _ => 0.0,
        };
        Self { own: own_work(operator, inputs), build }
    }
}

fn own_work(operator: &Operator, inputs: &[Flow]) -> f64 {
    let is_join = matches!(operator.kind, OperatorKind::HashJoin(_) | OperatorKind::NestedLoopJoin { .. });
    let taken = if is_join { 1 } else { inputs.len() };
    let rows_in: f64 = inputs.iter().take(taken).map(|input| input.rows).sum();
    let rows_out = operator.rows_estimated;
    let first = inputs.first().map_or(0.0, |input| input.rows);
    let second = inputs.get(1).map_or(0.0, |input| input.rows);
    let sorting = |rows: f64| rows * SORTED_ROW * rows.max(2.0).log2();
    let own = match &operator.kind {
        OperatorKind::Scan(scan) => bytes_read(scan, rows_out) * SCANNED_BYTE,
        OperatorKind::Aggregate { .. } => rows_in * GROUPED_ROW + rows_out * GROUP,
        OperatorKind::Sort { fetch: None, .. } | OperatorKind::Window { .. } => sorting(rows_in),
        OperatorKind::Guest(call) => sorting(rows_in) + rows_in * f64::from(call.operator.cost) * GUEST_ROW,
        OperatorKind::TableFunction { function, .. } => rows_in * f64::from(function.cost) * GUEST_ROW,
        OperatorKind::HashJoin(_) => first * PROBE_ROW,
        OperatorKind::NestedLoopJoin { .. } => first * second * PAIR,
        OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Filter { .. }
        | OperatorKind::Project { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Sort { fetch: Some(_), .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::AtMostOneRow
        | OperatorKind::Union
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => 0.0,
    };
    own + (rows_in + rows_out) * ROW
}
