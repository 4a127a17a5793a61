//! DataFusion's analyser and optimiser rules, and the settings that they run with.

use std::sync::{Arc, OnceLock};

use datafusion_common::DataFusionError;
use datafusion_common::config::ConfigOptions;
use datafusion_expr::LogicalPlan;
use datafusion_optimizer::{Analyzer, Optimizer, OptimizerContext};
use nyala_schema::option::Options;

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
        RULES.get_or_init(|| Self { analyzer: Analyzer::new(), optimizer: Optimizer::new() })
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
        config.optimizer.filter_null_join_keys = false;
        // Plans hold joins only, so that execution knows nothing of subqueries.
        config.optimizer.enable_physical_uncorrelated_scalar_subquery = false;
        Arc::new(config)
    }))
}
