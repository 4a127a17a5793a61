//! Runtime filters: what a join learns from its build side, told to the scans of its probe side.
//!
//! A filter on a column may be applied wherever rows that it drops could only lead to rows that the join drops.

use nyala_schema::Expr;
use nyala_schema::expr::Volatility;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::JoinKind;

use super::join::join_kind;
use super::{Emitter, Incoming};
use crate::column::ColumnId;
use crate::estimate::{derive, distinct};
use crate::relation::{Join, LogicalJoin, Relation, RelationKind, Side};

/// A filter that lets through more of the values than this is not worth its tests.
const KEPT_FRACTION_MAX: f64 = 0.8;
/// Smaller tables are read faster than filters are made.
const SCAN_ROWS_MIN: f64 = 1000.0;

impl Emitter<'_> {
    /// The filters that `join` makes for its probe side, each with the index of its key.
    pub(super) fn runtime_filters(&mut self, join: &Join) -> Vec<(Incoming, usize)> {
        if !self.options.runtime_filters || join.null_equals_null || !drops_probe_rows(join_kind(join)) {
            return vec![];
        }
        let (probe, build) = match join.build {
            Side::Right => (&join.left, &join.right),
            Side::Left => (&join.right, &join.left),
        };
        let mut made = vec![];
        for (index, (left, right)) in join.keys.iter().enumerate() {
            let (probe_key, build_key) = match join.build {
                Side::Right => (left, right),
                Side::Left => (right, left),
            };
            let Expr::Column { index: column, .. } = *probe_key else { continue };
            let values = derive::estimate(build_key, self.columns);
            let values = distinct::distinct_among(&values, build.rows);
            if self.is_selective(probe, column, values) {
                made.push((Incoming { filter: RuntimeFilterId(self.filters_made), column }, index));
                self.filters_made += 1;
            }
        }
        made
    }

    /// Whether a scan below has `column` with clearly more values than `values`.
    fn is_selective(&self, relation: &Relation, column: ColumnId, values: f64) -> bool {
        if let RelationKind::Scan(scan) = &relation.kind {
            let has = scan.columns.iter().any(|(id, _)| *id == column);
            let domain = self.columns.estimate(column).distinct.min(scan.rows_table);
            return has
                && scan.limit.is_none()
                && scan.rows_table >= SCAN_ROWS_MIN
                && values < KEPT_FRACTION_MAX * domain;
        }
        let inputs = relation.inputs();
        routes(relation, column).into_iter().any(|(input, column)| {
            inputs.get(input).is_some_and(|input| self.is_selective(input, column, values))
        })
    }

    /// What each input of `relation` is told of the filters from above.
    pub(super) fn passed_on(&self, relation: &Relation, incoming: &[Incoming]) -> Vec<Vec<Incoming>> {
        let mut below = vec![vec![]; relation.inputs().len()];
        for filter in incoming {
            for (input, column) in routes(relation, filter.column) {
                if let Some(input) = below.get_mut(input) {
                    input.push(Incoming { column, ..*filter });
                }
            }
        }
        below
    }
}

fn drops_probe_rows(kind: JoinKind) -> bool {
    match kind {
        JoinKind::Inner
        | JoinKind::BuildOuter
        | JoinKind::ProbeSemi
        | JoinKind::BuildSemi
        | JoinKind::BuildAnti
        | JoinKind::BuildMark => true,
        JoinKind::ProbeOuter | JoinKind::FullOuter | JoinKind::ProbeAnti | JoinKind::ProbeMark => false,
    }
}

