//! The ways in which a plan can run, by cost.
//!
//! From the leaves up, each operator keeps the cheapest way of having its rows at each [`Location`] (the idea of interesting
//! properties: Selinger et al., SIGMOD 1979; Graefe, The Volcano Optimizer Generator, ICDE 1993). What is right is
//! [`rule::settle`]'s to say; here ways are proposed.

use arrow::datatypes::Schema;
use nyala_schema::fragment::Placement;
use nyala_schema::operator::{AggregateMode, OperatorKind};
use nyala_schema::{Expr, Operator};

use super::cost::{Flow, Move, Prices, Work};
use super::location::{Location, Partitioning, column_of};
use super::rule;
use super::step::Step;
use super::width::widths;
use crate::relation::is_volatile;

/// Ways that are kept of an operator: more hardly ever differ in what is above.
const WAYS_MAX: usize = 8;

/// The ways of an operator, and of its inputs.
#[derive(Debug)]
pub struct Choices {
    /// The cheapest first.
    pub ways: Vec<Way>,
    pub inputs: Vec<Choices>,
    pub rows: f64,
    widths: Vec<f64>,
}

#[derive(Debug, Clone)]
pub struct Way {
    pub location: Location,
    /// With everything below.
    pub cost: f64,
    pub step: Step,
    pub inputs: Vec<Input>,
}

/// A way of an input, and how its rows get here.
#[derive(Debug, Clone)]
pub struct Input {
    pub way: usize,
    pub moved: Move,
}

/// What the ways of an operator are made from.
pub(super) struct Proposal<'a> {
    pub operator: &'a Operator,
    pub inputs: &'a [Choices],
    pub prices: Prices,
    pub work: Work,
    pub ways: Vec<Way>,
}

pub fn choose(operator: &Operator, prices: Prices) -> Choices {
    let inputs: Vec<Choices> = operator.inputs.iter().map(|input| choose(input, prices)).collect();
    let widths_in: Vec<&[f64]> = inputs.iter().map(|input| input.widths.as_slice()).collect();
    let widths = widths(operator, &widths_in);
    let flows: Vec<Flow> = inputs.iter().map(Choices::flow).collect();
    let work = Work::of(operator, &flows);
    let mut proposal = Proposal { operator, inputs: &inputs, prices, work, ways: vec![] };
    proposal.propose();
    let ways = cheapest(proposal.ways);
    Choices { ways, inputs, rows: operator.rows_estimated, widths }
}

impl Choices {
    pub fn flow(&self) -> Flow {
        Flow { rows: self.rows, width: self.widths.iter().sum() }
    }

    /// The cheapest way with all rows on the coordinator in the end, and how they get there.
    pub fn at_coordinator(&self, prices: Prices) -> Option<Input> {
        self.cheapest_to(prices, |location| match location {
            Location::Coordinator => Some(Move::Stay),
            Location::Nodes(_) => Some(Move::Gather),
            Location::Everywhere => None,
        })
    }

    /// The cheapest way whose rows `moved` brings to where they are wanted.
    pub(super) fn cheapest_to(
        &self,
        prices: Prices,
        moved: impl Fn(&Location) -> Option<Move>,
    ) -> Option<Input> {
        let moves = self.ways.iter().enumerate().filter_map(|(index, way)| {
            let moved = moved(&way.location)?;
            let cost = way.cost + prices.moving(&way.location, &moved, self.flow());
            Some((cost, Input { way: index, moved }))
        });
        moves.min_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, input)| input)
    }
}

/// One way for each location.
fn cheapest(mut ways: Vec<Way>) -> Vec<Way> {
    ways.sort_by(|one, other| one.cost.total_cmp(&other.cost));
    let mut kept: Vec<Way> = vec![];
    for way in ways {
        // The coordinator has to stay possible.
        let has_room = kept.len() < WAYS_MAX || way.location == Location::Coordinator;
        if has_room && !kept.iter().any(|known| known.location == way.location) {
            kept.push(way);
        }
    }
    kept
}

