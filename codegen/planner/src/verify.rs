//! The rules that every plan keeps: what is read is there, in the type that is said.

use arrow::datatypes::{DataType, Schema};
use nyala_schema::operator::{AggregateCall, AggregateMode, HashJoin, JoinKind, OperatorKind};
use nyala_schema::{Error, Expr, Operator, Result};

/// Checks an operator and all below it.
///
/// # Errors
/// `Internal`, naming the operator and the rule.
pub fn verify(operator: &Operator) -> Result<()> {
    check(operator).map_err(|error| error.context(format!("{} {}", operator.id, operator.kind)))?;
    operator.inputs.iter().try_for_each(verify)
}

fn check(operator: &Operator) -> Result<()> {
    let inputs: Vec<&Schema> = operator.inputs.iter().map(|input| input.schema.as_ref()).collect();
    expect(arity(&operator.kind).is_none_or(|arity| arity == inputs.len()), "number of inputs")?;
    if !(operator.rows_estimated.is_finite() && operator.rows_estimated >= 0.0) {
        return fail("the estimate is no number");
    }
    let output = operator.schema.as_ref();
    match &operator.kind {
        OperatorKind::Scan(scan) => {
            expect(scan.projection.len() == output.fields().len(), "columns of the scan")?;
            scan.filters.iter().try_for_each(|filter| condition(filter, &[output]))
        }
        OperatorKind::Filter { predicate } => condition(predicate, &inputs),
        OperatorKind::Project { expressions } => row(expressions, &inputs, output),
        OperatorKind::Expand { projections } => {
            projections.iter().try_for_each(|expressions| row(expressions, &inputs, output))
        }
        OperatorKind::Aggregate { keys, aggregates, mode } => {
            keys.iter().try_for_each(|key| expression(key, &inputs))?;
            aggregate(keys, aggregates, *mode, &inputs, output)
        }
        OperatorKind::Sort { keys, .. } => keys.iter().try_for_each(|key| expression(&key.expr, &inputs)),
        OperatorKind::Window { partition_by, order_by, calls } => {
            partition_by.iter().try_for_each(|expr| expression(expr, &inputs))?;
            order_by.iter().try_for_each(|key| expression(&key.expr, &inputs))?;
            let arguments = calls.iter().flat_map(|call| call.arguments.iter().chain(&call.filter));
            arguments.into_iter().try_for_each(|argument| expression(argument, &inputs))
        }
        OperatorKind::Unnest { columns, .. } => {
            let is_there = |index: usize| index < output.fields().len();
            expect(columns.iter().all(|column| is_there(column.index)), "unnested column")
        }
        OperatorKind::TableFunction { arguments, .. } => {
            arguments.iter().try_for_each(|argument| expression(argument, &inputs))
        }
        OperatorKind::Guest(call) => {
            expect(call.inputs.len() == inputs.len(), "table arguments of an operator")?;
            call.inputs.iter().zip(&inputs).try_for_each(|(input, schema)| {
                let keys = input.partition_by.iter().chain(input.order_by.iter().map(|key| &key.expr));
                keys.into_iter().try_for_each(|key| expression(key, &[*schema]))
            })
        }
        OperatorKind::HashJoin(join) => {
            hash_join(join, &inputs)?;
            joined(join.kind, &inputs, output)
        }
        OperatorKind::NestedLoopJoin { kind, condition: on } => {
            on.iter().try_for_each(|on| condition(on, &inputs))?;
            joined(*kind, &inputs, output)
        }
        OperatorKind::Union | OperatorKind::Recursion { .. } => inputs.iter().try_for_each(|input| {
            types_match(input.fields().iter().map(|field| field.data_type().clone()), output)
        }),
        OperatorKind::Limit { .. } | OperatorKind::AtMostOneRow => inputs.iter().try_for_each(|input| {
            types_match(input.fields().iter().map(|field| field.data_type().clone()), output)
        }),
        OperatorKind::Values(batch) => {
            types_match(batch.columns().iter().map(|column| column.data_type().clone()), output)
        }
        OperatorKind::Receive { order, .. } => order.iter().try_for_each(|key| {
            expect(matches!(key.expr, Expr::Column { .. }), "columns to merge by")?;
            expression(&key.expr, &[output])
        }),
        OperatorKind::Series { .. } | OperatorKind::RecursionInput { .. } => Ok(()),
    }
}

