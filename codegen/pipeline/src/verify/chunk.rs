//! Types of the chunk after a source and after each step, while checking that the step may run on it.

use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, Result};

use super::program::require;
use crate::column::exact_type;
use crate::pipeline::{Compute, PipelinePlan, Source, Step};
use crate::program::{Parameter, ParameterType, Program, Type};
use crate::state::{AggregateResult, JoinSpec, StateId, StateSpec};

pub(super) type Chunk = Vec<Type>;

pub(super) fn spec(plan: &PipelinePlan, state: StateId) -> Result<&StateSpec> {
    let state = plan.states.get(state.0).ok_or_else(|| Error::internal("there is no such state"))?;
    Ok(&state.spec)
}

pub(super) fn of_source(plan: &PipelinePlan, source: &Source) -> Result<Chunk> {
    match source {
        Source::Scan { scan, filter, .. } => {
            let fields = scan.projection.iter().map(|&index| scan.table_schema.field(index));
            let types: Chunk = fields
                .map(|field| Type::new(crate::state::physical_type(field.data_type()), field.is_nullable()))
                .collect();
            if let Some(filter) = filter {
                code(filter, &types).map_err(|error| error.context("filter"))?;
                require(filter.code.program.outputs.is_empty(), "a filter has outputs")?;
            }
            Ok(types)
        }
        Source::Values { batch, .. } => {
            let schema = batch.schema();
            Ok(schema.fields().iter().map(|f| Type::new(f.data_type().clone(), f.is_nullable())).collect())
        }
        Source::Series { start, .. } => Ok(vec![Type::new(exact_type(start.data_type()), false)]),
        Source::State { state, .. } => of_state(spec(plan, *state)?),
        Source::BuildRows { state, probe_types, .. } => {
            let (kind, payload) = match spec(plan, *state)? {
                StateSpec::Join(join) => (Some(join.kind), &join.payload_types),
                StateSpec::Collect { types } => (nested_loop_kind(plan, *state), types),
                _ => return Err(Error::internal("build rows of a state that is no join's")),
            };
            require(probe_types.iter().all(|ty| ty.nullable), "probe columns of build rows are NULL")?;
            let mut types = probe_types.clone();
            types.extend(payload.iter().cloned());
            if kind == Some(JoinKind::BuildMark) {
                types.push(Type::new(arrow::datatypes::DataType::Boolean, false));
            }
            Ok(types)
        }
        Source::Receive { types, order, .. } => {
            require(order.iter().all(|key| key.index < types.len()), "rows are merged by what is no column")?;
            Ok(types.clone())
        }
    }
}

/// The kind of the nested loop that reads a collected state.
fn nested_loop_kind(plan: &PipelinePlan, state: StateId) -> Option<JoinKind> {
    plan.pipelines.iter().flat_map(|pipeline| &pipeline.steps).find_map(|step| match step {
        Step::NestedLoop(nested) if nested.state == state => Some(nested.kind),
        _ => None,
    })
}

fn of_state(spec: &StateSpec) -> Result<Chunk> {
    match spec {
        StateSpec::Aggregate(aggregate) => {
            let mut types = aggregate.key_types.clone();
            types.extend(aggregate.results.iter().map(|result| match result {
                AggregateResult::Count { .. } => Type::new(arrow::datatypes::DataType::Int64, false),
                AggregateResult::SumInteger { ty, .. }
                | AggregateResult::PartialSum { ty, .. }
                | AggregateResult::SumFloat { ty, .. }
                | AggregateResult::AverageInteger { ty, .. }
                | AggregateResult::AverageFloat { ty, .. }
                | AggregateResult::Extreme { ty, .. }
                | AggregateResult::Library { ty, .. } => ty.clone(),
            }));
            Ok(types)
        }
        StateSpec::Sort(sort) => Ok(sort.types.clone()),
        StateSpec::Window(window) => {
            let mut types = window.types.clone();
            types.extend(window.calls.iter().map(|call| call.result.clone()));
            Ok(types)
        }
        StateSpec::Guest(guest) => {
            let first = guest.inputs.first().map_or(&[] as &[Type], |input| &input.types);
            let mut types = pick(first, &guest.kept)?;
            types.extend(pick(&guest.types, &guest.columns)?);
            Ok(types)
        }
        StateSpec::Collect { types } | StateSpec::AtMostOneRow { types } => Ok(types.clone()),
        StateSpec::Join(_) | StateSpec::Limit { .. } => {
            Err(Error::internal("a state without result rows is read"))
        }
    }
}

