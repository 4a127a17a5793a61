//! Calls of user-defined table functions and operators in FROM.

use std::sync::Arc;

use datafusion_common::config::ConfigOptions;
use datafusion_common::{DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::logical_plan::{Extension, LogicalPlanBuilder};
use datafusion_expr::planner::{PlannedRelation, RelationPlannerContext, RelationPlanning};
use datafusion_expr::{ExprSchemable, LogicalPlan};
use nyala_schema::function::{FunctionDefinition, FunctionKind};
use nyala_schema::guest::{GuestOperator, OperatorInput, OperatorOutput, OperatorParameter};
use nyala_schema::{Error, ErrorCode};
use sqlparser::ast::{Expr as SqlExpr, FunctionArg, Ident, TableAlias, TableFactor};

use crate::constant::constant;
use crate::context::external;
use crate::guest_node::{GuestNodeInput, GuestOperatorNode, GuestOrder, TableFunctionNode};
use crate::normalize::ident_of;
use crate::overload::{Given, cast_cost};
use crate::resolve::{cast_arguments, columns_of, guest};
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::table_argument::{TableArgument, expr_of};
use crate::types::sql_name;

type Planned<T> = Result<T, DataFusionError>;

/// A call in FROM, while it is planned.
pub(crate) struct Call<'a> {
    pub(crate) name: String,
    pub(crate) args: Vec<FunctionArg>,
    pub(crate) alias: Option<TableAlias>,
    pub(crate) config: &'a Arc<ConfigOptions>,
}

fn fail<T>(code: ErrorCode, message: String, hint: String) -> Planned<T> {
    Err(external(Error::new(code, message).with_hint(hint)))
}

impl Call<'_> {
    fn planned(self, node: impl datafusion_expr::UserDefinedLogicalNode + 'static) -> RelationPlanning {
        let plan = LogicalPlan::Extension(Extension { node: Arc::new(node) });
        let alias = self.alias.unwrap_or_else(|| TableAlias {
            explicit: false,
            name: Ident::with_quote('"', &self.name),
            columns: vec![],
            at: None,
        });
        RelationPlanning::Planned(Box::new(PlannedRelation::new(plan, Some(alias))))
    }

    /// Over one row without columns; a call that reads other tables is put over them afterwards.
    pub(crate) fn table_function(
        self,
        overloads: &[Arc<FunctionDefinition>],
        context: &mut dyn RelationPlannerContext,
    ) -> Planned<RelationPlanning> {
        let mut args = vec![];
        for arg in &self.args {
            let Some((None, expr)) = expr_of(arg) else {
                let message = format!("table function {} takes no {arg}", quoted(&self.name));
                return fail(ErrorCode::Syntax, message, "its arguments have no names".to_owned());
            };
            args.push(context.sql_to_expr(expr.clone(), &DFSchema::empty())?);
        }
        let schema = DFSchema::empty();
        let (definition, args) =
            cast_arguments(&self.name, FunctionKind::Table, overloads, args, &schema, self.config)?;
        let function = guest(&definition)?;
        let columns = columns_of(&definition.returns)?
            .iter()
            .map(|field| (None, Arc::new(field.as_ref().clone().with_nullable(true))));
        let columns = columns.collect();
        let one_row = LogicalPlanBuilder::empty(true).build()?;
        let node = TableFunctionNode::new(one_row, function, args, columns)?;
        Ok(self.planned(node))
    }

    pub(crate) fn operator(
        self,
        operator: &Arc<GuestOperator>,
        context: &mut dyn RelationPlannerContext,
    ) -> Planned<RelationPlanning> {
        let mut inputs: Vec<Option<GuestNodeInput>> = vec![None; operator.inputs.len()];
        let mut parameters: Vec<Option<ScalarValue>> = vec![None; operator.parameters.len()];
        for arg in &self.args {
            let Some((name, expr)) = expr_of(arg) else {
                let message = format!("operator {} takes no {arg}", quoted(&self.name));
                return fail(ErrorCode::Syntax, message, takes(operator));
            };
            let name = name.map(ident_of);
            match TableArgument::of(expr) {
                Some(table) => {
                    let index =
                        slot(operator, name.as_deref(), &inputs, |i| operator.inputs[i].name.as_str())?;
                    inputs[index] = Some(input(operator, &operator.inputs[index], table, context)?);
                }
                None => {
                    let name_of = |i: usize| operator.parameters[i].name.as_str();
                    let index = slot(operator, name.as_deref(), &parameters, name_of)?;
                    let value = self.parameter(operator, &operator.parameters[index], expr, context)?;
                    parameters[index] = Some(value);
                }
            }
        }
        let inputs = complete(operator, inputs)?;
        check_keys(operator, &inputs)?;
        let parameters = given_or_null(operator, parameters)?;
        let node = GuestOperatorNode::new(Arc::clone(operator), parameters, inputs);
        Ok(self.planned(node?))
    }

    fn parameter(
        &self,
        operator: &GuestOperator,
        parameter: &OperatorParameter,
        expr: &SqlExpr,
        context: &mut dyn RelationPlannerContext,
    ) -> Planned<ScalarValue> {
        let expr = context.sql_to_expr(expr.clone(), &DFSchema::empty())?;
        let what = format!("operator {}: parameter {}", quoted(&operator.code.name), quoted(&parameter.name));
        let Some(value) = constant(&expr, self.config) else {
            let message = format!("{what} takes a constant, not {expr}");
            return fail(ErrorCode::InvalidParameter, message, takes(operator));
        };
        let given = Given { data_type: value.data_type(), constant: Some(value.clone()) };
        let fits =
            cast_cost(&given, &parameter.data_type).and_then(|_| value.cast_to(&parameter.data_type).ok());
        match fits {
            Some(value) => Ok(value),
            None => {
                let (wanted, got) = (sql_name(&parameter.data_type), sql_name(&given.data_type));
                fail(ErrorCode::DatatypeMismatch, format!("{what} is {wanted}, not {got}"), takes(operator))
            }
        }
    }
}

