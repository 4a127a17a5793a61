//! Operators.

use std::sync::Arc;

use super::arrow_data::{decode_array, decode_batch, decode_schema, decode_type};
use super::arrow_data::{encode_array, encode_batch, encode_schema, encode_type};
use super::generated::plan_capnp::{
    self as wire, aggregate_call, frame_bound, hash_join, operator, sort_key, window_call,
};
use super::scan::{decode_count, decode_value_option, encode_count, encode_value_option};
use super::{count, enum_pairs, expr, guest, scan};
use crate::error::{Error, Result};
use crate::expr::Expr;
use crate::guest::Callee;
use crate::id::{FragmentId, OperatorId, RuntimeFilterId};
use crate::operator::{
    AggregateCall, AggregateMode, FrameBound, FrameUnits, HashJoin, JoinKind, Operator, OperatorKind,
    SortKey, UnnestColumn, WindowCall, WindowFrame,
};
use crate::value::Value;

enum_pairs!(
    join_to_wire,
    join_from_wire,
    JoinKind,
    wire::JoinKind,
    Inner,
    ProbeOuter,
    BuildOuter,
    FullOuter,
    ProbeSemi,
    ProbeAnti,
    ProbeMark,
    BuildSemi,
    BuildAnti,
    BuildMark
);
enum_pairs!(mode_to_wire, mode_from_wire, AggregateMode, wire::AggregateMode, Single, Partial, Final);
enum_pairs!(units_to_wire, units_from_wire, FrameUnits, wire::FrameUnits, Rows, Range, Groups);

pub(super) fn encode(value: &Operator, mut builder: operator::Builder<'_>) -> Result<()> {
    builder.set_id(value.id.0);
    builder.set_rows_estimated(value.rows_estimated);
    builder.set_schema(&encode_schema(&value.schema));
    let mut inputs = builder.reborrow().init_inputs(count(value.inputs.len()));
    for (index, input) in value.inputs.iter().enumerate() {
        encode(input, inputs.reborrow().get(count(index)))?;
    }
    encode_kind(&value.kind, builder.init_kind())
}

fn encode_kind(kind: &OperatorKind, mut builder: operator::kind::Builder<'_>) -> Result<()> {
    match kind {
        OperatorKind::Scan(value) => scan::encode(value, builder.init_scan())?,
        OperatorKind::Values(batch) => builder.set_values(&encode_batch(batch)?),
        OperatorKind::Series { start, stop, step, inclusive } => {
            let mut series = builder.init_series();
            series.set_bounds(&encode_series(start, stop, step)?);
            series.set_inclusive(*inclusive);
        }
        OperatorKind::Receive { from, order } => encode_receive(*from, order, builder)?,
        OperatorKind::Filter { predicate } => expr::encode(predicate, builder.init_filter())?,
        OperatorKind::Project { expressions } => {
            expr::encode_list(expressions, builder.init_project(count(expressions.len())))?;
        }
        OperatorKind::Expand { projections } => {
            let mut lists = builder.init_expand(count(projections.len()));
            for (index, list) in projections.iter().enumerate() {
                expr::encode_list(list, lists.reborrow().get(count(index)).init_items(count(list.len())))?;
            }
        }
        OperatorKind::Aggregate { keys, aggregates, mode } => {
            encode_aggregate(keys, aggregates, *mode, builder.init_aggregate())?;
        }
        OperatorKind::Sort { keys, fetch } => {
            let mut sort = builder.init_sort();
            encode_sort_keys(keys, sort.reborrow().init_keys(count(keys.len())))?;
            encode_count(*fetch, sort.init_fetch());
        }
        OperatorKind::Limit { skip, fetch } => {
            let mut limit = builder.init_limit();
            limit.set_skip(*skip);
            encode_count(*fetch, limit.init_fetch());
        }
        OperatorKind::Window { partition_by, order_by, calls } => {
            encode_window(partition_by, order_by, calls, builder.init_window())?;
        }
        OperatorKind::Unnest { columns, preserve_nulls } => {
            let mut unnest = builder.init_unnest();
            unnest.set_preserve_nulls(*preserve_nulls);
            let mut targets = unnest.init_columns(count(columns.len()));
            for (index, column) in columns.iter().enumerate() {
                let mut target = targets.reborrow().get(count(index));
                target.set_index(count(column.index));
                target.set_depth(column.depth);
            }
        }
        OperatorKind::AtMostOneRow => builder.set_at_most_one_row(()),
        OperatorKind::HashJoin(join) => encode_hash_join(join, builder.init_hash_join())?,
        OperatorKind::NestedLoopJoin { kind, condition } => {
            let mut join = builder.init_nested_loop_join();
            join.set_kind(join_to_wire(*kind));
            expr::encode_optional(condition.as_ref(), join.init_condition())?;
        }
        OperatorKind::Union => builder.set_union(()),
        OperatorKind::Recursion { distinct, id } => {
            let mut recursion = builder.init_recursion();
            recursion.set_distinct(*distinct);
            recursion.set_id(*id);
        }
        OperatorKind::RecursionInput { id } => builder.set_recursion_input(*id),
        OperatorKind::TableFunction { function, arguments } => {
            let mut target = builder.init_table_function();
            guest::encode_function(function, target.reborrow().init_function())?;
            expr::encode_list(arguments, target.init_arguments(count(arguments.len())))?;
        }
        OperatorKind::Guest(call) => guest::encode_call(call, builder.init_guest())?,
    }
    Ok(())
}

