//! Aggregation: common functions as updates of a state record, the rest by the function library.

use std::collections::{BTreeMap, BTreeSet};

use arrow::datatypes::DataType;
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};
use nyala_schema::{Error, Expr, Result};

use super::fields::{Fields, library_type};
use super::stream::{Stream, Target, column_expr};
use super::{Builder, Columns, Consume, Node, columns_of};
use crate::lower::{LayerKind, Lowering, infer, is_costly};
use crate::pipeline::{Compute, LibraryInput, Sink, Source};
use crate::program::{StateOp, StateUpdate, Type};
use crate::state::{AggregateSpec, LibraryAggregate, StateId, StateSpec};

/// What every stream that ends in the aggregate has to provide.
struct Ending<'a> {
    node: &'a Node<'a>,
    input: &'a Node<'a>,
    keys: &'a [Expr],
    key_types: Vec<Type>,
    fields: Fields,
    library: Vec<&'a AggregateCall>,
    state: StateId,
}

impl Builder {
    pub(super) fn aggregate<'a>(
        &mut self,
        node: &'a Node<'a>,
        needed: &Columns,
        consume: Consume<'_, 'a>,
    ) -> Result<()> {
        let OperatorKind::Aggregate { keys, aggregates, mode } = &node.operator.kind else {
            return Err(Error::internal("not an aggregate"));
        };
        if *mode != AggregateMode::Single {
            return Err(Error::unsupported("aggregation over several nodes is not supported yet"));
        }
        let wanted: Vec<usize> =
            (0..aggregates.len()).filter(|call| needed.contains(&(keys.len() + call))).collect();
        let calls: Vec<&AggregateCall> = wanted.iter().map(|&call| &aggregates[call]).collect();
        let ending = self.aggregate_state(node, keys, &calls)?;
        let read = columns_of(keys.iter().chain(calls.iter().flat_map(|call| call_expressions(call))));
        self.produce(ending.input, &read, &mut |builder, stream| ending.end(builder, stream))?;
        let columns = (0..keys.len()).chain(wanted.iter().map(|call| keys.len() + call));
        let source = Source::State { operator: node.operator.id, state: ending.state };
        consume(self, Stream::new(source, node, columns))
    }

    fn aggregate_state<'a>(
        &mut self,
        node: &'a Node<'a>,
        keys: &'a [Expr],
        calls: &[&'a AggregateCall],
    ) -> Result<Ending<'a>> {
        let input = node.input(0)?;
        let mut fields = Fields::default();
        let mut library = vec![];
        for call in calls {
            if fields.add_call(call, !keys.is_empty(), &input.columns)? {
                library.push(*call);
            }
        }
        let (initial, state_fields, results) = fields.finish();
        let key_types: Vec<Type> =
            node.columns[..keys.len()].iter().map(|column| column.ty.clone()).collect();
        let spec = StateSpec::Aggregate(AggregateSpec {
            mode: AggregateMode::Single,
            key_types: key_types.clone(),
            initial,
            fields: state_fields,
            library: library.iter().map(|call| library_aggregate(call, input)).collect::<Result<_>>()?,
            results,
        });
        let state = self.add_state(node.operator.id, spec);
        Ok(Ending { node, input, keys, key_types, fields, library, state })
    }
}