/// Which of the operator's tables or parameters an argument is: by name, or the first that has none yet.
fn slot<'a, T>(
    operator: &'a GuestOperator,
    name: Option<&str>,
    taken: &[Option<T>],
    name_of: impl Fn(usize) -> &'a str,
) -> Planned<usize> {
    let called = quoted(&operator.code.name);
    let Some(name) = name else {
        return match taken.iter().position(Option::is_none) {
            Some(index) => Ok(index),
            None => fail(
                ErrorCode::InvalidParameter,
                format!("operator {called} takes fewer arguments"),
                takes(operator),
            ),
        };
    };
    match (0..taken.len()).find(|index| name_of(*index) == name) {
        Some(index) if taken[index].is_some() => {
            let message = format!("operator {called}: {} is given twice", quoted(name));
            fail(ErrorCode::InvalidParameter, message, takes(operator))
        }
        Some(index) => Ok(index),
        None => {
            let names = operator.inputs.iter().map(|input| input.name.as_str());
            let names = names.chain(operator.parameters.iter().map(|parameter| parameter.name.as_str()));
            let names: Vec<&str> = names.collect();
            let hint = match nearest(name, names.iter().copied()) {
                Some(near) if near != name => did_you_mean(near),
                _ => takes(operator),
            };
            let what =
                if names.contains(&name) { "takes another kind of argument as" } else { "has no parameter" };
            fail(ErrorCode::InvalidParameter, format!("operator {called} {what} {}", quoted(name)), hint)
        }
    }
}

fn input(
    operator: &GuestOperator,
    wanted: &OperatorInput,
    table: TableArgument,
    context: &mut dyn RelationPlannerContext,
) -> Planned<GuestNodeInput> {
    let plan = context.plan(TableFactor::Derived {
        lateral: false,
        subquery: table.query,
        alias: None,
        sample: None,
    })?;
    let mut partition_by = vec![];
    for key in table.partition_by {
        partition_by.push(context.sql_to_expr(key, plan.schema())?);
    }
    let mut order_by = vec![];
    for key in table.order_by {
        let ascending = key.options.asc.unwrap_or(true);
        order_by.push(GuestOrder {
            expr: context.sql_to_expr(key.expr, plan.schema())?,
            descending: !ascending,
            nulls_first: key.options.nulls_first.unwrap_or(!ascending),
        });
    }
    for (clause, is_needed, is_given) in [
        ("PARTITION BY", wanted.needs_partition, !partition_by.is_empty()),
        ("ORDER BY", wanted.needs_order, !order_by.is_empty()),
    ] {
        if is_needed && !is_given {
            let message = format!(
                "operator {} needs {clause} for table {}",
                quoted(&operator.code.name),
                quoted(&wanted.name)
            );
            return fail(ErrorCode::InvalidParameter, message, takes(operator));
        }
    }
    Ok(GuestNodeInput { plan, partition_by, order_by })
}

