//! Aggregation: common functions as updates of a state record, the rest by the function library.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Range;

use arrow::datatypes::DataType;
use nyala_schema::operator::{AggregateCall, AggregateMode, OperatorKind};
use nyala_schema::{Error, Expr, Result};

use super::fields::{Fields, library_type};
use super::split::Places;
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
    keys: Vec<Expr>,
    key_types: Vec<Type>,
    fields: Fields,
    library: Vec<AggregateCall>,
    state: StateId,
}

/// An aggregate operator as it is written.
struct Aggregation<'a> {
    node: &'a Node<'a>,
    input: &'a Node<'a>,
    keys: &'a [Expr],
    calls: &'a [AggregateCall],
    mode: AggregateMode,
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
        let input = node.input(0)?;
        let whole = Aggregation { node, input, keys, calls: aggregates, mode: *mode };
        let places = whole.output_places()?;
        let wanted: Vec<usize> = (0..aggregates.len())
            .filter(|&call| places[call].clone().any(|column| needed.contains(&column)))
            .collect();
        let (ending, read) = whole.ending(self, &wanted)?;
        self.produce(ending.input, &read, &mut |builder, stream| ending.end(builder, stream))?;
        let columns = (0..keys.len()).chain(wanted.iter().flat_map(|&call| places[call].clone()));
        let source = Source::State { operator: node.operator.id, state: ending.state };
        consume(self, Stream::new(source, node, columns))
    }
}

impl<'a> Aggregation<'a> {
    /// The output columns of each call.
    fn output_places(&self) -> Result<Vec<Range<usize>>> {
        let keys = self.keys.len();
        Ok(match self.mode {
            AggregateMode::Single | AggregateMode::Final => {
                (0..self.calls.len()).map(|call| keys + call..keys + call + 1).collect()
            }
            AggregateMode::Partial => Places::new(keys, self.calls, self.node.columns.len())?.calls,
        })
    }

    /// Adds the state for these of the calls; with the input columns that are read.
    fn ending(&self, builder: &mut Builder, wanted: &[usize]) -> Result<(Ending<'a>, Columns)> {
        let (input, keys) = (self.input, self.input_keys());
        let grouped = !keys.is_empty();
        let mut fields = Fields::default();
        let mut library = vec![];
        let mut read = columns_of(&keys);
        let places = match self.mode {
            AggregateMode::Single | AggregateMode::Partial => vec![],
            AggregateMode::Final => Places::new(keys.len(), self.calls, input.columns.len())?.calls,
        };
        for &index in wanted {
            let call = &self.calls[index];
            match self.mode {
                AggregateMode::Single | AggregateMode::Partial => {
                    read.extend(columns_of(call_expressions(call)));
                    let needs_library = match self.mode {
                        AggregateMode::Partial => fields.add_partial(call, grouped, &input.columns)?,
                        AggregateMode::Single | AggregateMode::Final => {
                            fields.add_call(call, grouped, &input.columns)?
                        }
                    };
                    library.extend(needs_library.then(|| call.clone()));
                }
                AggregateMode::Final => {
                    let place = places[index].clone();
                    let columns: Vec<Expr> = place.clone().map(|column| column_expr(input, column)).collect();
                    read.extend(place.clone());
                    library.extend(fields.add_final(call, &columns, &input.columns[place])?);
                }
            }
        }
        let state = self.add_state(builder, keys.len(), &mut fields, &library)?;
        let key_types = self.key_types(keys.len());
        Ok((Ending { node: self.node, input, keys, key_types, fields, library, state }, read))
    }

    /// The keys over the input: a `Final` finds them computed, in its first columns.
    fn input_keys(&self) -> Vec<Expr> {
        match self.mode {
            AggregateMode::Single | AggregateMode::Partial => self.keys.to_vec(),
            AggregateMode::Final => (0..self.keys.len()).map(|key| column_expr(self.input, key)).collect(),
        }
    }

    fn key_types(&self, keys: usize) -> Vec<Type> {
        self.node.columns[..keys].iter().map(|column| column.ty.clone()).collect()
    }

    fn add_state(
        &self,
        builder: &mut Builder,
        keys: usize,
        fields: &mut Fields,
        library: &[AggregateCall],
    ) -> Result<StateId> {
        let (initial, state_fields, results) = fields.finish();
        let spec = StateSpec::Aggregate(AggregateSpec {
            mode: self.mode,
            key_types: self.key_types(keys),
            initial,
            fields: state_fields,
            library: library.iter().map(|call| library_aggregate(call, self.input)).collect::<Result<_>>()?,
            results,
        });
        Ok(builder.add_state(self.node.operator.id, spec))
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
        let library = self.library.iter().flat_map(call_expressions);
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