/// Inputs; `None` where there may be any number.
fn arity(kind: &OperatorKind) -> Option<usize> {
    match kind {
        OperatorKind::Scan(_)
        | OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::RecursionInput { .. } => Some(0),
        OperatorKind::Filter { .. }
        | OperatorKind::Project { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Aggregate { .. }
        | OperatorKind::Sort { .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Window { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::TableFunction { .. }
        | OperatorKind::AtMostOneRow => Some(1),
        OperatorKind::HashJoin(_) | OperatorKind::NestedLoopJoin { .. } | OperatorKind::Recursion { .. } => {
            Some(2)
        }
        OperatorKind::Union | OperatorKind::Guest(_) => None,
    }
}

/// What calls read is the input of the first step; the last reads its states.
fn aggregate(
    keys: &[Expr],
    calls: &[AggregateCall],
    mode: AggregateMode,
    inputs: &[&Schema],
    output: &Schema,
) -> Result<()> {
    if mode != AggregateMode::Final {
        for call in calls {
            call.arguments.iter().try_for_each(|argument| expression(argument, inputs))?;
            call.filter.iter().try_for_each(|filter| condition(filter, inputs))?;
            call.order_by.iter().try_for_each(|key| expression(&key.expr, inputs))?;
        }
    }
    let types = || keys.iter().map(Expr::data_type);
    let results = types().chain(calls.iter().map(|call| call.data_type.clone()));
    if mode == AggregateMode::Single {
        return types_match(results, output);
    }
    let mut states: Vec<DataType> = types().collect();
    for call in calls {
        let fields = call.partial_fields();
        let fields = fields.ok_or_else(|| Error::internal(format!("{call} cannot be split")))?;
        states.extend(fields.iter().map(|field| field.data_type().clone()));
    }
    if mode == AggregateMode::Partial {
        return types_match(states.into_iter(), output);
    }
    types_match(states.into_iter(), inputs[0])?;
    types_match(results, output)
}

fn hash_join(join: &HashJoin, inputs: &[&Schema]) -> Result<()> {
    expect(!join.keys.is_empty(), "keys of a hash join")?;
    for (probe, build) in &join.keys {
        expression(probe, &inputs[..1])?;
        expression(build, &inputs[1..])?;
        expect(probe.data_type() == build.data_type(), "keys of one type")?;
    }
    join.residual.iter().try_for_each(|residual| condition(residual, inputs))?;
    expect(!join.null_aware || join.kind == JoinKind::ProbeAnti, "a null-aware join")?;
    expect(join.runtime_filters.iter().all(|(_, key)| *key < join.keys.len()), "keys of runtime filters")
}

fn joined(kind: JoinKind, inputs: &[&Schema], output: &Schema) -> Result<()> {
    let mut types = vec![];
    let mut add = |schema: &Schema| {
        types.extend(schema.fields().iter().map(|field| field.data_type().clone()));
    };
    if kind.keeps_probe_columns() {
        add(inputs[0]);
    }
    if kind.keeps_build_columns() {
        add(inputs[1]);
    }
    if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
        types.push(DataType::Boolean);
    }
    types_match(types.into_iter(), output)
}

fn row(expressions: &[Expr], inputs: &[&Schema], output: &Schema) -> Result<()> {
    expressions.iter().try_for_each(|expr| expression(expr, inputs))?;
    types_match(expressions.iter().map(Expr::data_type), output)
}

fn types_match(types: impl Iterator<Item = DataType>, output: &Schema) -> Result<()> {
    let types: Vec<DataType> = types.collect();
    let said: Vec<DataType> = output.fields().iter().map(|field| field.data_type().clone()).collect();
    if types == said { Ok(()) } else { fail(&format!("the schema says {said:?}, not {types:?}")) }
}

fn condition(expr: &Expr, inputs: &[&Schema]) -> Result<()> {
    expression(expr, inputs)?;
    expect(expr.data_type() == DataType::Boolean, "a condition that is Boolean")
}

fn expression(expr: &Expr, inputs: &[&Schema]) -> Result<()> {
    let typed = |a: &Expr, b: &Expr, what: &str| {
        let (a, b) = (a.data_type(), b.data_type());
        let is_decimal = |t: &DataType| t.is_decimal();
        let same = a == b || is_decimal(&a) && is_decimal(&b);
        if same { Ok(()) } else { fail(&format!("{what} of {a} with {b}: {expr}")) }
    };
    match expr {
        Expr::Column { index, data_type, nullable } => {
            let field = inputs.iter().flat_map(|schema| schema.fields().iter()).nth(*index);
            let Some(field) = field else { return fail(&format!("there is no column #{index}")) };
            let fits = field.data_type() == data_type && (*nullable || !field.is_nullable());
            return if fits { Ok(()) } else { fail(&format!("#{index} is {field}, not {data_type}")) };
        }
        Expr::Compare { left, right, .. } => typed(left, right, "a comparison")?,
        Expr::Case { branches, otherwise, data_type } => {
            let results = branches.iter().map(|(_, result)| result).chain(otherwise.as_deref());
            for result in results {
                expect(result.data_type() == *data_type, "results of CASE of one type")?;
            }
        }
        Expr::InList { input, values, .. } => {
            let data_type = input.data_type();
            expect(values.iter().all(|value| *value.data_type() == data_type), "an IN list of one type")?;
        }
        Expr::And(..) | Expr::Or(..) | Expr::Not(_) => {
            let are_boolean = expr.children().iter().all(|part| part.data_type() == DataType::Boolean);
            expect(are_boolean, "logic of Booleans")?;
        }
        Expr::Literal(_)
        | Expr::Arithmetic { .. }
        | Expr::Negate(_)
        | Expr::IsNull(_)
        | Expr::Cast { .. }
        | Expr::Like { .. }
        | Expr::Call { .. } => {}
    }
    expr.children().into_iter().try_for_each(|child| expression(child, inputs))
}

fn expect(holds: bool, what: &str) -> Result<()> {
    if holds { Ok(()) } else { fail(&format!("the plan lacks {what}")) }
}

fn fail(message: &str) -> Result<()> {
    Err(Error::internal(message))
}