impl Ending<'_> {
    fn end(&self, builder: &mut Builder, mut stream: Stream<'_>) -> Result<()> {
        let operator = self.node.operator.id;
        let changed = self.fields.list.iter().filter(|field| !field.constant);
        let arguments = columns_of(changed.flat_map(|field| field.value.iter().chain(&field.mask)));
        if stream.has_volatile() {
            let all = columns_of(
                self.targets()
                    .iter()
                    .map(|(expr, _)| *expr)
                    .chain(self.fields.list.iter().flat_map(|field| field.value.iter().chain(&field.mask))),
            );
            stream.settle(self.input, operator, &all, vec![])?;
        }
        if self.keys.is_empty() && self.library.is_empty() {
            let update = self.update(&stream, BTreeMap::new(), &arguments)?;
            let (keys, library) = (vec![], vec![]);
            builder
                .add_pipeline(stream, Sink::Aggregate { operator, state: self.state, keys, update, library });
            return Ok(());
        }
        let ready = self.columns_computed_once(&stream, &arguments);
        let (positions, ready) = self.prepare(&mut stream, &arguments, ready)?;
        let keys = positions[..self.keys.len()].to_vec();
        let library = self.library_inputs(&positions[self.keys.len()..]);
        let update = self.update(&stream, ready, &arguments)?;
        builder.add_pipeline(stream, Sink::Aggregate { operator, state: self.state, keys, update, library });
        Ok(())
    }

    /// Expressions that must be columns: keys, then everything for library calls, in order.
    fn targets(&self) -> Vec<(&Expr, DataType)> {
        let keys = self.keys.iter().zip(&self.key_types).map(|(key, ty)| (key, ty.data_type.clone()));
        let library = self.library.iter().flat_map(|call| call_expressions(call));
        keys.chain(library.map(|expr| (expr, library_type(expr)))).collect()
    }

    /// Projected columns that the update reads but should find computed: costly ones, and those that are made
    /// columns anyway.
    fn columns_computed_once(&self, stream: &Stream<'_>, arguments: &Columns) -> Columns {
        let targets = self.targets();
        let shared = columns_of(targets.iter().map(|(expr, _)| *expr));
        let once = |column: &usize| {
            stream.plain(*column).is_none()
                && (shared.contains(column) || stream.definition(*column).is_none_or(is_costly))
        };
        arguments.iter().copied().filter(once).collect()
    }

    /// Drops rows and computes the targets and the columns `once`. What else the update reads stays in the chunk raw,
    /// its projects are left as layers. Gives the targets' places and those of `once`.
    fn prepare(
        &self,
        stream: &mut Stream<'_>,
        arguments: &Columns,
        once: Columns,
    ) -> Result<(Vec<usize>, BTreeMap<usize, usize>)> {
        let references: Vec<Expr> = once.iter().map(|&column| column_expr(self.input, column)).collect();
        let mut targets: Vec<Target<'_>> =
            self.targets().into_iter().map(|(expr, data_type)| Target::new(expr, data_type)).collect();
        for (&column, expr) in once.iter().zip(&references) {
            targets.push(Target::new(expr, self.input.columns[column].data_type().clone()));
        }
        let lazy: Columns = arguments.difference(&once).copied().collect();
        let raw: BTreeSet<usize> = stream.raw_columns(&lazy);
        let placed = stream.compute(self.node.operator.id, &raw, &targets)?;
        for place in &mut stream.base {
            *place = place.and_then(|old| placed.kept.get(&old).copied());
        }
        stream.layers.retain(|layer| !matches!(layer.kind, LayerKind::Filter(_)));
        let fixed = targets.len() - once.len();
        let ready = once.iter().copied().zip(placed.targets[fixed..].iter().copied()).collect();
        Ok((placed.targets[..fixed].to_vec(), ready))
    }

    /// The program that changes the records; `None` when there is nothing to change.
    fn update(
        &self,
        stream: &Stream<'_>,
        ready: BTreeMap<usize, usize>,
        arguments: &Columns,
    ) -> Result<Option<Compute>> {
        if self.fields.list.iter().all(|field| field.constant) {
            return Ok(None);
        }
        let mut lowering = Lowering::new(&stream.chunk, &stream.base, &stream.layers).with_ready(ready);
        lowering.run_layers(arguments)?;
        let mut updates = vec![];
        for field in self.fields.list.iter().filter(|field| !field.constant) {
            let value = match (&field.value, &field.data_type) {
                (None, _) => None,
                (Some(expr), Some(data_type)) => Some(lowering.lower_as(expr, data_type)?),
                (Some(expr), None) => Some(lowering.lower_value(expr)?),
            };
            let mask =
                field.mask.as_ref().map(|mask| lowering.lower_as(mask, &DataType::Boolean)).transpose()?;
            // A value that cannot be NULL on this stream need not be looked at to be counted.
            let value = value.filter(|id| field.op != StateOp::Count || lowering.may_be_null(*id));
            updates.push(StateUpdate { op: field.op.clone(), value, mask, offset: field.offset });
        }
        let finished = lowering.finish(&[], &updates)?;
        Ok(Some(Compute { code: finished.code, inputs: finished.inputs, kept: vec![] }))
    }

    /// The columns of library calls, from the places of their expressions in order.
    fn library_inputs(&self, positions: &[usize]) -> Vec<LibraryInput> {
        let mut positions = positions.iter().copied();
        self.library
            .iter()
            .map(|call| LibraryInput {
                arguments: positions.by_ref().take(call.arguments.len()).collect(),
                filter: call.filter.as_ref().and_then(|_| positions.next()),
                order_by: positions.by_ref().take(call.order_by.len()).collect(),
            })
            .collect()
    }
}

/// Arguments, filter, order, as `LibraryInput` lists them.
fn call_expressions(call: &AggregateCall) -> impl Iterator<Item = &Expr> {
    call.arguments.iter().chain(&call.filter).chain(call.order_by.iter().map(|key| &key.expr))
}

fn library_aggregate(call: &AggregateCall, input: &Node<'_>) -> Result<LibraryAggregate> {
    let ty = |expr: &Expr| Ok(Type::new(library_type(expr), infer(expr, &input.columns)?.nullable()));
    Ok(LibraryAggregate {
        call: call.clone(),
        argument_types: call.arguments.iter().map(ty).collect::<Result<_>>()?,
        order_types: call.order_by.iter().map(|key| ty(&key.expr)).collect::<Result<_>>()?,
    })
}
