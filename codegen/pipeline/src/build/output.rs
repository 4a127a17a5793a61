//! The end of the last pipelines: columns in the types that the client or the next fragment expects.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use nyala_schema::fragment::FragmentOutput;
use nyala_schema::scan::physical_type;
use nyala_schema::{Expr, Result};

use super::stream::{Stream, Target, column_expr};
use super::{Builder, Node};
use crate::column::exact_type;
use crate::pipeline::{PlanOutput, Sink};
use crate::state::SortColumn;

/// What all streams that leave the fragment have to give.
pub(super) struct Output {
    pub schema: SchemaRef,
    pub plan: PlanOutput,
    /// The columns of the schema, then keys that are none of them, with their types.
    columns: Vec<(Expr, DataType)>,
}

impl Output {
    pub fn new(node: &Node<'_>, to: &FragmentOutput) -> Result<Self> {
        let root = &node.operator.schema;
        let schema = match to {
            FragmentOutput::Client => output_schema(root),
            FragmentOutput::Gather { .. }
            | FragmentOutput::Broadcast { .. }
            | FragmentOutput::Hash { .. }
            | FragmentOutput::RoundRobin { .. }
            | FragmentOutput::Range { .. } => stream_schema(root),
        };
        let fields = schema.fields().iter().enumerate();
        let mut columns: Vec<(Expr, DataType)> =
            fields.map(|(index, field)| (column_expr(node, index), field.data_type().clone())).collect();
        let plan = match to {
            FragmentOutput::Client => PlanOutput::Client,
            FragmentOutput::Gather { .. } => PlanOutput::Gather,
            FragmentOutput::Broadcast { .. } => PlanOutput::Broadcast,
            FragmentOutput::RoundRobin { .. } => PlanOutput::RoundRobin,
            FragmentOutput::Hash { keys, .. } => {
                PlanOutput::Hash { keys: keys.iter().map(|key| place_key(key, &mut columns)).collect() }
            }
            FragmentOutput::Range { key, bounds, .. } => {
                key.check_bounds(bounds)?;
                let index = place_key(&key.expr, &mut columns);
                let (descending, nulls_first) = (key.descending, key.nulls_first);
                let data_type = physical_type(&key.expr.data_type());
                let bounds = bounds.iter().map(|bound| bound.cast(&data_type)).collect::<Result<_>>()?;
                PlanOutput::Range { key: SortColumn { index, descending, nulls_first }, bounds }
            }
        };
        Ok(Self { schema, plan, columns })
    }
}

/// Where a key is among the columns. Both sides of a partitioned join hash it in the physical type of its logical one, so that equal
/// keys have equal hashes.
fn place_key(key: &Expr, columns: &mut Vec<(Expr, DataType)>) -> usize {
    if let Expr::Column { index, .. } = key
        && *index < columns.len()
    {
        return *index;
    }
    if let Some(known) = columns.iter().position(|(expr, _)| expr == key) {
        return known;
    }
    columns.push((key.clone(), physical_type(&key.data_type())));
    columns.len() - 1
}

impl Builder {
    pub(super) fn output(&mut self, node: &Node<'_>, output: &Output, mut stream: Stream<'_>) -> Result<()> {
        let targets: Vec<Target<'_>> =
            output.columns.iter().map(|(expr, data_type)| Target::new(expr, data_type.clone())).collect();
        let placed = stream.compute(node.operator.id, &Default::default(), &targets)?;
        self.add_pipeline(stream, Sink::Output { columns: placed.targets });
        Ok(())
    }
}

/// The schema with text as views; what leaves may be dictionary-encoded beside that.
fn output_schema(schema: &SchemaRef) -> SchemaRef {
    with_types(schema, exact_type)
}

/// The types in which rows of a fragment whose root has this schema go to another fragment: physical ones, where text may be
/// dictionary-encoded beside that. Sender and receiver both derive it from the root's schema.
pub fn stream_schema(schema: &SchemaRef) -> SchemaRef {
    with_types(schema, physical_type)
}

fn with_types(schema: &SchemaRef, of: impl Fn(&DataType) -> DataType) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_data_type(of(field.data_type())))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
