//! The end of the last pipelines: columns in the types that the client or the next fragment expects.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_schema::{Expr, Result};

use super::stream::{Stream, Target, column_expr};
use super::{Builder, Node};
use crate::column::exact_type;
use crate::pipeline::Sink;

impl Builder {
    pub(super) fn output(&mut self, node: &Node<'_>, mut stream: Stream<'_>) -> Result<()> {
        let columns: Vec<Expr> = (0..node.columns.len()).map(|index| column_expr(node, index)).collect();
        let targets: Vec<Target<'_>> =
            columns.iter().map(|column| Target::new(column, exact_type(&column.data_type()))).collect();
        let placed = stream.compute(node.operator.id, &Default::default(), &targets)?;
        self.add_pipeline(stream, Sink::Output { columns: placed.targets });
        Ok(())
    }
}

/// The schema with text as views; what leaves may be dictionary-encoded beside that.
pub(super) fn output_schema(schema: &SchemaRef) -> SchemaRef {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_data_type(exact_type(field.data_type())))
        .collect();
    Arc::new(Schema::new_with_metadata(fields, schema.metadata().clone()))
}
