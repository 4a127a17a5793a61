//! Constant expressions, computed while a query is planned.

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::Expr;
use datafusion_expr::simplify::SimplifyContext;
use datafusion_optimizer::simplify_expressions::ExprSimplifier;

/// An expression without columns, simplified: a literal if it is constant, as calls of `now()` are in one statement.
///
/// # Errors
/// Types that do not fit; what cannot be computed.
pub(crate) fn folded(expr: Expr, config: &Arc<ConfigOptions>) -> Result<Expr, DataFusionError> {
    let schema = Arc::new(DFSchema::empty());
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(config))
        .with_current_time()
        .build();
    let simplifier = ExprSimplifier::new(context);
    simplifier.simplify(simplifier.coerce(expr, &schema)?)
}

/// The value of an expression; `None` when it reads columns, differs between evaluations, or cannot be computed.
pub(crate) fn constant(expr: &Expr, config: &Arc<ConfigOptions>) -> Option<ScalarValue> {
    if let Expr::Literal(value, _) = expr {
        return Some(value.clone());
    }
    if expr.is_volatile() || expr.any_column_refs() || expr.contains_outer() {
        return None;
    }
    let schema = Arc::new(DFSchema::empty());
    let context = SimplifyContext::builder()
        .with_schema(Arc::clone(&schema))
        .with_config_options(Arc::clone(config))
        .build();
    let simplifier = ExprSimplifier::new(context);
    let coerced = simplifier.coerce(expr.clone(), &schema).ok()?;
    match simplifier.simplify(coerced).ok()? {
        Expr::Literal(value, _) => Some(value),
        _ => None,
    }
}
