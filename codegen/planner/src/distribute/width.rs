//! Bytes of a row, column by column.

use nyala_schema::operator::OperatorKind;
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Expr, Operator};

use super::location::column_of;
use crate::estimate::type_width;

/// Bytes of a value of each column that `operator` gives over inputs with columns of these widths.
pub fn widths(operator: &Operator, inputs: &[&[f64]]) -> Vec<f64> {
    let mut widths: Vec<f64> =
        operator.schema.fields().iter().map(|field| type_width(field.data_type())).collect();
    let first = inputs.first().copied().unwrap_or_default();
    match &operator.kind {
        OperatorKind::Scan(scan) => scanned(&mut widths, &scan.statistics),
        OperatorKind::Project { expressions } => computed(&mut widths, expressions, first),
        OperatorKind::Aggregate { keys, .. } => computed(&mut widths, keys, first),
        OperatorKind::Filter { .. }
        | OperatorKind::Sort { .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Window { .. }
        | OperatorKind::AtMostOneRow
        | OperatorKind::TableFunction { .. }
        | OperatorKind::Union => handed_on(&mut widths, first),
        OperatorKind::HashJoin(join) => joined(&mut widths, join.kind, inputs),
        OperatorKind::NestedLoopJoin { kind, .. } => joined(&mut widths, *kind, inputs),
        OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::Guest(_)
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => {}
    }
    widths
}

fn scanned(widths: &mut [f64], statistics: &[ColumnStatistics]) {
    for (width, known) in widths.iter_mut().zip(statistics) {
        *width = known.width.unwrap_or(*width);
    }
}

fn computed(widths: &mut [f64], expressions: &[Expr], input: &[f64]) {
    for (width, expr) in widths.iter_mut().zip(expressions) {
        let known = column_of(expr).and_then(|column| input.get(column));
        *width = known.copied().unwrap_or(*width);
    }
}

fn handed_on(widths: &mut [f64], input: &[f64]) {
    widths.iter_mut().zip(input).for_each(|(width, known)| *width = *known);
}

fn joined(widths: &mut [f64], kind: nyala_schema::operator::JoinKind, inputs: &[&[f64]]) {
    let side = |index: usize, kept: bool| {
        let columns = inputs.get(index).copied().unwrap_or_default();
        if kept { columns } else { &[] }
    };
    let sides = [side(0, kind.keeps_probe_columns()), side(1, kind.keeps_build_columns())].concat();
    handed_on(widths, &sides);
}
