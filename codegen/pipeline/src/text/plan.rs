//! A plan as text: the states, then the pipelines from source to sink.

use std::fmt;

use nyala_schema::operator::AggregateMode;

use super::program::{Separated, indented};
use crate::pipeline::{Compute, Pipeline, PipelinePlan, PlanOutput, Sink, Source, State, Step};
use crate::program::Type;
use crate::state::{AggregateResult, SortColumn, StateSpec};

impl fmt::Display for PipelinePlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, state) in self.states.iter().enumerate() {
            writeln!(f, "state {index}: {state}")?;
        }
        for (index, pipeline) in self.pipelines.iter().enumerate() {
            writeln!(f, "pipeline {index}{}", if pipeline.ordered { " ordered" } else { "" })?;
            write!(f, "{pipeline}")?;
        }
        let fields: Vec<String> =
            self.output_schema.fields().iter().map(|f| format!("{}: {}", f.name(), f.data_type())).collect();
        writeln!(f, "output {}[{}]", self.output, Separated(&fields))
    }
}

/// Nothing for the client's.
impl fmt::Display for PlanOutput {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Client => Ok(()),
            Self::Gather => f.write_str("gather "),
            Self::Broadcast => f.write_str("broadcast "),
            Self::RoundRobin => f.write_str("round-robin "),
            Self::Hash { keys } => write!(f, "hash {keys:?} "),
            Self::Range { key, bounds } => write!(f, "range [{key}] at [{}] ", Separated(bounds)),
        }
    }
}

impl fmt::Display for Pipeline {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", indented(&self.source.to_string(), 2))?;
        for step in &self.steps {
            write!(f, "{}", indented(&step.to_string(), 2))?;
        }
        write!(f, "{}", indented(&self.sink.to_string(), 2))
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {} ", self.spec.name(), self.operator)?;
        match &self.spec {
            StateSpec::Join(join) => {
                write!(
                    f,
                    "{:?} keys {} payload {}",
                    join.kind,
                    Types(&join.key_types),
                    Types(&join.payload_types)
                )?;
                f.write_str(if join.null_equals_null { " null-equals-null" } else { "" })?;
                f.write_str(if join.null_aware { " null-aware" } else { "" })?;
                join.runtime_filters.iter().try_for_each(|(filter, key)| write!(f, " {filter}(key {key})"))
            }
            StateSpec::Aggregate(aggregate) => {
                let (keys, stride) = (Types(&aggregate.key_types), aggregate.initial.len());
                match aggregate.mode {
                    AggregateMode::Single => {}
                    AggregateMode::Partial => f.write_str("partial ")?,
                    AggregateMode::Final => f.write_str("final ")?,
                }
                write!(f, "keys {keys} record {stride} [")?;
                write!(f, "{}]", Separated(&aggregate.results))?;
                aggregate.library.iter().try_for_each(|library| write!(f, " library {}", library.call))
            }
            StateSpec::Sort(sort) => {
                write!(f, "{} by [{}]", Types(&sort.types), Separated(&sort.keys))?;
                sort.fetch.map_or(Ok(()), |fetch| write!(f, " fetch {fetch}"))
            }
            StateSpec::Window(window) => {
                let (partition, order) = (&window.partition_by, Separated(&window.order_by));
                write!(f, "{} partition {partition:?} order [{order}]", Types(&window.types))?;
                for call in &window.calls {
                    write!(f, " {} {:?} : {}", call.call.function, call.arguments, call.result)?;
                }
                Ok(())
            }
            StateSpec::Guest(guest) => {
                write!(f, "{} kept {:?} gives {}", guest.call.operator, guest.kept, Types(&guest.types))?;
                write!(f, " wanted {:?}", guest.columns)?;
                for input in &guest.inputs {
                    let order = Separated(&input.order_by);
                    write!(f, " input {} partition {:?}", Types(&input.types), input.partition_by)?;
                    write!(f, " order [{order}] handed {:?}", input.handed)?;
                }
                Ok(())
            }
            StateSpec::Collect { types } | StateSpec::AtMostOneRow { types } => write!(f, "{}", Types(types)),
            StateSpec::Limit { skip, fetch } => {
                write!(f, "skip {skip}")?;
                fetch.map_or(Ok(()), |fetch| write!(f, " fetch {fetch}"))
            }
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scan { operator, scan, filter } => {
                let schema = &scan.table_schema;
                let names: Vec<&str> =
                    scan.projection.iter().map(|&i| schema.field(i).name().as_str()).collect();
                write!(f, "scan {operator} {} [{}]", scan.table, Separated(&names))?;
                for used in &scan.runtime_filters {
                    write!(f, " {}({})", used.filter, used.column)?;
                }
                scan.limit.map_or(Ok(()), |limit| write!(f, " limit {limit}"))?;
                filter.as_ref().map_or(Ok(()), |filter| write_code(f, "filter", filter))
            }
            Self::Values { operator, batch } => write!(f, "values {operator} rows {}", batch.num_rows()),
            Self::Series { operator, start, stop, step, inclusive } => {
                let end = if *inclusive { "]" } else { ")" };
                write!(f, "series {operator} [{start}, {stop}{end} step {step}")
            }
            Self::State { operator, state } => write!(f, "rows {operator} state {}", state.0),
            Self::BuildRows { operator, state, probe_types } => {
                write!(f, "build-rows {operator} state {} behind {}", state.0, Types(probe_types))
            }
            Self::Receive { operator, from, types, order } => {
                write!(f, "receive {operator} from {from} {}", Types(types))?;
                if order.is_empty() { Ok(()) } else { write!(f, " merged by [{}]", Separated(order)) }
            }
        }
    }
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Compute { operator, compute } => write_code(f, &format!("compute {operator}"), compute),
            Self::Expand { operator, variants } => {
                write!(f, "expand {operator}")?;
                variants.iter().try_for_each(|variant| write_code(f, "variant", variant))
            }
            Self::Probe(probe) => {
                let (operator, state) = (probe.operator, probe.state.0);
                write!(f, "probe {operator} state {state} {:?} keys {:?}", probe.kind, probe.keys)?;
                write!(f, " kept {:?} payload {:?}", probe.kept, probe.payload)?;
                probe.residual.as_ref().map_or(Ok(()), |residual| write_code(f, "residual", residual))
            }
            Self::NestedLoop(nested) => {
                write!(f, "nested-loop {} state {} {:?}", nested.operator, nested.state.0, nested.kind)?;
                write!(f, " kept {:?} payload {:?}", nested.kept, nested.payload)?;
                nested.condition.as_ref().map_or(Ok(()), |condition| write_code(f, "condition", condition))
            }
            Self::Limit { operator, state } => write!(f, "limit {operator} state {}", state.0),
            Self::Unnest { operator, columns, preserve_nulls, types } => {
                let columns: Vec<String> =
                    columns.iter().map(|c| format!("{}^{}", c.index, c.depth)).collect();
                let nulls = if *preserve_nulls { " preserving nulls" } else { "" };
                write!(f, "unnest {operator} [{}] {}{nulls}", Separated(&columns), Types(types))
            }
            Self::TableFunction(call) => {
                let (operator, function) = (call.operator, &call.function);
                write!(
                    f,
                    "table-function {operator} \"{function}\"({:?}) kept {:?}",
                    call.arguments, call.kept
                )?;
                write!(f, " gives {} wanted {:?}", Types(&call.types), call.columns)
            }
        }
    }
}

