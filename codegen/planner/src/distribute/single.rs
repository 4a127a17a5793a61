//! Ways of running operators with one input, or none.

use nyala_schema::Expr;
use nyala_schema::operator::{AggregateCall, SortKey};
use nyala_schema::scan::{ScanSource, TableScan};

use super::choice::{Input, Proposal, Way, can_move, columns_of};
use super::cost::{Flow, Move};
use super::location::{Location, Partitioning, column_of};
use super::ranges::Ranges;
use super::step::Step;
use super::width::schema_widths;

/// Groups for each node at which nodes have about as many of them, wherever the hash puts each.
const GROUPS_PER_NODE: f64 = 8.0;

impl Proposal<'_> {
    pub(super) fn leaf(&mut self, location: Location, more: f64) {
        let cost = self.prices.at(&location, self.work.own) + more;
        self.ways.push(Way { location, cost, step: Step::Whole, inputs: vec![] });
    }

    /// Rows that lie in the catalog come with the plan: the coordinator has them, others would have to be sent them.
    pub(super) fn scan(&mut self, scan: &TableScan) {
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

    /// Where whole groups are, or in two steps: what each node can say of its own rows, then of what the nodes said. What is
    /// distinct in order to be counted by the keys before the last one may be brought to the node of those at once.
    pub(super) fn aggregate(&mut self, keys: &[Expr], calls: &[AggregateCall]) {
        let columns = columns_of(keys);
        let splits = calls.iter().all(|call| call.partial_fields().is_some());
        let Some(input) = self.inputs.first() else { return };
        let few = GROUPS_PER_NODE * self.prices.nodes;
        let has_few_groups = self.operator.rows_estimated < few && !self.prices.is_forced;
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
        let columns: Vec<usize> = (0..keys).collect();
        let hash = Move::Hash(columns.clone());
        if keys > 0 && can_move(&hash, &self.operator.schema) {
            add(hash, Location::Nodes(Partitioning::by(columns)));
        }
    }

    /// Each node picks as many rows as are wanted in all; the coordinator picks among those.
    pub(super) fn preselect(&mut self, wanted: u64) {
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

    /// Each node sorts its rows, or a range of all; the coordinator merges them.
    pub(super) fn merge(&mut self, keys: &[SortKey]) {
        let Some(input) = self.inputs.first() else { return };
        if keys.is_empty() || !keys.iter().all(|key| column_of(&key.expr).is_some()) {
            return;
        }
        let ranges = Ranges::of(&self.operator.inputs[0], &keys[0], self.prices.nodes as usize);
        let moves = [Some(Move::Stay), ranges.map(Move::Range)];
        for (index, way) in input.ways.iter().enumerate() {
            if !matches!(way.location, Location::Nodes(_)) {
                continue;
            }
            for moved in moves.iter().flatten() {
                let flow = input.flow();
                let in_ranges = matches!(moved, Move::Range(_));
                let cost = way.cost
                    + self.prices.moving(&way.location, moved, flow)
                    + self.prices.at(&way.location, self.work.own)
                    + self.prices.moving(&way.location, &Move::Gather, flow)
                    + self.prices.merging(input.rows, in_ranges);
                let inputs = vec![Input { way: index, moved: moved.clone() }];
                self.ways.push(Way { location: Location::Coordinator, cost, step: Step::Merge, inputs });
            }
        }
    }
}

/// Rows of all nodes' first steps: half way between what they are when each group is on one node and when its rows are anywhere.
/// Each node has a row of a group then if any of the group's is in its share (Cardenas' formula, CACM 1975). What is grouped
/// is often written in the order of its keys, more or less.
fn partial_rows(rows: f64, groups: f64, nodes: f64) -> f64 {
    let groups = groups.max(1.0);
    let share = rows / nodes;
    let anywhere = groups * (1.0 - (-share / groups).exp()) * nodes;
    ((groups + anywhere) / 2.0).clamp(1.0, rows.max(1.0))
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
