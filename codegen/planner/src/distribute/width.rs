//! Bytes of a row, column by column.

use arrow::datatypes::Schema;
use nyala_schema::operator::OperatorKind;
use nyala_schema::scan::{ScanSource, TableScan, physical_type};
use nyala_schema::statistics::ColumnStatistics;
use nyala_schema::{Expr, Operator};

use super::location::column_of;
use crate::estimate::type_width;

/// Bytes of a value of each column that `operator` gives over inputs with columns of these widths.
pub fn widths(operator: &Operator, inputs: &[&[f64]]) -> Vec<f64> {
    let mut widths = schema_widths(&operator.schema);
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

/// Bytes of a value of each column of which nothing but the type is known.
pub fn schema_widths(schema: &Schema) -> Vec<f64> {
    schema.fields().iter().map(|field| type_width(&physical_type(field.data_type()))).collect()
}

/// Bytes of the files' columns that a scan reads; of the rows expected of it where nothing is known of files.
pub fn bytes_read(scan: &TableScan, rows: f64) -> f64 {
    let all = schema_widths(&scan.table_schema);
    let mut read: Vec<f64> = scan.projection.iter().map(|&column| all[column]).collect();
    scanned(&mut read, &scan.statistics);
    let read: f64 = read.iter().sum();
    let stored: u64 = match &scan.source {
        ScanSource::Files { files, .. } => files.iter().map(|file| file.size).sum(),
        ScanSource::Managed(managed) => managed.files.iter().map(|file| file.bytes()).sum(),
    };
    let share = (read / all.iter().sum::<f64>().max(1.0)).min(1.0);
    (stored as f64 * share).max(rows * read)
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
