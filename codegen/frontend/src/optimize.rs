//! DataFusion's analyser and optimiser rules, and the settings that they run with.

use std::sync::{Arc, OnceLock};

use datafusion_common::DataFusionError;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::Transformed;
use datafusion_expr::{Distinct, LogicalPlan};
use datafusion_optimizer::optimizer::ApplyOrder;
use datafusion_optimizer::replace_distinct_aggregate::ReplaceDistinctWithAggregate;
use datafusion_optimizer::{Analyzer, Optimizer, OptimizerConfig, OptimizerContext, OptimizerRule};
use nyala_schema::option::Options;

use crate::push_down::PushDownStableFilter;

/// Rules run until nothing changes, at most so often.
const PASSES_MAX: usize = 3;

/// Made once: rules hold no state.
pub(crate) struct Rules {
    analyzer: Analyzer,
    optimizer: Optimizer,
}

impl Rules {
    pub(crate) fn get() -> &'static Self {
        static RULES: OnceLock<Rules> = OnceLock::new();
        RULES.get_or_init(|| Self { analyzer: Analyzer::new(), optimizer: optimizer() })
    }

    /// Types made to fit, subqueries made joins, filters moved into scans, columns that nobody reads left out.
    ///
    /// # Errors
    /// Types that do not fit; constants that cannot be computed.
    pub(crate) fn run(
        &self,
        plan: LogicalPlan,
        config: &Arc<ConfigOptions>,
    ) -> Result<LogicalPlan, DataFusionError> {
        let analyzed = self.analyzer.execute_and_check(plan, config, |_, _| {})?;
        let context = OptimizerContext::new_with_config_options(Arc::clone(config));
        self.optimizer.optimize(analyzed, &context, |_, _| {})
    }
}

/// Rules that have nothing to do here: struct fields are not read apart from their structs, and joins look for NULL
/// keys themselves.
const UNUSED: [&str; 3] = ["extract_leaf_expressions", "push_down_leaf_projections", "filter_null_join_keys"];

/// DataFusion's rules in DataFusion's order, without those that are unused, and two replaced.
fn optimizer() -> Optimizer {
    let mut optimizer = Optimizer::new();
    optimizer.rules.retain(|rule| !UNUSED.contains(&rule.name()));
    for rule in &mut optimizer.rules {
        if rule.name() == DistinctToAggregate::NAME {
            *rule = Arc::new(DistinctToAggregate::default());
        } else if rule.name() == PushDownStableFilter::NAME {
            *rule = Arc::new(PushDownStableFilter::default());
        }
    }
    optimizer
}

/// DISTINCT becomes an aggregation; DISTINCT ON stays as it is, for the planner. DataFusion's own rule would look for
/// `first_value` in a registry that is not there.
#[derive(Debug, Default)]
struct DistinctToAggregate(ReplaceDistinctWithAggregate);

impl DistinctToAggregate {
    const NAME: &str = "replace_distinct_aggregate";
}

impl OptimizerRule for DistinctToAggregate {
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
        match plan {
            LogicalPlan::Distinct(Distinct::On(_)) => Ok(Transformed::no(plan)),
            _ => self.0.rewrite(plan, config),
        }
    }
}

/// The settings for a session's options.
pub(crate) fn config_for(options: &Options) -> Arc<ConfigOptions> {
    let shared = default_config();
    if shared.execution.time_zone.as_deref() == Some(options.time_zone.as_str()) {
        return shared;
    }
    let mut config = shared.as_ref().clone();
    config.execution.time_zone = Some(options.time_zone.clone());
    Arc::new(config)
}

/// The settings for the default options.
pub(crate) fn default_config() -> Arc<ConfigOptions> {
    static CONFIG: OnceLock<Arc<ConfigOptions>> = OnceLock::new();
    Arc::clone(CONFIG.get_or_init(|| {
        let mut config = ConfigOptions::default();
        // 0.06 is exactly six hundredths: `between 0.05 and 0.07` must not lose it.
        config.sql_parser.parse_float_as_decimal = true;
        config.sql_parser.map_string_types_to_utf8view = true;
        config.sql_parser.collect_spans = true;
        config.execution.time_zone = Some("UTC".to_owned());
        config.optimizer.max_passes = PASSES_MAX;
        // Plans hold joins only, so that execution knows nothing of subqueries.
        config.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        Arc::new(config)
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_found_by_their_names() {
        let theirs = Optimizer::new().rules;
        let known = |name: &str| theirs.iter().any(|rule| rule.name() == name);
        assert!(UNUSED.iter().all(|name| known(name)) && known(DistinctToAggregate::NAME));
        assert!(known(PushDownStableFilter::NAME));
    }
}