/// The inputs in which rows may be dropped by a filter on `column`, and the column there.
fn routes(relation: &Relation, column: ColumnId) -> Vec<(usize, ColumnId)> {
    match &relation.kind {
        RelationKind::Scan(_)
        | RelationKind::Values { .. }
        | RelationKind::Series { .. }
        | RelationKind::RecursionInput { .. }
        // Other rows would take the place of those dropped.
        | RelationKind::Limit { .. }
        | RelationKind::Sort { fetch: Some(_), .. }
        | RelationKind::AtMostOneRow { .. }
        | RelationKind::Recursion(_) => vec![],
        RelationKind::Filter { .. } | RelationKind::Sort { fetch: None, .. } => vec![(0, column)],
        RelationKind::Extend { definitions, .. } => {
            let definition = definitions.iter().find(|(id, _)| *id == column);
            match definition {
                None => vec![(0, column)],
                Some((_, Expr::Column { index, .. })) => vec![(0, *index)],
                Some(_) => vec![],
            }
        }
        RelationKind::Join(join) => join_routes(join, column),
        RelationKind::Aggregate(aggregate) => {
            let key = aggregate.keys.iter().find(|(id, _)| *id == column);
            match key {
                Some((_, Expr::Column { index, .. })) => vec![(0, *index)],
                _ => vec![],
            }
        }
        RelationKind::Expand(expand) => {
            let is_made = expand.grouping_id == column || expand.keys.iter().any(|(id, _)| *id == column);
            if is_made { vec![] } else { vec![(0, column)] }
        }
        // Whole partitions may go, single rows of one may not.
        RelationKind::Window(window) => {
            let is_partition =
                |expr: &Expr| matches!(expr, Expr::Column { index, .. } if *index == column);
            if window.partition_by.iter().any(is_partition) { vec![(0, column)] } else { vec![] }
        }
        RelationKind::Unnest(unnest) => {
            let is_made = unnest.columns.iter().any(|list| list.element == column);
            if is_made { vec![] } else { vec![(0, column)] }
        }
        RelationKind::TableFunction(call) => {
            let is_made = call.columns.contains(&column);
            let counts = call.function.volatility == Volatility::Volatile;
            if is_made || counts { vec![] } else { vec![(0, column)] }
        }
        // As with windows, and only where there is one input whose rows are handed on.
        RelationKind::Guest(guest) => {
            let [table] = guest.inputs.as_slice() else { return vec![] };
            let is_partition =
                |expr: &Expr| matches!(expr, Expr::Column { index, .. } if *index == column);
            let whole = guest.extends_input() && table.partition_by.iter().any(is_partition);
            if whole { vec![(0, column)] } else { vec![] }
        }
        RelationKind::Union { columns, branches } => {
            let position = columns.iter().position(|id| *id == column);
            let branches = branches.iter().enumerate();
            position.map_or(vec![], |position| branches.map(|(i, (_, ids))| (i, ids[position])).collect())
        }
    }
}

/// To the side that has the column; by equal keys to the other side as well, whose rows could only match rows that
/// are dropped.
fn join_routes(join: &Join, column: ColumnId) -> Vec<(usize, ColumnId)> {
    let (to_left, to_right) = match join.kind {
        LogicalJoin::Inner => (true, true),
        LogicalJoin::Left | LogicalJoin::Semi | LogicalJoin::Anti | LogicalJoin::Mark => (true, false),
        LogicalJoin::Full => (false, false),
    };
    let mut routes = vec![];
    if to_left && join.left.columns().contains(column) {
        routes.push((0, column));
        if !join.null_aware {
            routes.extend(partners(join, column, Side::Left).map(|partner| (1, partner)));
        }
    } else if to_right && join.right.columns().contains(column) {
        routes.push((1, column));
        routes.extend(partners(join, column, Side::Right).map(|partner| (0, partner)));
    }
    routes
}

/// The columns of the other side that are equal to `column` of `side`.
fn partners(join: &Join, column: ColumnId, side: Side) -> impl Iterator<Item = ColumnId> {
    join.keys.iter().filter_map(move |(left, right)| {
        let (own, other) = if side == Side::Left { (left, right) } else { (right, left) };
        match (own, other) {
            (Expr::Column { index: own, .. }, Expr::Column { index: other, .. }) if *own == column => {
                Some(*other)
            }
            _ => None,
        }
    })
}