pub(super) fn decode(reader: operator::Reader<'_>) -> Result<Operator> {
    Ok(Operator {
        id: OperatorId(reader.get_id()),
        rows_estimated: reader.get_rows_estimated(),
        schema: decode_schema(reader.get_schema()?)?,
        inputs: reader.get_inputs()?.iter().map(decode).collect::<Result<_>>()?,
        kind: decode_kind(reader.get_kind())?,
    })
}

fn decode_kind(reader: operator::kind::Reader<'_>) -> Result<OperatorKind> {
    Ok(match reader.which()? {
        operator::kind::Scan(value) => OperatorKind::Scan(scan::decode(value?)?),
        operator::kind::Values(bytes) => OperatorKind::Values(decode_batch(bytes?)?),
        operator::kind::Series(series) => {
            let [start, stop, step] = decode_series(series.get_bounds()?)?;
            OperatorKind::Series { start, stop, step, inclusive: series.get_inclusive() }
        }
        operator::kind::TableFunction(target) => OperatorKind::TableFunction {
            function: Arc::new(guest::decode_function(target.get_function()?)?),
            arguments: expr::decode_list(target.get_arguments()?)?,
        },
        operator::kind::Guest(call) => OperatorKind::Guest(guest::decode_call(call?)?),
        operator::kind::Receive(from) => OperatorKind::Receive { from: FragmentId(from), order: vec![] },
        operator::kind::Merge(merge) => decode_merge(merge)?,
        operator::kind::Filter(predicate) => OperatorKind::Filter { predicate: expr::decode(predicate?)? },
        operator::kind::Project(list) => OperatorKind::Project { expressions: expr::decode_list(list?)? },
        operator::kind::Expand(lists) => OperatorKind::Expand {
            projections: lists?
                .iter()
                .map(|list| expr::decode_list(list.get_items()?))
                .collect::<Result<_>>()?,
        },
        operator::kind::Aggregate(aggregate) => {
            let aggregate = aggregate?;
            OperatorKind::Aggregate {
                keys: expr::decode_list(aggregate.get_keys()?)?,
                aggregates: aggregate.get_calls()?.iter().map(decode_call).collect::<Result<_>>()?,
                mode: mode_from_wire(aggregate.get_mode()?),
            }
        }
        operator::kind::Sort(sort) => OperatorKind::Sort {
            keys: decode_sort_keys(sort.get_keys()?)?,
            fetch: decode_count(sort.get_fetch()?)?,
        },
        operator::kind::Limit(limit) => {
            OperatorKind::Limit { skip: limit.get_skip(), fetch: decode_count(limit.get_fetch()?)? }
        }
        operator::kind::Window(window) => {
            let window = window?;
            OperatorKind::Window {
                partition_by: expr::decode_list(window.get_partition_by()?)?,
                order_by: decode_sort_keys(window.get_order_by()?)?,
                calls: window.get_calls()?.iter().map(decode_window_call).collect::<Result<_>>()?,
            }
        }
        operator::kind::Unnest(unnest) => {
            let columns = unnest.get_columns()?;
            let column = |c: wire::unnest_column::Reader<'_>| UnnestColumn {
                index: c.get_index() as usize,
                depth: c.get_depth(),
            };
            OperatorKind::Unnest {
                columns: columns.iter().map(column).collect(),
                preserve_nulls: unnest.get_preserve_nulls(),
            }
        }
        operator::kind::AtMostOneRow(()) => OperatorKind::AtMostOneRow,
        operator::kind::HashJoin(join) => OperatorKind::HashJoin(decode_hash_join(join?)?),
        operator::kind::NestedLoopJoin(join) => OperatorKind::NestedLoopJoin {
            kind: join_from_wire(join.get_kind()?),
            condition: expr::decode_optional(join.get_condition()?)?,
        },
        operator::kind::Union(()) => OperatorKind::Union,
        operator::kind::Recursion(recursion) => {
            OperatorKind::Recursion { distinct: recursion.get_distinct(), id: recursion.get_id() }
        }
        operator::kind::RecursionInput(id) => OperatorKind::RecursionInput { id },
    })
}

