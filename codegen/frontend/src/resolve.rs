//! Calls of user-defined functions get the overload that is meant; those that are constant are computed.

use std::sync::Arc;

use arrow::datatypes::DataType;
use datafusion_common::config::ConfigOptions;
use datafusion_common::tree_node::{Transformed, TreeNode};
use datafusion_common::{DFSchema, DataFusionError, ExprSchema, ScalarValue};
use datafusion_expr::expr::{AggregateFunction, ScalarFunction, WindowFunction};
use datafusion_expr::expr_rewriter::NamePreserver;
use datafusion_expr::utils::merge_schema;
use datafusion_expr::{Cast, Expr, ExprSchemable, LogicalPlan, WindowFunctionDefinition};
use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionBody, FunctionDefinition, FunctionKind};
use nyala_schema::guest::GuestFunction;
use nyala_schema::{Error, Result};

use crate::constant::constant;
use crate::context::{Context, external};
use crate::guest_function::{GuestUdaf, GuestUdf};
use crate::lateral::lateral_to_function;
use crate::overload::{Given, choose};

type Planned<T> = Result<T, DataFusionError>;

impl Context<'_> {
    /// # Errors
    /// Calls that fit no overload; bodies in SQL that are wrong.
    pub(crate) fn resolve_plan(&self, plan: LogicalPlan) -> Planned<LogicalPlan> {
        if !self.has_user_defined() {
            return Ok(plan);
        }
        let resolved = plan.transform_up_with_subqueries(|node| {
            let node = lateral_to_function(node)?;
            let schema = merge_schema(&node.data.inputs());
            let names = NamePreserver::new(&node.data);
            let expressions = node.data.map_expressions(|expr| {
                let name = names.save(&expr);
                Ok(self.resolve_expr(expr, &schema)?.update_data(|expr| name.restore(expr)))
            })?;
            if expressions.transformed {
                return Ok(Transformed::yes(expressions.data.recompute_schema()?));
            }
            Ok(Transformed::new_transformed(expressions.data, node.transformed))
        })?;
        Ok(resolved.data)
    }

    pub(crate) fn resolve_expr(&self, expr: Expr, schema: &DFSchema) -> Planned<Transformed<Expr>> {
        expr.transform_up(|expr| match expr {
            Expr::ScalarFunction(call) => match call.func.inner().downcast_ref::<GuestUdf>() {
                Some(udf) if udf.function().is_none() => {
                    let name = call.func.name().to_owned();
                    let overloads = udf.overloads().to_vec();
                    self.scalar_call(&name, &overloads, call.args, schema).map(Transformed::yes)
                }
                _ => Ok(Transformed::no(Expr::ScalarFunction(call))),
            },
            Expr::AggregateFunction(mut call) => {
                let Some(udaf) = unchosen(call.func.inner().downcast_ref::<GuestUdaf>()) else {
                    return Ok(Transformed::no(Expr::AggregateFunction(call)));
                };
                let name = call.func.name().to_owned();
                let args = std::mem::take(&mut call.params.args);
                let (function, args) = self.aggregate_call(&name, udaf.overloads(), args, schema)?;
                call.params.args = args;
                let func = Arc::new(GuestUdaf::chosen(function));
                Ok(Transformed::yes(Expr::AggregateFunction(AggregateFunction { func, ..call })))
            }
            Expr::WindowFunction(mut call) => {
                let WindowFunctionDefinition::AggregateUDF(func) = &call.fun else {
                    return Ok(Transformed::no(Expr::WindowFunction(call)));
                };
                let Some(udaf) = unchosen(func.inner().downcast_ref::<GuestUdaf>()) else {
                    return Ok(Transformed::no(Expr::WindowFunction(call)));
                };
                let args = std::mem::take(&mut call.params.args);
                let (function, args) = self.aggregate_call(func.name(), udaf.overloads(), args, schema)?;
                call.params.args = args;
                let fun = WindowFunctionDefinition::AggregateUDF(Arc::new(GuestUdaf::chosen(function)));
                Ok(Transformed::yes(Expr::WindowFunction(Box::new(WindowFunction { fun, ..*call }))))
            }
            other => Ok(Transformed::no(other)),
        })
    }

    fn scalar_call(
        &self,
        name: &str,
        overloads: &[Arc<FunctionDefinition>],
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Planned<Expr> {
        let (definition, args) =
            cast_arguments(name, FunctionKind::Scalar, overloads, args, schema, self.config())?;
        let version = definition.current_version();
        if let FunctionBody::Sql { text, .. } = &version.body {
            return self.inlined(&definition, text, version.strict, args, schema);
        }
        let function = guest(&definition)?;
        if let Some(value) = self.folded(&function, &args) {
            return Ok(Expr::Literal(value, None));
        }
        let func = Arc::new(GuestUdf::chosen(function));
        Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
    }

    fn aggregate_call(
        &self,
        name: &str,
        overloads: &[Arc<FunctionDefinition>],
        args: Vec<Expr>,
        schema: &DFSchema,
    ) -> Planned<(Arc<GuestFunction>, Vec<Expr>)> {
        let kind = FunctionKind::Aggregate;
        let (definition, args) = cast_arguments(name, kind, overloads, args, schema, self.config())?;
        Ok((guest(&definition)?, args))
    }

    pub(crate) fn refolded(&self, expr: Expr) -> Planned<Transformed<Expr>> {
        let value = match &expr {
            Expr::ScalarFunction(call) => {
                let function = call.func.inner().downcast_ref::<GuestUdf>().and_then(GuestUdf::function);
                function.and_then(|function| self.folded(function, &call.args))
            }
            _ => None,
        };
        Ok(match value {
            Some(value) => Transformed::yes(Expr::Literal(value, None)),
            None => Transformed::no(expr),
        })
    }

    /// The result of an immutable function over constants. A call that fails stays in the plan, and fails where it is
    /// evaluated, if it is.
    fn folded(&self, function: &Arc<GuestFunction>, args: &[Expr]) -> Option<ScalarValue> {
        if function.volatility != Volatility::Immutable {
            return None;
        }
        let values = args.iter().map(|arg| constant(arg, self.config())).collect::<Option<Vec<_>>>()?;
        if function.strict && values.iter().any(ScalarValue::is_null) {
            return ScalarValue::try_from(&function.returns).ok();
        }
        let arrays = values.iter().zip(&function.arguments).map(|(value, data_type)| {
            value.cast_to(data_type).ok()?.to_array().ok().filter(|array| array.data_type() == data_type)
        });
        let arrays = arrays.collect::<Option<Vec<_>>>()?;
        let result = self.world().evaluate(function, &arrays, 1).ok()?;
        let fits = *result.data_type() == function.returns && result.len() == 1;
        fits.then(|| ScalarValue::try_from_array(&result, 0).ok()).flatten()
    }
}

