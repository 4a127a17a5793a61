//! Keys as columns: what rows are partitioned by is computed below the operator that needs it, once.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::id::OperatorId;
use nyala_schema::operator::{HashJoin, OperatorKind};
use nyala_schema::{Expr, Operator};

use super::location::column_of;

/// The same plan, in which joins, aggregates, windows and sorts of all rows have plain columns as keys.
pub fn plain_keys(mut operator: Operator) -> Operator {
    operator.inputs = operator.inputs.into_iter().map(plain_keys).collect();
    match &mut operator.kind {
        OperatorKind::Aggregate { keys, .. } => {
            let input = computed(operator.inputs.remove(0), keys.iter_mut());
            operator.inputs.push(input);
            operator
        }
        OperatorKind::Window { partition_by, .. } => {
            let columns = operator.inputs[0].schema.fields().len();
            let input = computed(operator.inputs.remove(0), partition_by.iter_mut());
            let added = input.schema.fields()[columns..].to_vec();
            operator.inputs.push(input);
            widened(operator, columns, &added)
        }
        OperatorKind::Sort { keys, fetch: None } => {
            let columns = operator.inputs[0].schema.fields().len();
            let keys = keys.iter_mut().map(|key| &mut key.expr);
            let input = computed(operator.inputs.remove(0), keys);
            let added = input.schema.fields()[columns..].to_vec();
            operator.inputs.push(input);
            widened(operator, columns, &added)
        }
        OperatorKind::HashJoin(join) if join.keys.iter().any(is_computed) => join_keys(operator),
        OperatorKind::HashJoin(_)
        | OperatorKind::Scan(_)
        | OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Filter { .. }
        | OperatorKind::Project { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Sort { fetch: Some(_), .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Unnest { .. }
        | OperatorKind::AtMostOneRow
        | OperatorKind::TableFunction { .. }
        | OperatorKind::Guest(_)
        | OperatorKind::NestedLoopJoin { .. }
        | OperatorKind::Union
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => operator,
    }
}

fn is_computed((probe, build): &(Expr, Expr)) -> bool {
    column_of(probe).is_none() || column_of(build).is_none()
}

/// The input with the keys that are no columns behind its own; the keys read them there.
fn computed<'a>(input: Operator, keys: impl Iterator<Item = &'a mut Expr>) -> Operator {
    let mut expressions: Vec<Expr> = columns_of(&input.schema).collect();
    let mut fields: Vec<Field> = input.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let columns = fields.len();
    for key in keys.filter(|key| column_of(key).is_none()) {
        let field = Field::new(key.to_string(), key.data_type(), key.nullable());
        let column = Expr::column(fields.len(), &field);
        fields.push(field);
        expressions.push(std::mem::replace(key, column));
    }
    if fields.len() == columns { input } else { project(input, expressions, fields) }
}

fn columns_of(schema: &SchemaRef) -> impl Iterator<Item = Expr> {
    schema.fields().iter().enumerate().map(|(index, field)| Expr::column(index, field))
}

/// The operator's id is set when all are there.
fn project(input: Operator, expressions: Vec<Expr>, fields: Vec<Field>) -> Operator {
    Operator {
        id: OperatorId(0),
        rows_estimated: input.rows_estimated,
        schema: Arc::new(Schema::new(fields)),
        kind: OperatorKind::Project { expressions },
        inputs: vec![input],
    }
}

/// An operator that hands on its input's columns, of which some have been added behind the first `columns`: a projection
/// above leaves them out.
fn widened(mut operator: Operator, columns: usize, added: &[Arc<Field>]) -> Operator {
    if added.is_empty() {
        return operator;
    }
    let wanted: Vec<Field> = operator.schema.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut fields: Vec<Arc<Field>> = operator.schema.fields().to_vec();
    fields.splice(columns..columns, added.iter().cloned());
    operator.schema = Arc::new(Schema::new(fields));
    let all: Vec<Expr> = columns_of(&operator.schema).collect();
    let kept = all[..columns].iter().chain(&all[columns + added.len()..]).cloned().collect();
    project(operator, kept, wanted)
}

fn join_keys(mut operator: Operator) -> Operator {
    let OperatorKind::HashJoin(mut join) = operator.kind else { return operator };
    let inputs = std::mem::take(&mut operator.inputs);
    let before: Vec<usize> = inputs.iter().map(|input| input.schema.fields().len()).collect();
    let mut inputs = inputs.into_iter();
    let probe = inputs.next().map(|probe| computed(probe, join.keys.iter_mut().map(|(probe, _)| probe)));
    let build = inputs.next().map(|build| computed(build, join.keys.iter_mut().map(|(_, build)| build)));
    operator.inputs = probe.into_iter().chain(build).collect();
    let added: Vec<Vec<Arc<Field>>> = operator
        .inputs
        .iter()
        .zip(&before)
        .map(|(input, &columns)| input.schema.fields()[columns..].to_vec())
        .collect();
    if let Some(residual) = &mut join.residual {
        residual.map_columns(&|column| if column < before[0] { column } else { column + added[0].len() });
    }
    let (kind, outer) = (join.kind, OuterSides::of(&join));
    operator.kind = OperatorKind::HashJoin(join);
    // From the back, so that places further ahead still hold.
    let probe_columns = if kind.keeps_probe_columns() { before[0] } else { 0 };
    if kind.keeps_build_columns() {
        let added = outer.fields(&added[1], outer.build_null);
        operator = widened(operator, probe_columns + before[1], &added);
    }
    if kind.keeps_probe_columns() {
        let added = outer.fields(&added[0], outer.probe_null);
        operator = below_projection(operator, |join| widened(join, before[0], &added));
    }
    operator
}

/// Which side's columns are NULL without a match.
struct OuterSides {
    probe_null: bool,
    build_null: bool,
}

impl OuterSides {
    fn of(join: &HashJoin) -> Self {
        use nyala_schema::operator::JoinKind;
        Self {
            probe_null: matches!(join.kind, JoinKind::BuildOuter | JoinKind::FullOuter),
            build_null: matches!(join.kind, JoinKind::ProbeOuter | JoinKind::FullOuter),
        }
    }

    fn fields(&self, fields: &[Arc<Field>], is_null: bool) -> Vec<Arc<Field>> {
        let field = |field: &Arc<Field>| {
            Arc::new(field.as_ref().clone().with_nullable(field.is_nullable() || is_null))
        };
        fields.iter().map(field).collect()
    }
}

/// Changes the join, which stands under a projection when it has been widened already.
fn below_projection(mut operator: Operator, change: impl FnOnce(Operator) -> Operator) -> Operator {
    if !matches!(operator.kind, OperatorKind::Project { .. }) {
        return change(operator);
    }
    let join = operator.inputs.remove(0);
    operator.inputs.push(change(join));
    operator
}
