//! The ways in which a plan can run, by cost.
//!
//! From the leaves up, each operator keeps the cheapest way of having its rows at each [`Location`] (the idea of interesting
//! properties: Selinger et al., SIGMOD 1979; Graefe, The Volcano Optimizer Generator, ICDE 1993). What is right is
//! [`rule::settle`]'s to say; here ways are proposed.

use nyala_schema::Operator;
use nyala_schema::fragment::Placement;
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};
use nyala_schema::scan::{ScanSource, TableScan};

use super::cost::{Flow, Move, Prices, Work};
use super::location::{Location, Partitioning, column_of};
use super::rule;
use super::step::Step;
use super::width::{schema_widths, widths};
use crate::relation::is_volatile;

/// Ways that are kept of an operator: more hardly ever differ in what is above.
const WAYS_MAX: usize = 8;
/// Groups for each node at which nodes have about as many of them, wherever the hash puts each.
const GROUPS_PER_NODE: f64 = 8.0;

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
            OperatorKind::Limit { skip, fetch: Some(fetch) } => {
                self.one_input(&None);
                self.preselect(skip.saturating_add(*fetch));
            }
            OperatorKind::Aggregate { .. }
            | OperatorKind::Filter { .. }
            | OperatorKind::Project { .. }
            | OperatorKind::Expand { .. }
            | OperatorKind::Sort { fetch: None, .. }
            | OperatorKind::Limit { fetch: None, .. }
            | OperatorKind::Unnest { .. }
            | OperatorKind::AtMostOneRow
            | OperatorKind::TableFunction { .. }
            | OperatorKind::Recursion { .. } => self.one_input(&None),
        }
    }

    fn leaf(&mut self, location: Location, more: f64) {
        let cost = self.prices.at(&location, self.work.own) + more;
        self.ways.push(Way { location, cost, step: Step::Whole, inputs: vec![] });
    }

    /// Rows that lie in the catalog come with the plan: the coordinator has them, others would have to be sent them.
    fn scan(&mut self, scan: &TableScan) {
        let forced = self.prices.is_forced;
        if !forced {
            self.leaf(Location::Coordinator, 0.0);
        }
        if forced || !is_inline(scan) {
            self.leaf(Location::Nodes(Partitioning::default()), self.prices.shared_scan());
        }
    }

    /// The work on rows where they are, gathered, and where the hash of `keys` brings them.
    pub(super) fn one_input(&mut self, keys: &Option<Vec<usize>>) {
        let Some(input) = self.inputs.first() else { return self.everything_at_coordinator() };
        for (index, way) in input.ways.iter().enumerate() {
            let stay = Input { way: index, moved: Move::Stay };
            self.add(vec![stay]);
            if let Location::Nodes(_) = way.location {
                self.add(vec![Input { way: index, moved: Move::Gather }]);
            }
            if let Some(keys) = keys.as_ref().filter(|keys| !keys.is_empty())
                && way.location != Location::Everywhere
            {
                self.add(vec![Input { way: index, moved: Move::Hash(keys.clone()) }]);
            }
        }
    }

    pub(super) fn everything_at_coordinator(&mut self) {
        let inputs = self.inputs.iter().map(|input| input.at_coordinator(self.prices));
        if let Some(inputs) = inputs.collect() {
            self.add(inputs);
        }
    }

    /// Where whole groups are, or in two steps: what each node can say of its own rows, then of what the nodes said. What is
    /// distinct in order to be counted by the keys before the last one may be brought to the node of those at once.
    fn aggregate(&mut self, keys: &[nyala_schema::Expr], calls: &[AggregateCall]) {
        let columns = columns_of(keys);
        let splits = calls.iter().all(|call| call.partial_fields().is_some());
        let Some(input) = self.inputs.first() else { return };
        let has_few_groups = self.operator.rows_estimated < GROUPS_PER_NODE * self.prices.nodes;
        for (index, way) in input.ways.iter().enumerate() {
            // Few groups are on few nodes where each is on one.
            if way.location == Location::Coordinator || !has_few_groups {
                self.add(vec![Input { way: index, moved: Move::Stay }]);
            }
            let on_nodes = matches!(way.location, Location::Nodes(_));
            if on_nodes {
                self.add(vec![Input { way: index, moved: Move::Gather }]);
            }
            // The order of rows that the coordinator has may be that of an ORDER BY, which other aggregates show.
            let sends = on_nodes || (splits && way.location == Location::Coordinator);
            if let Some(columns) = columns.as_ref().filter(|columns| sends && !columns.is_empty()) {
                self.add(vec![Input { way: index, moved: Move::Hash(columns.clone()) }]);
                if let ([first @ .., _], []) = (columns.as_slice(), calls)
                    && !first.is_empty()
                {
                    self.add(vec![Input { way: index, moved: Move::Hash(first.to_vec()) }]);
                }
            }
            if on_nodes && splits {
                self.add_split(index, keys.len());
            }
        }
    }

    fn add_split(&mut self, way: usize, keys: usize) {
        let input = &self.inputs[0];
        let rows = partial_rows(input.rows, self.operator.rows_estimated, self.prices.nodes);
        let width = schema_widths(&self.operator.schema).iter().sum();
        let groups = Flow { rows, width };
        let final_work = rows * super::cost::GROUPED_ROW;
        let from = &input.ways[way].location;
        let first = input.ways[way].cost + self.prices.at(from, self.work.own);
        let mut add = |moved: Move, location: Location| {
            let moving = self.prices.moving(from, &moved, groups);
            let cost = first + moving + self.prices.at(&location, final_work);
            let inputs = vec![Input { way, moved: Move::Stay }];
            self.ways.push(Way { location, cost, step: Step::Split { moved, rows }, inputs });
        };
        add(Move::Gather, Location::Coordinator);
        if keys > 0 {
            let columns: Vec<usize> = (0..keys).collect();
            add(Move::Hash(columns.clone()), Location::Nodes(Partitioning::by(columns)));
        }
    }

    /// Each node picks as many rows as are wanted in all; the coordinator picks among those.
    fn preselect(&mut self, wanted: u64) {
        let Some(input) = self.inputs.first() else { return };
        for (index, way) in input.ways.iter().enumerate() {
            if !matches!(way.location, Location::Nodes(_)) {
                continue;
            }
            let rows = input.rows.min(wanted as f64 * self.prices.nodes);
            let flow = Flow { rows, width: input.flow().width };
            let moved = self.prices.moving(&way.location, &Move::Gather, flow);
            let here = self.prices.at(&Location::Coordinator, rows * super::cost::ROW);
            let cost = way.cost + self.prices.at(&way.location, self.work.own) + moved + here;
            let inputs = vec![Input { way: index, moved: Move::Stay }];
            let step = Step::Preselect { rows };
            self.ways.push(Way { location: Location::Coordinator, cost, step, inputs });
        }
    }

    /// Adds the operator over these inputs, if its rows are right then.
    pub(super) fn add(&mut self, inputs: Vec<Input>) {
        let mut cost = 0.0;
        let mut locations = vec![];
        for (input, choices) in inputs.iter().zip(self.inputs) {
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

/// Where rows are after a move.
pub fn moved_to(from: &Location, moved: &Move) -> Location {
    match moved {
        Move::Stay => from.clone(),
        Move::Gather => Location::Coordinator,
        Move::Broadcast => Location::Everywhere,
        Move::Deal => Location::Nodes(Partitioning::default()),
        Move::Hash(columns) => Location::Nodes(Partitioning::by(columns.iter().copied())),
    }
}

/// The columns that the keys are, if all are.
pub(super) fn columns_of(keys: &[nyala_schema::Expr]) -> Option<Vec<usize>> {
    keys.iter().map(column_of).collect()
}

/// Rows of all nodes' first steps: each sees its share of the rows, and of a group a row if any is in its share (Cardenas'
/// formula, CACM 1975).
fn partial_rows(rows: f64, groups: f64, nodes: f64) -> f64 {
    let groups = groups.max(1.0);
    let share = rows / nodes;
    let seen = groups * (1.0 - (-share / groups).exp());
    (seen * nodes).clamp(1.0, rows.max(1.0))
}

/// Whether all rows are in the plan itself.
fn is_inline(scan: &TableScan) -> bool {
    use nyala_schema::managed::FileContent;
    match &scan.source {
        ScanSource::Files { .. } => false,
        ScanSource::Managed(managed) => {
            managed.files.iter().all(|file| matches!(file.content, FileContent::Rows(_)))
        }
    }
}