/// The overload that is meant, and the arguments in its types.
///
/// # Errors
/// Ours, from the choice; DataFusion's, from the arguments.
pub(crate) fn cast_arguments(
    name: &str,
    kind: FunctionKind,
    overloads: &[Arc<FunctionDefinition>],
    args: Vec<Expr>,
    schema: &dyn ExprSchema,
    config: &Arc<ConfigOptions>,
) -> Planned<(Arc<FunctionDefinition>, Vec<Expr>)> {
    let mut given = Vec::with_capacity(args.len());
    for arg in &args {
        let is_written = matches!(arg, Expr::Literal(..) | Expr::Negative(_));
        let constant = if is_written { constant(arg, config) } else { None };
        given.push(Given { data_type: arg.get_type(schema)?, constant });
    }
    let chosen = choose(name, kind, overloads, &given).map_err(external)?;
    let wanted = chosen.arguments.iter().map(|argument| &argument.data_type);
    let cast = args.into_iter().zip(given).zip(wanted).map(|((arg, given), wanted)| {
        if given.data_type == *wanted {
            return arg;
        }
        match given.constant.and_then(|value| value.cast_to(wanted).ok()) {
            Some(value) => Expr::Literal(value, None),
            None => Expr::Cast(Cast::new(Box::new(arg), wanted.clone())),
        }
    });
    let cast = cast.collect();
    Ok((Arc::clone(chosen), cast))
}

fn unchosen(udaf: Option<&GuestUdaf>) -> Option<GuestUdaf> {
    udaf.filter(|udaf| udaf.function().is_none()).cloned()
}

pub(crate) fn guest(definition: &FunctionDefinition) -> Planned<Arc<GuestFunction>> {
    let guest = definition.guest(definition.current_version());
    guest.map(Arc::new).ok_or_else(|| {
        let message = format!("function \"{}\" is written in SQL and cannot be called here", definition.name);
        external(Error::unsupported(message))
    })
}

/// The type that a struct of a table function's columns stands for.
pub(crate) fn columns_of(returns: &DataType) -> Planned<&arrow::datatypes::Fields> {
    match returns {
        DataType::Struct(columns) => Ok(columns),
        other => Err(external(Error::internal(format!("a table function that returns {other}")))),
    }
}
