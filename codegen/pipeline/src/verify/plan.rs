//! The rules of a plan: every column is there in its type, every state is whole before it is read.

use arrow::datatypes::DataType;
use nyala_schema::scan::physical_type;
use nyala_schema::{Error, Result};

use super::chunk::{self, Chunk, spec};
use super::program::require;
use crate::column::exact_type;
use crate::pipeline::{Pipeline, PipelinePlan, PlanOutput, Sink, Source, Step};
use crate::program::{StateOp, Type};
use crate::state::{AggregateSpec, StateId, StateSpec};

/// # Errors
/// Internal, naming pipeline, step and rule.
pub fn verify(plan: &PipelinePlan) -> Result<()> {
    for (index, state) in plan.states.iter().enumerate() {
        state_rules(&state.spec).map_err(|error| error.context(format!("state {index}")))?;
    }
    for (index, pipeline) in plan.pipelines.iter().enumerate() {
        pipeline_rules(plan, pipeline)
            .and_then(|()| order_rules(plan, index))
            .map_err(|error| error.context(format!("pipeline {index}")))?;
    }
    let last = plan.pipelines.last().map(|pipeline| &pipeline.sink);
    require(matches!(last, Some(Sink::Output { .. })), "the last pipeline does not end in the output")
}

fn pipeline_rules(plan: &PipelinePlan, pipeline: &Pipeline) -> Result<()> {
    let mut types = chunk::of_source(plan, &pipeline.source).map_err(|error| error.context("source"))?;
    for (index, step) in pipeline.steps.iter().enumerate() {
        types =
            chunk::after_step(plan, step, types).map_err(|error| error.context(format!("step {index}")))?;
    }
    sink_rules(plan, &pipeline.sink, &types).map_err(|error| error.context("sink"))
}

fn sink_rules(plan: &PipelinePlan, sink: &Sink, types: &Chunk) -> Result<()> {
    match sink {
        Sink::Output { columns } => output_rules(plan, columns, types),
        Sink::Build { state, keys, payload, .. } => match spec(plan, *state)? {
            StateSpec::Join(join) => {
                same_types(types, keys, &join.key_types, "keys")?;
                same_types(types, payload, &join.payload_types, "payload")
            }
            _ => Err(Error::internal("builds a state that is no join's")),
        },
        Sink::Aggregate { state, keys, update, library, .. } => {
            let StateSpec::Aggregate(aggregate) = spec(plan, *state)? else {
                return Err(Error::internal("aggregates into a state that is no aggregate's"));
            };
            same_types(types, keys, &aggregate.key_types, "keys")?;
            if let Some(update) = update {
                chunk::code(update, types).map_err(|error| error.context("update"))?;
                update_rules(aggregate, update)?;
            }
            require(library.len() == aggregate.library.len(), "library inputs are missing")?;
            for (input, call) in library.iter().zip(&aggregate.library) {
                same_types(types, &input.arguments, &call.argument_types, "arguments")?;
                same_types(types, &input.order_by, &call.order_types, "order")?;
                let filter = chunk::pick(types, &input.filter.into_iter().collect::<Vec<_>>())?;
                let boolean = filter.iter().all(|ty| ty.data_type == arrow::datatypes::DataType::Boolean);
                require(boolean, "a library call's filter is not Boolean")?;
            }
            Ok(())
        }
        Sink::Keep { state, input, columns, .. } => match spec(plan, *state)? {
            StateSpec::Guest(guest) => {
                let input = guest.inputs.get(*input).ok_or_else(|| Error::internal("an input too many"))?;
                same_types(types, columns, &input.types, "columns")
            }
            _ if *input > 0 => Err(Error::internal("a second input of a state that takes one")),
            StateSpec::Sort(sort) => same_types(types, columns, &sort.types, "columns"),
            StateSpec::Window(window) => same_types(types, columns, &window.types, "columns"),
            StateSpec::Collect { types: kept } | StateSpec::AtMostOneRow { types: kept } => {
                same_types(types, columns, kept, "columns")
            }
            StateSpec::Join(_) | StateSpec::Aggregate(_) | StateSpec::Limit { .. } => {
                Err(Error::internal("rows are kept in a state that keeps none"))
            }
        },
    }
}

/// Columns in the types of the schema; of the hash's keys all streams have the same types.
fn output_rules(plan: &PipelinePlan, columns: &[usize], types: &Chunk) -> Result<()> {
    let fields = plan.output_schema.fields();
    let wanted = |of: fn(&DataType) -> DataType| {
        fields.iter().map(|field| Type::new(of(field.data_type()), true)).collect::<Vec<Type>>()
    };
    let wanted = match plan.output {
        PlanOutput::Client => wanted(exact_type),
        PlanOutput::Gather
        | PlanOutput::Broadcast
        | PlanOutput::RoundRobin
        | PlanOutput::Hash { .. }
        | PlanOutput::Range { .. } => wanted(physical_type),
    };
    let (sent, local) = columns.split_at(columns.len().min(wanted.len()));
    same_types(types, sent, &wanted, "output")?;
    let keys = match &plan.output {
        PlanOutput::Hash { keys } => keys.clone(),
        PlanOutput::Range { key, .. } => vec![key.index],
        PlanOutput::Client | PlanOutput::Gather | PlanOutput::Broadcast | PlanOutput::RoundRobin => {
            return require(local.is_empty(), "output: columns that nobody reads");
        }
    };
    require(!keys.is_empty(), "output: a hash of nothing")?;
    let missing = || Error::internal("output: a key that is no column");
    let places = keys.iter().map(|&key| columns.get(key).copied().ok_or_else(missing));
    for key in chunk::pick(types, &places.collect::<Result<Vec<usize>>>()?)? {
        let same = physical_type(&key.data_type) == key.data_type;
        require(same, &format!("output: a key of type {key}, which is not physical"))?;
        if let PlanOutput::Range { bounds, .. } = &plan.output {
            let same = bounds.iter().all(|bound| *bound.data_type() == key.data_type);
            require(same, &format!("output: bounds of other types than that of their key, {key}"))?;
        }
    }
    require(
        (wanted.len()..columns.len()).all(|place| keys.contains(&place)),
        "output: columns that nobody reads",
    )
}

