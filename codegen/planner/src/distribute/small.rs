//! Which queries the coordinator runs alone.

use nyala_schema::Operator;
use nyala_schema::operator::OperatorKind;

use super::width::bytes_read;

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