impl Proposal<'_> {
    fn propose(&mut self) {
        match &self.operator.kind {
            OperatorKind::Scan(scan) => self.scan(scan),
            OperatorKind::Values(_) | OperatorKind::Series { .. } => {
                self.leaf(Location::Coordinator, 0.0);
                self.leaf(Location::Everywhere, 0.0);
            }
            OperatorKind::Receive { .. } | OperatorKind::RecursionInput { .. } => {
                self.leaf(Location::Coordinator, 0.0);
            }
            OperatorKind::HashJoin(join) => self.hash_join(join),
            OperatorKind::NestedLoopJoin { .. } => self.broadcasts(),
            OperatorKind::Union => self.union(),
            OperatorKind::Guest(call) if call.inputs.len() != 1 => self.guest(call),
            OperatorKind::Guest(call) => self.one_input(&columns_of(&call.inputs[0].partition_by)),
            OperatorKind::Window { partition_by, .. } => self.one_input(&columns_of(partition_by)),
            OperatorKind::Aggregate { keys, aggregates, mode: AggregateMode::Single } => {
                self.aggregate(keys, aggregates);
            }
            OperatorKind::Sort { keys, fetch: Some(fetch) } => {
                self.one_input(&None);
                if !keys.iter().any(|key| is_volatile(&key.expr)) {
                    self.preselect(*fetch);
                }
            }
            OperatorKind::Sort { keys, fetch: None } => {
                self.one_input(&None);
                self.merge(keys);
            }
            OperatorKind::Limit { skip, fetch: Some(fetch) } => {
                self.one_input(&None);
                self.preselect(skip.saturating_add(*fetch));
            }
            OperatorKind::Aggregate { .. }
            | OperatorKind::Filter { .. }
            | OperatorKind::Project { .. }
            | OperatorKind::Expand { .. }
            | OperatorKind::Limit { fetch: None, .. }
            | OperatorKind::Unnest { .. }
            | OperatorKind::AtMostOneRow
            | OperatorKind::TableFunction { .. }
            | OperatorKind::Recursion { .. } => self.one_input(&None),
        }
    }

    pub(super) fn everything_at_coordinator(&mut self) {
        let inputs = self.inputs.iter().map(|input| input.at_coordinator(self.prices));
        if let Some(inputs) = inputs.collect() {
            self.add(inputs);
        }
    }

    /// Adds the operator over these inputs, if its rows are right then.
    pub(super) fn add(&mut self, inputs: Vec<Input>) {
        let mut cost = 0.0;
        let mut locations = vec![];
        for ((input, choices), operator) in inputs.iter().zip(self.inputs).zip(&self.operator.inputs) {
            if !can_move(&input.moved, &operator.schema) {
                return;
            }
            let way = &choices.ways[input.way];
            cost += way.cost + self.prices.moving(&way.location, &input.moved, choices.flow());
            locations.push(moved_to(&way.location, &input.moved));
        }
        let locations: Vec<&Location> = locations.iter().collect();
        let on_coordinator = locations.iter().all(|location| **location == Location::Coordinator);
        let placement = if on_coordinator { Placement::Coordinator } else { Placement::Nodes };
        if let Some(location) = rule::settle(self.operator, placement, &locations) {
            let builds_at = locations.get(1).copied().unwrap_or(&location);
            let build = self.prices.at(builds_at, self.work.build);
            let cost = cost + self.prices.at(&location, self.work.own) + build;
            self.ways.push(Way { location, cost, step: Step::Whole, inputs });
        }
    }
}

/// Whether rows with these columns can be moved so.
pub(super) fn can_move(moved: &Move, schema: &Schema) -> bool {
    match moved {
        Move::Hash(columns) => columns.iter().all(|&column| rule::has_hash(schema.field(column).data_type())),
        Move::Stay | Move::Gather | Move::Broadcast | Move::Deal | Move::Range(_) => true,
    }
}

/// Where rows are after a move.
pub fn moved_to(from: &Location, moved: &Move) -> Location {
    match moved {
        Move::Stay => from.clone(),
        Move::Gather => Location::Coordinator,
        Move::Broadcast => Location::Everywhere,
        Move::Deal | Move::Range(_) => Location::Nodes(Partitioning::default()),
        Move::Hash(columns) => Location::Nodes(Partitioning::by(columns.iter().copied())),
    }
}

/// The columns that the keys are, if all are.
pub(super) fn columns_of(keys: &[Expr]) -> Option<Vec<usize>> {
    keys.iter().map(column_of).collect()
}