pub(super) fn after_step(plan: &PipelinePlan, step: &Step, chunk: Chunk) -> Result<Chunk> {
    match step {
        Step::Compute { compute, .. } => computed(compute, &chunk),
        Step::Expand { variants, .. } => expanded(variants, &chunk),
        Step::Probe(probe) => {
            let StateSpec::Join(join) = spec(plan, probe.state)? else {
                return Err(Error::internal("probes a state that is no join's"));
            };
            require(join.kind == probe.kind, "has another kind than its state")?;
            super::plan::same_types(&chunk, &probe.keys, &join.key_types, "keys")?;
            joined(probe.kind, &chunk, &probe.kept, join, &probe.payload, probe.residual.as_ref())
        }
        Step::NestedLoop(nested) => {
            let StateSpec::Collect { types } = spec(plan, nested.state)? else {
                return Err(Error::internal("a nested loop over a state that is not collected"));
            };
            let build = JoinSpec {
                kind: nested.kind,
                key_types: vec![],
                payload_types: types.clone(),
                null_equals_null: false,
                null_aware: false,
                runtime_filters: vec![],
            };
            joined(nested.kind, &chunk, &nested.kept, &build, &nested.payload, nested.condition.as_ref())
        }
        Step::Limit { state, .. } => match spec(plan, *state)? {
            StateSpec::Limit { .. } => Ok(chunk),
            _ => Err(Error::internal("a limit without a limit's state")),
        },
        Step::Unnest { columns, types, .. } => {
            require(types.len() == chunk.len(), "unnesting changes the number of columns")?;
            for (index, (before, after)) in chunk.iter().zip(types).enumerate() {
                let replaced = columns.iter().any(|column| column.index == index);
                require(replaced || before.data_type == after.data_type, "unnesting changes another column")?;
            }
            let in_range = columns.iter().all(|column| column.index < chunk.len());
            require(in_range, "there is no such column to unnest")?;
            Ok(types.clone())
        }
        Step::TableFunction(call) => {
            let arguments: Chunk =
                call.function.arguments.iter().map(|ty| Type::new(exact_type(ty), true)).collect();
            super::plan::same_types(&chunk, &call.arguments, &arguments, "arguments")?;
            super::guest::gives(&call.function.returns, &call.types)?;
            let mut types = pick(&chunk, &call.kept)?;
            types.extend(pick(&call.types, &call.columns)?);
            Ok(types)
        }
    }
}

fn joined(
    kind: JoinKind,
    chunk: &Chunk,
    kept: &[usize],
    join: &JoinSpec,
    payload: &[usize],
    condition: Option<&Compute>,
) -> Result<Chunk> {
    if let Some(condition) = condition {
        let mut both = chunk.clone();
        both.extend(join.payload_types.iter().cloned());
        code(condition, &both).map_err(|error| error.context("condition"))?;
        let only_filters = condition.code.program.outputs.is_empty() && condition.kept.is_empty();
        require(only_filters, "a condition has outputs")?;
    }
    let or_null = |mut ty: Type, null: bool| {
        ty.nullable |= null;
        ty
    };
    let probe_null = matches!(kind, JoinKind::BuildOuter | JoinKind::FullOuter);
    let build_null = matches!(kind, JoinKind::ProbeOuter | JoinKind::FullOuter);
    let mut types: Chunk = pick(chunk, kept)?.into_iter().map(|ty| or_null(ty, probe_null)).collect();
    require(kind.keeps_probe_columns() || kept.is_empty(), "keeps probe columns that the kind drops")?;
    let build = pick(&join.payload_types, payload)?;
    require(kind.keeps_build_columns() || build.is_empty(), "keeps build columns that the kind drops")?;
    types.extend(build.into_iter().map(|ty| or_null(ty, build_null)));
    if matches!(kind, JoinKind::ProbeMark | JoinKind::BuildMark) {
        types.push(Type::new(arrow::datatypes::DataType::Boolean, false));
    }
    Ok(types)
}

fn computed(compute: &Compute, chunk: &Chunk) -> Result<Chunk> {
    code(compute, chunk)?;
    require(compute.code.program.updates.is_empty(), "a step changes aggregate states")?;
    let mut types = pick(chunk, &compute.kept)?;
    let values = compute.code.program.value_types();
    types.extend(compute.code.program.outputs.iter().map(|id| values[id.0 as usize].clone()));
    Ok(types)
}

fn expanded(variants: &[Compute], chunk: &Chunk) -> Result<Chunk> {
    let mut all = variants.iter().map(|variant| computed(variant, chunk));
    let first = all.next().ok_or_else(|| Error::internal("an expansion without variants"))??;
    all.try_fold(first, |mut known, next| {
        let next = next?;
        require(known.len() == next.len(), "variants differ in their columns")?;
        for (known, next) in known.iter_mut().zip(next) {
            require(known.data_type == next.data_type, "variants differ in their types")?;
            known.nullable |= next.nullable;
        }
        Ok(known)
    })
}

/// A program on a chunk: rules of the program, types of its inputs, constants of its parameters.
pub(super) fn code(compute: &Compute, chunk: &Chunk) -> Result<()> {
    let program: &Program = &compute.code.program;
    program.verify()?;
    super::plan::same_types(chunk, &compute.inputs, &program.inputs, "inputs")?;
    require(compute.code.parameters.len() == program.parameters.len(), "parameters are missing")?;
    for (ty, constant) in program.parameters.iter().zip(compute.code.parameters.iter()) {
        let fits = match (ty, constant) {
            (ParameterType::Scalar(ty), Parameter::Scalar(value)) => {
                ty.data_type == *value.data_type() && (ty.nullable || !value.is_null())
            }
            (ParameterType::Set { data_type, len }, Parameter::Set(values)) => {
                data_type == values.data_type() && *len == values.len()
            }
            (ParameterType::Scalar(_), Parameter::Set(_))
            | (ParameterType::Set { .. }, Parameter::Scalar(_)) => false,
        };
        require(fits, "a constant has not its parameter's type")?;
    }
    Ok(())
}

pub(super) fn pick(types: &[Type], indices: &[usize]) -> Result<Chunk> {
    let missing = || Error::internal(format!("a column behind the {} that there are", types.len()));
    indices.iter().map(|&index| types.get(index).cloned().ok_or_else(missing)).collect()
}
