//! Joins that are borders of regions: outer joins, mark joins, joins in which NULL equals NULL.

use nyala_schema::{Expr, Result};

use super::{Arranger, cost, reduce};
use crate::column::{ColumnSet, Columns};
use crate::estimate::{derive, selectivity};
use crate::relation::{Join, LogicalJoin, Relation, RelationKind, Side};

impl Arranger<'_> {
    pub(super) fn join(&mut self, mut join: Join) -> Result<Relation> {
        join.left = self.arrange(join.left)?;
        join.right = self.arrange(join.right)?;
        let (left, right) = (join.left.rows, join.right.rows);
        let pairs = left
            * right
            * equal_fraction(&join.keys, self.columns)
            * selectivity::conjunction(&join.residual, self.columns);
        let rows = match join.kind {
            LogicalJoin::Inner => pairs,
            LogicalJoin::Left => pairs.max(left),
            LogicalJoin::Full => pairs.max(left).max(right),
            LogicalJoin::Mark => left,
            LogicalJoin::Semi | LogicalJoin::Anti => {
                let found = reduce::matched_fraction(&join.keys, &join.residual, right, self.columns);
                let fraction =
                    if join.kind == LogicalJoin::Semi { found } else { reduce::unmatched_fraction(found) };
                left * fraction
            }
        };
        let left = cost::Input { rows: left, width: row_width(&join.left.columns(), self.columns) };
        let right = cost::Input { rows: right, width: row_width(&join.right.columns(), self.columns) };
        join.build = if join.null_aware {
            Side::Right
        } else {
            cost::cheaper(left, right, rows, !join.keys.is_empty()).build
        };
        Ok(Relation { kind: RelationKind::Join(Box::new(join)), rows: rows.max(1.0) })
    }
}

/// The fraction of all pairs of rows whose keys are equal.
fn equal_fraction(keys: &[(Expr, Expr)], columns: &Columns) -> f64 {
    let mut fraction = 1.0;
    let mut floor: f64 = 0.0;
    for (left, right) in keys {
        let (left, right) = (derive::estimate(left, columns), derive::estimate(right, columns));
        let values = left.distinct.max(right.distinct);
        let rows = left.origin_rows.min(right.origin_rows);
        fraction /= if values.is_finite() { values.max(1.0) } else { rows.clamp(1.0, 1e6) };
        floor = floor.max(1.0 / rows.max(1.0));
    }
    // Together, keys do not tell more rows apart than the smaller table has.
    if keys.len() > 1 { fraction.max(floor) } else { fraction }
}

/// Bytes of a row of these columns.
pub fn row_width(set: &ColumnSet, columns: &Columns) -> f64 {
    set.iter().map(|id| columns.estimate(id).width).sum()
}