fn update_rules(aggregate: &AggregateSpec, update: &crate::pipeline::Compute) -> Result<()> {
    let program = &update.code.program;
    require(program.outputs.is_empty() && update.kept.is_empty(), "an update has outputs")?;
    let filters = program.body.statements.iter();
    let filters =
        filters.filter(|statement| matches!(statement, crate::program::Statement::Filter(_))).count();
    require(filters == 0 || aggregate.key_types.is_empty(), "an update with groups drops rows")?;
    for update in &program.updates {
        let known =
            aggregate.fields.iter().any(|field| field.op == update.op && field.offset == update.offset);
        require(known, &format!("the record has no such field at {}", update.offset))?;
    }
    Ok(())
}

/// The chunk columns have these types; they may be NULL only where the types say so.
pub(super) fn same_types(chunk: &[Type], columns: &[usize], wanted: &[Type], what: &str) -> Result<()> {
    let types = chunk::pick(chunk, columns).map_err(|error| error.context(what))?;
    require(types.len() == wanted.len(), &format!("{what}: {} columns, not {}", types.len(), wanted.len()))?;
    for (index, (ty, wanted)) in types.iter().zip(wanted).enumerate() {
        let fits = ty.data_type == wanted.data_type && (wanted.nullable || !ty.nullable);
        require(fits, &format!("{what}: column {index} is {ty}, not {wanted}"))?;
    }
    Ok(())
}

fn state_rules(spec: &StateSpec) -> Result<()> {
    match spec {
        StateSpec::Aggregate(aggregate) => {
            let length = aggregate.initial.len();
            require(length.is_multiple_of(16), "a record is not a multiple of 16 bytes")?;
            for field in &aggregate.fields {
                let size = field_size(&field.op)?;
                let end = field.offset as usize + size;
                require(
                    (field.offset as usize).is_multiple_of(size) && end <= length,
                    "a field lies outside",
                )?;
            }
            Ok(())
        }
        StateSpec::Sort(sort) => {
            require(sort.keys.iter().all(|key| key.index < sort.types.len()), "a sort key is no column")
        }
        StateSpec::Window(window) => {
            let order = window.order_by.iter().map(|key| key.index);
            let arguments = window.calls.iter().flat_map(|call| call.arguments.iter().chain(&call.filter));
            let mut all = window.partition_by.iter().copied().chain(order).chain(arguments.copied());
            require(all.all(|index| index < window.types.len()), "a window reads what is no column")
        }
        StateSpec::Guest(guest) => super::guest::rules(guest),
        StateSpec::Join(join) => {
            let keys = join.key_types.len();
            require(join.runtime_filters.iter().all(|(_, key)| *key < keys), "a filter of no key")
        }
        StateSpec::Collect { .. } | StateSpec::Limit { .. } | StateSpec::AtMostOneRow { .. } => Ok(()),
    }
}

fn field_size(op: &StateOp) -> Result<usize> {
    op.size().map(|size| size as usize).ok_or_else(|| Error::internal("a field of no fixed size"))
}

/// Whoever writes a state that this pipeline reads comes before it.
fn order_rules(plan: &PipelinePlan, index: usize) -> Result<()> {
    let pipeline = &plan.pipelines[index];
    let later = &plan.pipelines[index..];
    let read = pipeline.steps.iter().filter_map(probed).chain(match &pipeline.source {
        Source::State { state, .. } | Source::BuildRows { state, .. } => Some(*state),
        Source::Scan { .. } | Source::Values { .. } | Source::Series { .. } | Source::Receive { .. } => None,
    });
    for state in read {
        let written_later = later.iter().any(|other| written(&other.sink) == Some(state));
        require(!written_later, &format!("state {} is read before it is whole", state.0))?;
    }
    if let Source::BuildRows { state, .. } = &pipeline.source {
        let probed_later =
            later.iter().any(|other| other.steps.iter().filter_map(probed).any(|s| s == *state));
        require(!probed_later, "build rows are read before the last probe")?;
    }
    Ok(())
}

fn probed(step: &Step) -> Option<StateId> {
    match step {
        Step::Probe(probe) => Some(probe.state),
        Step::NestedLoop(nested) => Some(nested.state),
        Step::Compute { .. }
        | Step::Expand { .. }
        | Step::Limit { .. }
        | Step::Unnest { .. }
        | Step::TableFunction(_) => None,
    }
}

fn written(sink: &Sink) -> Option<StateId> {
    match sink {
        Sink::Output { .. } => None,
        Sink::Build { state, .. } | Sink::Aggregate { state, .. } | Sink::Keep { state, .. } => Some(*state),
    }
}