fn encode_aggregate(
    keys: &[Expr],
    aggregates: &[AggregateCall],
    mode: AggregateMode,
    mut builder: wire::aggregate::Builder<'_>,
) -> Result<()> {
    expr::encode_list(keys, builder.reborrow().init_keys(count(keys.len())))?;
    builder.set_mode(mode_to_wire(mode));
    let mut calls = builder.init_calls(count(aggregates.len()));
    for (index, call) in aggregates.iter().enumerate() {
        encode_call(call, calls.reborrow().get(count(index)))?;
    }
    Ok(())
}

fn encode_window(
    partition_by: &[Expr],
    order_by: &[SortKey],
    calls: &[WindowCall],
    mut builder: wire::window::Builder<'_>,
) -> Result<()> {
    expr::encode_list(partition_by, builder.reborrow().init_partition_by(count(partition_by.len())))?;
    encode_sort_keys(order_by, builder.reborrow().init_order_by(count(order_by.len())))?;
    let mut targets = builder.init_calls(count(calls.len()));
    for (index, call) in calls.iter().enumerate() {
        encode_window_call(call, targets.reborrow().get(count(index)))?;
    }
    Ok(())
}

/// Start, stop and step may differ in type (dates step by intervals), so each is a message of its own,
/// with its length before it.
fn encode_series(start: &Value, stop: &Value, step: &Value) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    for value in [start, stop, step] {
        let part = encode_array(value.array())?;
        bytes.extend_from_slice(&(part.len() as u64).to_le_bytes());
        bytes.extend_from_slice(&part);
    }
    Ok(bytes)
}

fn decode_series(mut bytes: &[u8]) -> Result<[Value; 3]> {
    let mut next = || -> Result<Value> {
        let short = || Error::internal("a series message is cut short");
        let (length, rest) = bytes.split_first_chunk::<8>().ok_or_else(short)?;
        let length = usize::try_from(u64::from_le_bytes(*length)).map_err(|_| short())?;
        if rest.len() < length {
            return Err(short());
        }
        let (part, rest) = rest.split_at(length);
        bytes = rest;
        let array = decode_array(part)?;
        if array.len() == 1 { Ok(Value::new(array)) } else { Err(short()) }
    };
    Ok([next()?, next()?, next()?])
}

