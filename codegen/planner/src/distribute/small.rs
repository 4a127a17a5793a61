//! Which queries the coordinator runs alone.

use nyala_schema::Operator;
use nyala_schema::operator::OperatorKind;
use nyala_schema::scan::{ScanSource, TableScan};

use crate::estimate::type_width;

/// Bytes of files that a node decodes in about 20 ms, some times what it takes to have a fragment run elsewhere.
const BYTES_MAX: f64 = 16.0 * 1024.0 * 1024.0;
/// Rows that operators pass on to each other in about as long.
const ROWS_MAX: f64 = 2_000_000.0;

/// Whether running a query takes so little that having others help does not pay.
pub fn is_small(root: &Operator) -> bool {
    let (mut bytes, mut rows) = (0.0, 0.0);
    root.for_each(&mut |operator| {
        rows += match &operator.kind {
            OperatorKind::NestedLoopJoin { .. } => {
                operator.inputs.iter().map(|input| input.rows_estimated.max(1.0)).product()
            }
            _ => operator.rows_estimated,
        };
        if let OperatorKind::Scan(scan) = &operator.kind {
            bytes += bytes_read(scan, operator.rows_estimated);
        }
    });
    bytes <= BYTES_MAX && rows <= ROWS_MAX
}

/// Bytes of the files' columns that are read, or of the rows expected where nothing is known of files.
fn bytes_read(scan: &TableScan, rows: f64) -> f64 {
    let width = |column: usize| type_width(scan.table_schema.field(column).data_type());
    let known = scan.statistics.iter().map(|column| column.width);
    let read: f64 = scan
        .projection
        .iter()
        .zip(known)
        .map(|(&column, known)| known.unwrap_or_else(|| width(column)))
        .sum();
    let all: f64 = (0..scan.table_schema.fields().len()).map(width).sum();
    let stored = match &scan.source {
        ScanSource::Files { files, .. } => files.iter().map(|file| file.size).sum::<u64>(),
        ScanSource::Managed(managed) => managed.files.iter().map(|file| file.bytes()).sum(),
    };
    let share = (read / all.max(1.0)).min(1.0);
    (stored as f64 * share).max(rows * read)
}