impl fmt::Display for Sink {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Output { columns } => write!(f, "output {columns:?}"),
            Self::Build { operator, state, keys, payload } => {
                write!(f, "build {operator} state {} keys {keys:?} payload {payload:?}", state.0)
            }
            Self::Aggregate { operator, state, keys, update, library } => {
                write!(f, "aggregate {operator} state {} keys {keys:?}", state.0)?;
                for input in library {
                    write!(f, " library {:?}", input.arguments)?;
                    input.filter.map_or(Ok(()), |filter| write!(f, " if {filter}"))?;
                    if !input.order_by.is_empty() {
                        write!(f, " order {:?}", input.order_by)?;
                    }
                }
                update.as_ref().map_or(Ok(()), |update| write_code(f, "update", update))
            }
            Self::Keep { operator, state, input, columns } => {
                write!(f, "keep {operator} state {}", state.0)?;
                if *input > 0 {
                    write!(f, " input {input}")?;
                }
                write!(f, " {columns:?}")
            }
        }
    }
}

/// Label and columns, on the lines below it the program.
fn write_code(f: &mut fmt::Formatter<'_>, label: &str, compute: &Compute) -> fmt::Result {
    let start =
        if matches!(label, "variant" | "residual" | "condition" | "update" | "filter") { "\n  " } else { "" };
    write!(f, "{start}{label} inputs {:?} kept {:?}", compute.inputs, compute.kept)?;
    let code = compute.code.to_string();
    code.lines().try_for_each(|line| write!(f, "\n    {line}"))
}

struct Types<'t>(&'t [Type]);

impl fmt::Display for Types<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{}]", Separated(self.0))
    }
}

impl fmt::Display for SortColumn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = if self.descending { "desc" } else { "asc" };
        let nulls = if self.nulls_first { "first" } else { "last" };
        write!(f, "{} {direction} nulls {nulls}", self.index)
    }
}

impl fmt::Display for AggregateResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Count { offset } => write!(f, "count @{offset}"),
            Self::SumInteger { offset, count, ty } => write!(f, "sum.i128 @{offset} count @{count} : {ty}"),
            Self::PartialSum { offset, count, ty } => {
                write!(f, "partial.i128 @{offset} count @{count} : {ty}")
            }
            Self::SumFloat { offset, count, ty } => write!(f, "sum.f64 @{offset} count @{count} : {ty}"),
            Self::AverageInteger { offset, count, scale, ty } => {
                write!(f, "average.i128 @{offset} count @{count} scale {scale} : {ty}")
            }
            Self::AverageFloat { offset, count, ty } => {
                write!(f, "average.f64 @{offset} count @{count} : {ty}")
            }
            Self::Extreme { offset, count, ty } => write!(f, "extreme @{offset} count @{count} : {ty}"),
            Self::Library { index, ty } => write!(f, "library {index} : {ty}"),
        }
    }
}