fn complete(operator: &GuestOperator, inputs: Vec<Option<GuestNodeInput>>) -> Planned<Vec<GuestNodeInput>> {
    let mut complete = vec![];
    for (input, wanted) in inputs.into_iter().zip(&operator.inputs) {
        let Some(input) = input else {
            let message =
                format!("operator {} lacks table {}", quoted(&operator.code.name), quoted(&wanted.name));
            return fail(ErrorCode::InvalidParameter, message, takes(operator));
        };
        complete.push(input);
    }
    let handed_on = match &operator.output {
        OperatorOutput::Extends(own) | OperatorOutput::LikeInput(own) => own.as_slice(),
        OperatorOutput::Columns(_) => &[],
    };
    for own in handed_on {
        let fields = complete.first().map(|input| input.plan.schema().fields());
        if fields.is_some_and(|fields| fields.iter().any(|field| field.name() == own.name())) {
            let message = format!(
                "operator {} adds column {}, which its table has already",
                quoted(&operator.code.name),
                quoted(own.name())
            );
            let hint = "rename it in a subquery: TABLE (SELECT … AS …)".to_owned();
            return fail(ErrorCode::DuplicateColumn, message, hint);
        }
    }
    Ok(complete)
}

/// Partitions of several tables go together by equal keys.
fn check_keys(operator: &GuestOperator, inputs: &[GuestNodeInput]) -> Planned<()> {
    let mut first: Option<Vec<_>> = None;
    for input in inputs.iter().filter(|_| inputs.len() > 1) {
        let schema = input.plan.schema();
        let keys = input.partition_by.iter().map(|key| key.get_type(schema.as_ref()));
        let keys = keys.collect::<Planned<Vec<_>>>()?;
        match &first {
            Some(known) if *known != keys => {
                let message = format!(
                    "operator {} takes tables that are partitioned by keys of the same types",
                    quoted(&operator.code.name)
                );
                return fail(ErrorCode::DatatypeMismatch, message, "convert the keys with CAST".to_owned());
            }
            Some(_) => {}
            None => first = Some(keys),
        }
    }
    Ok(())
}

fn given_or_null(operator: &GuestOperator, values: Vec<Option<ScalarValue>>) -> Planned<Vec<ScalarValue>> {
    let mut complete = vec![];
    for (value, parameter) in values.into_iter().zip(&operator.parameters) {
        complete.push(match value {
            Some(value) => value,
            None if parameter.required => {
                let (called, name) = (quoted(&operator.code.name), quoted(&parameter.name));
                let message = format!("operator {called} lacks parameter {name}");
                return fail(ErrorCode::InvalidParameter, message, takes(operator));
            }
            None => ScalarValue::try_from(&parameter.data_type)?,
        });
    }
    Ok(complete)
}

/// How an operator is called.
fn takes(operator: &GuestOperator) -> String {
    let table = |input: &OperatorInput| {
        let partition = if input.needs_partition { " PARTITION BY …" } else { "" };
        let order = if input.needs_order { " ORDER BY …" } else { "" };
        format!("TABLE {}{partition}{order}", input.name)
    };
    let parameter = |parameter: &OperatorParameter| {
        let optional = if parameter.required { "" } else { " optional" };
        format!("{} => {}{optional}", parameter.name, sql_name(&parameter.data_type))
    };
    let arguments = operator.inputs.iter().map(table).chain(operator.parameters.iter().map(parameter));
    let arguments: Vec<String> = arguments.collect();
    format!("it takes {}({})", operator.code.name, arguments.join(", "))
}
