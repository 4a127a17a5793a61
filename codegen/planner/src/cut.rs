//! Fragment cutting: which part of a plan runs where.
//!
//! On one node there is one fragment. On several, rows are gathered where they have become few: above a partial
//! aggregation, or below what needs all rows in one place. A partial aggregate's columns are its keys, then the states
//! of each call: `sum`, `min`, `max` and `count` have one, of the result's type; `avg` has a sum and a count.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, FieldRef, Schema, SchemaRef};
use nyala_schema::fragment::{FragmentOutput, Placement};
use nyala_schema::id::{FragmentId, OperatorId};
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};
use nyala_schema::{Expr, Fragment, Operator};

/// Where a query may run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Distribution {
    pub nodes: usize,
}

impl Default for Distribution {
    fn default() -> Self {
        Self { nodes: 1 }
    }
}

const CLIENT_FRAGMENT: FragmentId = FragmentId(0);
const NODE_FRAGMENT: FragmentId = FragmentId(1);

/// The fragments of a plan; the first is the one whose rows go to the client.
pub fn cut(root: Operator, catalog_version: u64, distribution: Distribution) -> Vec<Fragment> {
    let mut root = root;
    let mut next_id = 0;
    root.for_each(&mut |operator| next_id = next_id.max(operator.id.0 + 1));
    let below = if distribution.nodes > 1 { split(&mut root, next_id) } else { None };
    let mut fragments = vec![Fragment::whole(root, catalog_version)];
    fragments.extend(below.map(|root| Fragment {
        id: NODE_FRAGMENT,
        catalog_version,
        root,
        output: FragmentOutput::Gather { to: CLIENT_FRAGMENT },
        placement: Placement::Nodes,
    }));
    fragments
}

/// Takes off the part that can run on every node, each over its share of the one scan, and puts a receiver in its
/// place.
fn split(operator: &mut Operator, next_id: u32) -> Option<Operator> {
    if is_local(operator) {
        return Some(replace_by_receiver(operator, next_id));
    }
    let [input] = operator.inputs.as_mut_slice() else { return None };
    if !is_local(input) {
        return split(input, next_id);
    }
    match &mut operator.kind {
        OperatorKind::Aggregate { keys, aggregates, mode }
            if *mode == AggregateMode::Single && aggregates.iter().all(is_splittable) =>
        {
            let schema = partial_schema(&operator.schema, keys.len(), aggregates);
            let partial = OperatorKind::Aggregate {
                keys: keys.clone(),
                aggregates: aggregates.clone(),
                mode: AggregateMode::Partial,
            };
            for (index, key) in keys.iter_mut().enumerate() {
                *key = Expr::column(index, schema.field(index));
            }
            *mode = AggregateMode::Final;
            let rows_estimated = operator.rows_estimated;
            let receiver = Operator {
                id: OperatorId(next_id),
                kind: OperatorKind::Receive { from: NODE_FRAGMENT },
                inputs: vec![],
                schema: schema.clone(),
                rows_estimated,
            };
            let input = std::mem::replace(input, receiver);
            let id = OperatorId(next_id + 1);
            Some(Operator { id, kind: partial, inputs: vec![input], schema, rows_estimated })
        }
        _ => Some(replace_by_receiver(input, next_id)),
    }
}

/// Whether running this over each share of its one scan gives, together, the rows of running it over the whole.
fn is_local(operator: &Operator) -> bool {
    match &operator.kind {
        OperatorKind::Scan(scan) => scan.limit.is_none(),
        OperatorKind::Filter { .. }
        | OperatorKind::Project { .. }
        | OperatorKind::Expand { .. }
        | OperatorKind::Unnest { .. } => operator.inputs.iter().all(is_local),
        OperatorKind::Values(_)
        | OperatorKind::Series { .. }
        | OperatorKind::Receive { .. }
        | OperatorKind::Aggregate { .. }
        | OperatorKind::Sort { .. }
        | OperatorKind::Limit { .. }
        | OperatorKind::Window { .. }
        | OperatorKind::AtMostOneRow
        | OperatorKind::TableFunction { .. }
        | OperatorKind::Guest(_)
        | OperatorKind::HashJoin(_)
        | OperatorKind::NestedLoopJoin { .. }
        | OperatorKind::Union
        | OperatorKind::Recursion { .. }
        | OperatorKind::RecursionInput { .. } => false,
    }
}

fn replace_by_receiver(operator: &mut Operator, next_id: u32) -> Operator {
    let receiver = Operator {
        id: OperatorId(next_id),
        kind: OperatorKind::Receive { from: NODE_FRAGMENT },
        inputs: vec![],
        schema: operator.schema.clone(),
        rows_estimated: operator.rows_estimated,
    };
    std::mem::replace(operator, receiver)
}

fn is_splittable(call: &AggregateCall) -> bool {
    let is_known =
        matches!(call.function.library().unwrap_or_default(), "sum" | "count" | "min" | "max" | "avg");
    is_known && !call.distinct && call.order_by.is_empty()
}

fn partial_schema(schema: &SchemaRef, keys: usize, calls: &[AggregateCall]) -> SchemaRef {
    let mut fields: Vec<FieldRef> = schema.fields()[..keys].to_vec();
    for (call, field) in calls.iter().zip(&schema.fields()[keys..]) {
        if call.function.is("avg") {
            let sum = call.arguments.first().map_or(DataType::Float64, Expr::data_type);
            fields.push(Arc::new(Field::new(format!("{} sum", field.name()), sum, true)));
            fields.push(Arc::new(Field::new(format!("{} count", field.name()), DataType::Int64, false)));
        } else {
            fields.push(field.clone());
        }
    }
    Arc::new(Schema::new(fields))
}
