//! Which queries the coordinator runs alone.

use nyala_schema::Operator;
use nyala_schema::operator::OperatorKind;

use super::width::bytes_read;

/// Bytes of files that a node of two cores decodes in about 30 ms: a query in several fragments takes 10 to 30 ms more than in
/// one, which others have to save first.
const BYTES_MAX: f64 = 32.0 * 1024.0 * 1024.0;
/// Rows that operators pass on to each other in about as long.
const ROWS_MAX: f64 = 4_000_000.0;

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
