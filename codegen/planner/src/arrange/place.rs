//! Where predicates and limits are evaluated: in the scan when they can be.

use nyala_schema::{Callee, Expr};

use crate::column::{ColumnSet, Columns};
use crate::estimate::{distinct, selectivity};
use crate::relation::{Relation, RelationKind, is_volatile};

/// `input` with only the rows for which `predicates` hold.
pub fn above(input: Relation, predicates: Vec<Expr>, columns: &mut Columns) -> Relation {
    if predicates.is_empty() {
        return input;
    }
    let fraction = selectivity::conjunction(&predicates, columns);
    selectivity::narrow(&predicates, columns);
    let rows = (input.rows * fraction).max(1.0_f64.min(input.rows));
    for id in input.columns().iter() {
        let kept = distinct::distinct_among(columns.estimate(id), rows);
        columns.estimate_mut(id).kept = kept;
    }
    let mut placed = place(input, predicates);
    placed.rows = rows;
    placed
}

fn place(input: Relation, predicates: Vec<Expr>) -> Relation {
    let rows = input.rows;
    match input.kind {
        RelationKind::Scan(mut scan) if scan.limit.is_none() => {
            let (mut late, mut early) = (vec![], vec![]);
            for predicate in predicates {
                // What may fail may be guarded by what is asked above the scan.
                let guarded = !late.is_empty() && may_fail(&predicate);
                if is_volatile(&predicate) || guarded { late.push(predicate) } else { early.push(predicate) }
            }
            for predicate in early {
                if !scan.filters.contains(&predicate) {
                    scan.filters.push(predicate);
                }
            }
            order_by_effort(&mut scan.filters);
            let relation = Relation { kind: RelationKind::Scan(scan), rows };
            Relation { rows, ..relation.filter(late) }
        }
        RelationKind::Filter { input, predicates: mut known } => {
            known.extend(predicates);
            order_by_effort(&mut known);
            Relation { kind: RelationKind::Filter { input, predicates: known }, rows }
        }
        RelationKind::Extend { input, definitions } => {
            let defined: ColumnSet = definitions.iter().map(|(id, _)| *id).collect();
            let (late, early): (Vec<_>, Vec<_>) =
                predicates.into_iter().partition(|predicate| reads(predicate, &defined));
            let input = if early.is_empty() { *input } else { place(*input, early) };
            let relation = Relation { rows, ..input.extend(definitions) };
            Relation { rows, ..relation.filter(late) }
        }
        kind => {
            let mut predicates = predicates;
            order_by_effort(&mut predicates);
            Relation { rows, ..Relation { kind, rows }.filter(predicates) }
        }
    }
}

/// Whether `expr` reads one of `ids`.
pub fn reads(expr: &Expr, ids: &ColumnSet) -> bool {
    let mut found = false;
    expr.for_each_column(&mut |id| found |= ids.contains(id));
    found
}

/// Cheap predicates first; those that may fail stay behind those written before them.
fn order_by_effort(predicates: &mut Vec<Expr>) {
    if !predicates.iter().any(may_fail) {
        predicates.sort_by_key(effort);
        return;
    }
    let mut left = std::mem::take(predicates);
    while !left.is_empty() {
        // The first of those left may come next, and any that cannot fail.
        let free = (0..left.len()).filter(|&index| index == 0 || !may_fail(&left[index]));
        let cheapest = free.min_by_key(|&index| effort(&left[index])).unwrap_or(0);
        predicates.push(left.remove(cheapest));
    }
}

fn may_fail(expr: &Expr) -> bool {
    matches!(expr, Expr::Arithmetic { .. } | Expr::Cast { safe: false, .. } | Expr::Call { .. })
        || expr.children().into_iter().any(may_fail)
}

/// Costs of users' functions are in hundredths of an addition, which is about as much as a comparison.
const COST_PER_COMPARISON: usize = 100;

/// In units of comparing two numbers.
fn effort(expr: &Expr) -> usize {
    let own = match expr {
        Expr::Column { .. } | Expr::Literal(_) => 0,
        Expr::Like { .. } => 20,
        Expr::Call { function: Callee::Library(_), .. } => 50,
        Expr::Call { function: Callee::Guest(function), .. } => {
            (function.cost as usize).div_ceil(COST_PER_COMPARISON).max(1)
        }
        Expr::InList { values, .. } => 2 + values.len().ilog2() as usize,
        Expr::Compare { left, .. } if !left.data_type().is_primitive() => 4,
        _ => 1,
    };
    own + expr.children().into_iter().map(effort).sum::<usize>()
}

/// At most `fetch` rows after the first `skip`; told to scans and sorts below.
pub fn limit(input: Relation, skip: u64, fetch: Option<u64>) -> Relation {
    let rows = (input.rows - skip as f64).max(0.0);
    let rows = fetch.map_or(rows, |fetch| rows.min(fetch as f64));
    let Some(fetch) = fetch else {
        return Relation { kind: RelationKind::Limit { input: Box::new(input), skip, fetch: None }, rows };
    };
    let wanted = skip.saturating_add(fetch);
    let mut input = input;
    if let RelationKind::Limit { input: inner, skip: 0, fetch: Some(known) } = input.kind {
        if known > wanted {
            return limit(*inner, skip, Some(fetch));
        }
        input = Relation {
            kind: RelationKind::Limit { input: inner, skip: 0, fetch: Some(known) },
            rows: input.rows,
        };
        if skip == 0 {
            return input;
        }
    }
    tell(&mut input, wanted);
    if let RelationKind::Sort { fetch: Some(known), .. } = input.kind
        && skip == 0
        && known <= fetch
    {
        return input;
    }
    Relation { kind: RelationKind::Limit { input: Box::new(input), skip, fetch: Some(fetch) }, rows }
}

fn tell(relation: &mut Relation, wanted: u64) {
    match &mut relation.kind {
        RelationKind::Sort { fetch, .. } => *fetch = Some(fetch.map_or(wanted, |known| known.min(wanted))),
        RelationKind::Scan(scan) => scan.limit = Some(scan.limit.map_or(wanted, |known| known.min(wanted))),
        RelationKind::Extend { input, .. } => tell(input, wanted),
        _ => return,
    }
    relation.rows = relation.rows.min(wanted as f64);
}
