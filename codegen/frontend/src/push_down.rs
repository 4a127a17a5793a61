//! Filters are moved down by DataFusion's rule, but for conditions that differ each time they are evaluated.

use std::sync::Arc;

use datafusion_common::DataFusionError;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::utils::{conjunction, split_conjunction_owned};
use datafusion_expr::{Expr, Filter, LogicalPlan};
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
        if !filter.predicate.is_volatile() {
            let is_barrier = match filter.input.as_ref() {
                LogicalPlan::Filter(below) => below.predicate.is_volatile(),
                input => is_volatile_join(input) || is_volatile_grouping(input),
            };
            let plan = LogicalPlan::Filter(filter);
            return if is_barrier { Ok(Transformed::no(plan)) } else { self.0.rewrite(plan, config) };
        }
        let parts = split_conjunction_owned(filter.predicate.clone());
        let (volatile, stable): (Vec<_>, Vec<_>) = parts.into_iter().partition(|part| part.is_volatile());
        match (conjunction(volatile), conjunction(stable)) {
            (Some(volatile), Some(stable)) => {
                let below = LogicalPlan::Filter(Filter::try_new(stable, filter.input)?);
                Ok(Transformed::yes(LogicalPlan::Filter(Filter::try_new(volatile, Arc::new(below))?)))
            }
            _ => Ok(Transformed::no(LogicalPlan::Filter(filter))),
        }
    }
}

fn is_volatile_join(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Join(join) if join.filter.as_ref().is_some_and(|filter| filter.is_volatile()))
}

/// Below the grouping a condition on such a key would be asked of another value than the one that is grouped by.
fn is_volatile_grouping(plan: &LogicalPlan) -> bool {
    matches!(plan, LogicalPlan::Aggregate(grouping) if grouping.group_expr.iter().any(Expr::is_volatile))
}
