//! Projections that only leave out columns, taken together with what computes from their rows.

use nyala_schema::Operator;
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};

use super::location::column_of;

/// The same operators, where what computes new columns reads past a projection that computes nothing.
pub fn tidy(mut operator: Operator) -> Operator {
    operator.inputs = operator.inputs.into_iter().map(tidy).collect();
    let Some(places) = operator.inputs.first().and_then(left_out) else { return operator };
    let place = |column: usize| places[column];
    match &mut operator.kind {
        OperatorKind::Project { expressions } => {
            expressions.iter_mut().for_each(|expr| expr.map_columns(&place));
        }
        OperatorKind::Expand { projections } => {
            projections.iter_mut().flatten().for_each(|expr| expr.map_columns(&place));
        }
        OperatorKind::Aggregate { keys, aggregates, mode: AggregateMode::Single } => {
            keys.iter_mut().for_each(|key| key.map_columns(&place));
            aggregates.iter_mut().for_each(|call| map_call(call, &place));
        }
        // These hand on their input's columns, or have a second half that reads the same.
        OperatorKind::Aggregate { mode: AggregateMode::Partial | AggregateMode::Final, .. }
        | OperatorKind::Scan(_)
        | OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Filter { .. }
        | OperatorKind::Sort { .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Window { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::AtMostOneRow
        | OperatorKind::TableFunction { .. }
        | OperatorKind::Guest(_)
        | OperatorKind::HashJoin(_)
        | OperatorKind::NestedLoopJoin { .. }
        | OperatorKind::Union
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => return operator,
    }
    operator.inputs = operator.inputs.into_iter().flat_map(|input| input.inputs).collect();
    operator
}

/// Where the columns of a projection that computes nothing stand below it.
fn left_out(operator: &Operator) -> Option<Vec<usize>> {
    let OperatorKind::Project { expressions } = &operator.kind else { return None };
    expressions.iter().map(column_of).collect()
}

fn map_call(call: &mut AggregateCall, place: &impl Fn(usize) -> usize) {
    call.arguments.iter_mut().chain(&mut call.filter).for_each(|expr| expr.map_columns(place));
    call.order_by.iter_mut().for_each(|key| key.expr.map_columns(place));
}