fn encode_hash_join(join: &HashJoin, mut builder: hash_join::Builder<'_>) -> Result<()> {
    builder.set_kind(join_to_wire(join.kind));
    let (probe, build): (Vec<Expr>, Vec<Expr>) = join.keys.iter().cloned().unzip();
    expr::encode_list(&probe, builder.reborrow().init_probe_keys(count(probe.len())))?;
    expr::encode_list(&build, builder.reborrow().init_build_keys(count(build.len())))?;
    builder.set_null_equals_null(join.null_equals_null);
    builder.set_null_aware(join.null_aware);
    expr::encode_optional(join.residual.as_ref(), builder.reborrow().init_residual())?;
    let mut filters = builder.init_runtime_filters(count(join.runtime_filters.len()));
    for (index, (id, key)) in join.runtime_filters.iter().enumerate() {
        let mut filter = filters.reborrow().get(count(index));
        filter.set_id(id.0);
        filter.set_index(count(*key));
    }
    Ok(())
}

fn decode_hash_join(reader: hash_join::Reader<'_>) -> Result<HashJoin> {
    let probe = expr::decode_list(reader.get_probe_keys()?)?;
    let build = expr::decode_list(reader.get_build_keys()?)?;
    let filters = reader.get_runtime_filters()?;
    Ok(HashJoin {
        kind: join_from_wire(reader.get_kind()?),
        keys: probe.into_iter().zip(build).collect(),
        null_equals_null: reader.get_null_equals_null(),
        residual: expr::decode_optional(reader.get_residual()?)?,
        null_aware: reader.get_null_aware(),
        runtime_filters: filters
            .iter()
            .map(|f| (RuntimeFilterId(f.get_id()), f.get_index() as usize))
            .collect(),
    })
}

fn encode_call(call: &AggregateCall, mut builder: aggregate_call::Builder<'_>) -> Result<()> {
    match &call.function {
        Callee::Library(name) => builder.set_function(name),
        Callee::Guest(function) => guest::encode_function(function, builder.reborrow().init_guest())?,
    }
    expr::encode_list(&call.arguments, builder.reborrow().init_arguments(count(call.arguments.len())))?;
    builder.set_distinct(call.distinct);
    expr::encode_optional(call.filter.as_ref(), builder.reborrow().init_filter())?;
    encode_sort_keys(&call.order_by, builder.reborrow().init_order_by(count(call.order_by.len())))?;
    builder.set_ignore_nulls(call.ignore_nulls);
    builder.set_type(&encode_type(&call.data_type));
    builder.set_nullable(call.nullable);
    Ok(())
}

fn decode_call(reader: aggregate_call::Reader<'_>) -> Result<AggregateCall> {
    Ok(AggregateCall {
        function: guest::decode_callee(
            reader.get_function()?.to_string()?,
            reader.has_guest().then(|| reader.get_guest()).transpose()?,
        )?,
        arguments: expr::decode_list(reader.get_arguments()?)?,
        distinct: reader.get_distinct(),
        filter: expr::decode_optional(reader.get_filter()?)?,
        order_by: decode_sort_keys(reader.get_order_by()?)?,
        ignore_nulls: reader.get_ignore_nulls(),
        data_type: decode_type(reader.get_type()?)?,
        nullable: reader.get_nullable(),
    })
}

fn encode_receive(
    from: FragmentId,
    order: &[SortKey],
    mut builder: operator::kind::Builder<'_>,
) -> Result<()> {
    if order.is_empty() {
        builder.set_receive(from.0);
        return Ok(());
    }
    let mut merge = builder.init_merge();
    merge.set_from(from.0);
    encode_sort_keys(order, merge.init_keys(count(order.len())))
}

fn decode_merge(reader: operator::kind::merge::Reader<'_>) -> Result<OperatorKind> {
    let (from, order) = (FragmentId(reader.get_from()), decode_sort_keys(reader.get_keys()?)?);
    Ok(OperatorKind::Receive { from, order })
}

