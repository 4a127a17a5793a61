//! Filters are moved down by DataFusion's rule, but for conditions that differ each time they are evaluated, and
//! without its new order of conditions where one may guard another.

use std::sync::Arc;

use datafusion_common::DataFusionError;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{BinaryExpr, Expr, Filter, LogicalPlan, Operator};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::push_down_filter::PushDownFilter;
use datafusion_optimizer::{OptimizerConfig, OptimizerRule};

/// DataFusion's rule would move `random() < 0.1` below joins and aggregates, where it is asked of other rows.
#[derive(Debug, Default)]
pub(crate) struct PushDownStableFilter(PushDownFilter);

impl PushDownStableFilter {
    pub(crate) const NAME: &str = "push_down_filter";
}

impl OptimizerRule for PushDownStableFilter {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        self.0.apply_order()
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>, DataFusionError> {
        if is_volatile_join(&plan) {
            return Ok(Transformed::no(plan));
        }
        let LogicalPlan::Filter(filter) = plan else { return self.0.rewrite(plan, config) };
        if filter.predicate.is_volatile() {
            return split_volatile(filter);
        }
        let is_barrier = match filter.input.as_ref() {
            LogicalPlan::Filter(below) => below.predicate.is_volatile(),
            input => is_volatile_join(input) || is_volatile_grouping(input),
        };
        if is_barrier {
            return Ok(Transformed::no(LogicalPlan::Filter(filter)));
        }
        let (parts, input) = merged(&filter);
        // The first may come wherever it likes: nothing guards it.
        if parts.iter().skip(1).any(may_fail) {
            return self.in_order(parts, input, config);
        }
        self.0.rewrite(LogicalPlan::Filter(filter), config)
    }
}

impl PushDownStableFilter {
    /// Moves one condition after the other, so that those that come to the same place are still in their order. The
    /// rule itself puts cheap conditions first, and comparisons of a column with a literal last.
    fn in_order(
        &self,
        parts: Vec<Expr>,
        mut input: Arc<LogicalPlan>,
        config: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>, DataFusionError> {
        let mut kept = vec![];
        let mut moved = false;
        for part in parts {
            let one = LogicalPlan::Filter(Filter::try_new(part, input)?);
            let Transformed { data, transformed, .. } = self.0.rewrite(one, config)?;
            moved |= transformed;
            input = match data {
                LogicalPlan::Filter(stays) => {
                    kept.push(stays.predicate);
                    stays.input
                }
                below => Arc::new(below),
            };
        }
        let plan = match conjunction(kept) {
            Some(kept) => LogicalPlan::Filter(Filter::try_new(kept, input)?),
            None => Arc::unwrap_or_clone(input),
        };
        Ok(Transformed::new_transformed(plan, moved))
    }
}

/// The conditions of adjacent filters, those below first, and what is below them all.
fn merged(filter: &Filter) -> (Vec<Expr>, Arc<LogicalPlan>) {
    let (mut parts, input) = match filter.input.as_ref() {
        LogicalPlan::Filter(below) if !below.predicate.is_volatile() => merged(below),
        _ => (vec![], Arc::clone(&filter.input)),
    };
    for part in split_conjunction_owned(filter.predicate.clone()) {
        if !parts.contains(&part) {
            parts.push(part);
        }
    }
    (parts, input)
}

/// Conditions that differ each time stay above; the others may go on, but for those that they may guard.
fn split_volatile(filter: Filter) -> Result<Transformed<LogicalPlan>, DataFusionError> {
    let (mut stay, mut go) = (vec![], vec![]);
    for part in split_conjunction_owned(filter.predicate.clone()) {
        let guarded = !stay.is_empty() && may_fail(&part) && !is_equality(&part);
        if part.is_volatile() || guarded { stay.push(part) } else { go.push(part) }
    }
    match (conjunction(stay), conjunction(go)) {
        (Some(stay), Some(go)) => {
            let below = LogicalPlan::Filter(Filter::try_new(go, filter.input)?);
            Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(stay, Arc::new(below))?)))
        }
        _ => Ok(Transformed::no(LogicalPlan::Filter(filter))),
    }
}

/// Such as may join two tables, which without it would be a product.
fn is_equality(part: &Expr) -> bool {
    matches!(part, Expr::BinaryExpr(BinaryExpr { left, op: Operator::Eq, right })
        if left.any_column_refs() && right.any_column_refs())
}

/// Whether evaluating `expr` can end in an error for some row.
fn may_fail(expr: &Expr) -> bool {
    let found = expr.exists(|node| {
        Ok(match node {
            // What has an opposite is a comparison.
            Expr::BinaryExpr(BinaryExpr { op, .. }) => {
                !matches!(op, Operator::And | Operator::Or | Operator::StringConcat) && op.negate().is_none()
            }
            Expr::Column(_)
            | Expr::OuterReferenceColumn(..)
            | Expr::Literal(..)
            | Expr::Alias(_)
            | Expr::Not(_)
            | Expr::IsNull(_)
            | Expr::IsNotNull(_)
            | Expr::IsTrue(_)
            | Expr::IsFalse(_)
            | Expr::IsUnknown(_)
            | Expr::IsNotTrue(_)
            | Expr::IsNotFalse(_)
            | Expr::IsNotUnknown(_)
            | Expr::Between(_)
            | Expr::Case(_)
            | Expr::InList(_)
            | Expr::Like(_)
            | Expr::TryCast(_) => false,
            _ => true,
        })
    });
    // The closure above never fails.
    found.unwrap_or(true)
}

fn is_volatile_join(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(|filter| filter.is_volatile()))
}

/// Below the grouping a condition on such a key would be asked of another value than the one that is grouped by.
fn is_volatile_grouping(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(grouping) if grouping.group_expr.iter().any(Expr::is_volatile))
}
