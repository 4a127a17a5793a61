//! Joins; right joins become left joins.

use datafusion_common::{JoinType, NullEquality};
use datafusion_expr::LogicalPlan;
use datafusion_expr::logical_plan::Join as LogicalNode;
use nyala_schema::{Expr, Result};

use super::{Lowered, Lowering, Scope};
use crate::relation::{Join, LogicalJoin, Relation, RelationKind, Side};

/// How DataFusion's optimizer names the scalar subqueries that it makes joins of.
const SCALAR_SUBQUERY: &str = "__scalar_sq";

impl Lowering<'_> {
    pub(super) fn join(&mut self, join: &LogicalNode) -> Result<Lowered> {
        let mut left = self.query(&join.left)?;
        let mut right = self.query(&join.right)?;
        if is_scalar_subquery(join) && !right.relation.is_one_row() {
            let input = Box::new(right.relation);
            right.relation = Relation::new(RelationKind::AtMostOneRow { input });
        }
        let (left_schema, right_schema) = (join.left.schema(), join.right.schema());
        let mut keys = Vec::with_capacity(join.on.len());
        for (left_key, right_key) in &join.on {
            let left_key = self.expression(left_key, &Scope::new(left_schema, &left.columns))?;
            left.relation = self.with_subqueries(left.relation);
            let right_key = self.expression(right_key, &Scope::new(right_schema, &right.columns))?;
            right.relation = self.with_subqueries(right.relation);
            keys.push((left_key, right_key));
        }
        let (kind, exchanged) = logical_join(join.join_type);
        let residual = match &join.filter {
            Some(filter) => {
                let scope = Scope::new(left_schema, &left.columns).and(right_schema, &right.columns);
                self.conjuncts(filter, &scope)?
            }
            None => vec![],
        };
        // A subquery in the condition goes with the side whose rows the join may drop.
        if exchanged {
            left.relation = self.with_subqueries(left.relation);
        } else {
            right.relation = self.with_subqueries(right.relation);
        }
        let mark = (kind == LogicalJoin::Mark).then(|| self.add_mark());
        let mut columns = vec![];
        if keeps(join.join_type, Side::Left) {
            columns.extend(&left.columns);
        }
        if keeps(join.join_type, Side::Right) {
            columns.extend(&right.columns);
        }
        columns.extend(mark);
        if exchanged {
            std::mem::swap(&mut left, &mut right);
            keys.iter_mut().for_each(|(left, right)| std::mem::swap(left, right));
        }
        let null_equals_null = join.null_equality == NullEquality::NullEqualsNull;
        let node = Join {
            kind: cross_as_inner(kind, &keys, &residual, &right.relation),
            left: left.relation,
            right: right.relation,
            keys,
            residual,
            null_equals_null,
            null_aware: join.null_aware,
            mark,
            build: Side::Right,
        };
        Ok(Lowered { relation: Relation::new(RelationKind::Join(Box::new(node))), columns })
    }

    fn add_mark(&mut self) -> usize {
        self.columns.add_new("mark", arrow::datatypes::DataType::Boolean, false)
    }
}

/// Whether DataFusion made this join of an uncorrelated scalar subquery, which must not give a second row.
fn is_scalar_subquery(join: &LogicalNode) -> bool {
    let is_alias = matches!(join.right.as_ref(), LogicalPlan::SubqueryAlias(alias)
        if alias.alias.table().starts_with(SCALAR_SUBQUERY));
    is_alias && join.join_type == JoinType::Left && join.on.is_empty() && join.filter.is_none()
}

/// A left join with exactly one row and without a condition, which scalar subqueries become, keeps all left rows
/// as an inner join does, and those can be reordered.
fn cross_as_inner(
    kind: LogicalJoin,
    keys: &[(Expr, Expr)],
    residual: &[Expr],
    right: &Relation,
) -> LogicalJoin {
    if kind == LogicalJoin::Left && keys.is_empty() && residual.is_empty() && right.is_one_row() {
        return LogicalJoin::Inner;
    }
    kind
}

/// Our kind, and whether the inputs are exchanged.
fn logical_join(join_type: JoinType) -> (LogicalJoin, bool) {
    match join_type {
        JoinType::Inner => (LogicalJoin::Inner, false),
        JoinType::Left => (LogicalJoin::Left, false),
        JoinType::Right => (LogicalJoin::Left, true),
        JoinType::Full => (LogicalJoin::Full, false),
        JoinType::LeftSemi => (LogicalJoin::Semi, false),
        JoinType::RightSemi => (LogicalJoin::Semi, true),
        JoinType::LeftAnti => (LogicalJoin::Anti, false),
        JoinType::RightAnti => (LogicalJoin::Anti, true),
        JoinType::LeftMark => (LogicalJoin::Mark, false),
        JoinType::RightMark => (LogicalJoin::Mark, true),
    }
}

fn keeps(join_type: JoinType, side: Side) -> bool {
    match join_type {
        JoinType::Inner | JoinType::Left | JoinType::Right | JoinType::Full => true,
        JoinType::LeftSemi | JoinType::LeftAnti | JoinType::LeftMark => side == Side::Left,
        JoinType::RightSemi | JoinType::RightAnti | JoinType::RightMark => side == Side::Right,
    }
}