pub(super) fn encode_sort_keys(
    keys: &[SortKey],
    mut builder: capnp::struct_list::Builder<'_, sort_key::Owned>,
) -> Result<()> {
    keys.iter()
        .enumerate()
        .try_for_each(|(index, key)| encode_sort_key(key, builder.reborrow().get(count(index))))
}

pub(super) fn encode_sort_key(key: &SortKey, mut builder: sort_key::Builder<'_>) -> Result<()> {
    builder.set_descending(key.descending);
    builder.set_nulls_first(key.nulls_first);
    expr::encode(&key.expr, builder.init_expr())
}

pub(super) fn decode_sort_keys(
    reader: capnp::struct_list::Reader<'_, sort_key::Owned>,
) -> Result<Vec<SortKey>> {
    reader.iter().map(decode_sort_key).collect()
}

pub(super) fn decode_sort_key(reader: sort_key::Reader<'_>) -> Result<SortKey> {
    Ok(SortKey {
        expr: expr::decode(reader.get_expr()?)?,
        descending: reader.get_descending(),
        nulls_first: reader.get_nulls_first(),
    })
}

fn encode_window_call(call: &WindowCall, mut builder: window_call::Builder<'_>) -> Result<()> {
    match &call.function {
        Callee::Library(name) => builder.set_function(name),
        Callee::Guest(function) => guest::encode_function(function, builder.reborrow().init_guest())?,
    }
    builder.set_is_aggregate(call.is_aggregate);
    expr::encode_list(&call.arguments, builder.reborrow().init_arguments(count(call.arguments.len())))?;
    builder.set_units(units_to_wire(call.frame.units));
    encode_bound(&call.frame.start, builder.reborrow().init_start())?;
    encode_bound(&call.frame.end, builder.reborrow().init_end())?;
    expr::encode_optional(call.filter.as_ref(), builder.reborrow().init_filter())?;
    builder.set_distinct(call.distinct);
    builder.set_ignore_nulls(call.ignore_nulls);
    builder.set_type(&encode_type(&call.data_type));
    builder.set_nullable(call.nullable);
    Ok(())
}

fn decode_window_call(reader: window_call::Reader<'_>) -> Result<WindowCall> {
    Ok(WindowCall {
        function: guest::decode_callee(
            reader.get_function()?.to_string()?,
            reader.has_guest().then(|| reader.get_guest()).transpose()?,
        )?,
        is_aggregate: reader.get_is_aggregate(),
        arguments: expr::decode_list(reader.get_arguments()?)?,
        frame: WindowFrame {
            units: units_from_wire(reader.get_units()?),
            start: decode_bound(reader.get_start()?)?,
            end: decode_bound(reader.get_end()?)?,
        },
        filter: expr::decode_optional(reader.get_filter()?)?,
        distinct: reader.get_distinct(),
        ignore_nulls: reader.get_ignore_nulls(),
        data_type: decode_type(reader.get_type()?)?,
        nullable: reader.get_nullable(),
    })
}

fn encode_bound(bound: &FrameBound, mut builder: frame_bound::Builder<'_>) -> Result<()> {
    match bound {
        FrameBound::Preceding(distance) => encode_value_option(distance.as_ref(), builder.init_preceding())?,
        FrameBound::CurrentRow => builder.set_current_row(()),
        FrameBound::Following(distance) => encode_value_option(distance.as_ref(), builder.init_following())?,
    }
    Ok(())
}

fn decode_bound(reader: frame_bound::Reader<'_>) -> Result<FrameBound> {
    Ok(match reader.which()? {
        frame_bound::Preceding(distance) => FrameBound::Preceding(decode_value_option(distance?)?),
        frame_bound::CurrentRow(()) => FrameBound::CurrentRow,
        frame_bound::Following(distance) => FrameBound::Following(decode_value_option(distance?)?),
    })
}
