//! What users uploaded as operators of a plan: table functions, and operators over partitions.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use nyala_schema::guest::{GuestFunction, OperatorOutput};
use nyala_schema::operator::{GuestCall, GuestInput};
use nyala_schema::{Error, ErrorCode, Expr, Result};

use super::layout::Layout;
use super::sort::key_columns;
use super::stream::{Stream, Target, column_expr};
use super::{Builder, Columns, Consume, Node};
use crate::column::{Column, exact_type};
use crate::pipeline::{Source, Step, TableFunction};
use crate::program::Type;
use crate::state::{GuestInputSpec, GuestSpec, StateSpec};

impl Builder {
    pub(super) fn table_function<'a>(
        &mut self,
        node: &'a Node<'a>,
        function: &Arc<GuestFunction>,
        arguments: &[Expr],
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let input = node.input(0)?;
        let width = input.columns.len();
        let kept: Columns = needed.range(..width).copied().collect();
        let mut read = super::columns_of(arguments);
        read.extend(&kept);
        self.produce(input, &read, &mut |builder, mut stream| {
            let types = function.arguments.iter().map(exact_type);
            let targets = arguments.iter().zip(types).map(|(expr, ty)| Target::new(expr, ty)).collect();
            let arguments = stream.settle(input, node.operator.id, &kept, targets)?;
            let positions = kept.iter().filter_map(|&column| stream.base[column]).collect();
            let columns: Vec<usize> = needed.range(width..).map(|column| column - width).collect();
            stream.steps.push(Step::TableFunction(TableFunction {
                operator: node.operator.id,
                function: function.clone(),
                arguments,
                kept: positions,
                columns,
                types: node.columns[width..].iter().map(|column| column.ty.clone()).collect(),
            }));
            stream.reset(node, needed.iter().copied());
            consume(builder, stream)
        })
    }

    /// One state for all inputs, each of which has a layout of its own.
    pub(super) fn guest<'a>(
        &mut self,
        node: &'a Node<'a>,
        call: &GuestCall,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        if call.inputs.is_empty() || call.inputs.len() != node.inputs.len() {
            return Err(Error::unsupported(format!(
                "operator {} is called with {} of {} tables",
                call.operator,
                node.inputs.len(),
                call.operator.inputs.len()
            ))
            .with_hint("an operator takes at least one table, in the form name(TABLE t PARTITION BY …)"));
        }
        let handed_on = match call.operator.output {
            OperatorOutput::Extends(_) => node.input(0)?.columns.len(),
            OperatorOutput::Columns(_) | OperatorOutput::LikeInput(_) => 0,
        };
        let kept: Columns = needed.range(..handed_on).copied().collect();
        let mut layouts = vec![];
        let mut specs = vec![];
        for (index, given) in call.inputs.iter().enumerate() {
            let kept = if index == 0 { kept.clone() } else { Columns::new() };
            let reads_all = call.operator.inputs.get(index).is_some_and(|input| input.reads_all);
            let (layout, spec) = guest_input(node.input(index)?, given, &kept, reads_all)?;
            layouts.push(layout);
            specs.push(spec);
        }
        same_partitions(call, &specs)?;
        let columns: Vec<usize> = needed.range(handed_on..).map(|column| column - handed_on).collect();
        let spec = GuestSpec {
            call: call.clone(),
            inputs: specs,
            kept: (0..kept.len()).collect(),
            columns,
            types: node.columns[handed_on..].iter().map(|column| column.ty.clone()).collect(),
        };
        let state = self.add_state(node.operator.id, StateSpec::Guest(spec));
        for (index, layout) in layouts.iter().enumerate() {
            self.produce(node.input(index)?, &layout.needed(), &mut |builder, stream| {
                layout.keep_input(builder, node, (state, index), stream)
            })?;
        }
        let source = Source::State { operator: node.operator.id, state };
        let mut stream = Stream::new(source, node, needed.iter().copied());
        stream.ordered = call.operator.keeps_order;
        consume(self, stream)
    }
}

/// The columns handed on come first, then what the operator is handed itself.
fn guest_input(
    input: &Node<'_>,
    given: &GuestInput,
    kept: &Columns,
    reads_all: bool,
) -> Result<(Layout, GuestInputSpec)> {
    let mut layout = Layout::new(input, kept);
    let place =
        |layout: &mut Layout, expr: &Expr| layout.place(input, expr, Some(exact_type(&expr.data_type())));
    let partition_by: Vec<usize> =
        given.partition_by.iter().map(|expr| place(&mut layout, expr)).collect::<Result<_>>()?;
    let order_by = key_columns(&given.order_by, |expr| place(&mut layout, expr))?;
    let mut handed: Vec<usize> = order_by.iter().map(|key| key.index).chain(partition_by.clone()).collect();
    if reads_all {
        for column in 0..input.columns.len() {
            handed.push(place(&mut layout, &column_expr(input, column))?);
        }
    }
    let (types, schema) = (layout.types(), exact_schema(input));
    Ok((layout, GuestInputSpec { types, partition_by, order_by, handed, schema }))
}

fn exact_schema(input: &Node<'_>) -> SchemaRef {
    let fields = input.operator.schema.fields().iter();
    let exact = |field: &Arc<Field>| {
        let column = Column::exact(field.data_type(), field.is_nullable());
        Field::new(field.name(), column.ty.data_type, field.is_nullable())
    };
    Arc::new(Schema::new(fields.map(exact).collect::<Vec<_>>()))
}

/// Partitions are matched by their keys, so that these must be comparable.
fn same_partitions(call: &GuestCall, inputs: &[GuestInputSpec]) -> Result<()> {
    let mut keyed = inputs.iter().map(key_types).filter(|types| !types.is_empty());
    let Some(first) = keyed.next() else { return Ok(()) };
    if keyed.all(|types| types == first) {
        return Ok(());
    }
    let message =
        format!("the tables of operator {} are partitioned by keys of different types", call.operator);
    Err(Error::new(ErrorCode::DatatypeMismatch, message)
        .with_hint("partition them by as many keys of the same types, with CAST where they differ"))
}

pub(crate) fn key_types(input: &GuestInputSpec) -> Vec<&DataType> {
    let ty = |&index: &usize| input.types.get(index).map(|ty: &Type| &ty.data_type);
    input.partition_by.iter().filter_map(ty).collect()
}
