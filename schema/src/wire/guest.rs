//! Uploaded code in plans and in the catalog.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema};

use super::arrow_data::{decode_schema, decode_value, encode_schema, encode_value};
use super::expr::{self, volatility_from_wire, volatility_to_wire};
use super::generated::plan_capnp::{
    self as wire, guest_call, guest_code, guest_function, guest_limits, guest_operator,
};
use super::operator::{decode_sort_keys, encode_sort_keys};
use super::{count, enum_pairs};
use crate::error::{Error, ErrorCode, Result};
use crate::guest::{
    Callee, GuestCode, GuestFunction, GuestOperator, Limits, ModuleHash, OnError, OperatorInput,
    OperatorOutput, OperatorParameter, Tier,
};
use crate::operator::{GuestCall, GuestInput};

enum_pairs!(on_error_to_wire, on_error_from_wire, OnError, wire::OnError, Fail, Null);
enum_pairs!(tier_to_wire, tier_from_wire, Tier, wire::Tier, Row, Batch);

pub(super) fn encode_hash(hash: ModuleHash) -> Vec<u8> {
    hash.0.to_vec()
}

pub(super) fn decode_hash(bytes: &[u8]) -> Result<ModuleHash> {
    let hash = bytes.try_into().map(ModuleHash);
    hash.map_err(|_| Error::new(ErrorCode::Connection, "a message holds a module hash that is not 32 bytes"))
}

pub(super) fn encode_limits(limits: &Limits, mut builder: guest_limits::Builder<'_>) {
    builder.set_memory_bytes(limits.memory_bytes);
    builder.set_time_per_batch_ms(limits.time_per_batch_ms);
    builder.set_on_error(on_error_to_wire(limits.on_error));
}

pub(super) fn decode_limits(reader: guest_limits::Reader<'_>) -> Result<Limits> {
    Ok(Limits {
        memory_bytes: reader.get_memory_bytes(),
        time_per_batch_ms: reader.get_time_per_batch_ms(),
        on_error: on_error_from_wire(reader.get_on_error()?),
    })
}

fn encode_code(code: &GuestCode, mut builder: guest_code::Builder<'_>) {
    builder.set_name(&code.name);
    builder.set_version(code.version);
    builder.set_module(&encode_hash(code.module));
    builder.set_export(&code.export);
    encode_limits(&code.limits, builder.init_limits());
}

fn decode_code(reader: guest_code::Reader<'_>) -> Result<GuestCode> {
    Ok(GuestCode {
        name: reader.get_name()?.to_string()?,
        version: reader.get_version(),
        module: decode_hash(reader.get_module()?)?,
        export: reader.get_export()?.to_string()?,
        limits: decode_limits(reader.get_limits()?)?,
    })
}

pub(super) fn encode_function(
    function: &GuestFunction,
    mut builder: guest_function::Builder<'_>,
) -> Result<()> {
    encode_code(&function.code, builder.reborrow().init_code());
    builder.set_tier(tier_to_wire(function.tier));
    let types = function.arguments.iter().chain([&function.returns]);
    let fields: Vec<Field> = types.map(|data_type| Field::new("", data_type.clone(), true)).collect();
    builder.set_signature(&encode_schema(&Schema::new(fields)));
    builder.set_strict(function.strict);
    builder.set_volatility(volatility_to_wire(function.volatility));
    builder.set_cost(function.cost);
    builder.set_rows_per_row(function.rows_per_row);
    Ok(())
}

pub(super) fn decode_function(reader: guest_function::Reader<'_>) -> Result<GuestFunction> {
    let signature = decode_schema(reader.get_signature()?)?;
    let mut types: Vec<_> = signature.fields().iter().map(|field| field.data_type().clone()).collect();
    let returns = types.pop().ok_or_else(|| Error::internal("a function without a result"))?;
    Ok(GuestFunction {
        code: decode_code(reader.get_code()?)?,
        tier: tier_from_wire(reader.get_tier()?),
        arguments: types,
        returns,
        strict: reader.get_strict(),
        volatility: volatility_from_wire(reader.get_volatility()?),
        cost: reader.get_cost(),
        rows_per_row: reader.get_rows_per_row(),
    })
}

/// A callee stands in two fields: a name, and a guest where the name is not the library's.
pub(super) fn decode_callee(name: String, guest: Option<guest_function::Reader<'_>>) -> Result<Callee> {
    match guest {
        Some(guest) => Ok(Callee::Guest(Arc::new(decode_function(guest)?))),
        None => Ok(Callee::Library(name)),
    }
}

pub(super) fn encode_operator(
    operator: &GuestOperator,
    mut builder: guest_operator::Builder<'_>,
) -> Result<()> {
    encode_code(&operator.code, builder.reborrow().init_code());
    let mut inputs = builder.reborrow().init_inputs(count(operator.inputs.len()));
    for (index, input) in operator.inputs.iter().enumerate() {
        let mut target = inputs.reborrow().get(count(index));
        target.set_name(&input.name);
        target.set_needs_partition(input.needs_partition);
        target.set_needs_order(input.needs_order);
        target.set_reads_all(input.reads_all);
    }
    let parameters = operator.parameters.iter();
    let fields = parameters.map(|p| Field::new(&p.name, p.data_type.clone(), !p.required));
    builder.set_parameter_types(&encode_schema(&Schema::new(fields.collect::<Vec<_>>())));
    builder.set_output(match &operator.output {
        OperatorOutput::Extends(_) => wire::OperatorOutput::Extends,
        OperatorOutput::Columns(_) => wire::OperatorOutput::Columns,
        OperatorOutput::LikeInput(_) => wire::OperatorOutput::LikeInput,
    });
    builder.set_columns(&encode_schema(&Schema::new(operator.output.own_columns().to_vec())));
    builder.set_rows_per_row(operator.rows_per_row);
    builder.set_cost(operator.cost);
    builder.set_keeps_order(operator.keeps_order);
    Ok(())
}

pub(super) fn decode_operator(reader: guest_operator::Reader<'_>) -> Result<GuestOperator> {
    let input = |input: wire::operator_input::Reader<'_>| {
        Ok(OperatorInput {
            name: input.get_name()?.to_string()?,
            needs_partition: input.get_needs_partition(),
            needs_order: input.get_needs_order(),
            reads_all: input.get_reads_all(),
        })
    };
    let parameters = decode_schema(reader.get_parameter_types()?)?;
    let parameters = parameters.fields().iter().map(|field| OperatorParameter {
        name: field.name().clone(),
        data_type: field.data_type().clone(),
        required: !field.is_nullable(),
    });
    let columns = decode_schema(reader.get_columns()?)?.fields().to_vec();
    Ok(GuestOperator {
        code: decode_code(reader.get_code()?)?,
        inputs: reader.get_inputs()?.iter().map(input).collect::<Result<_>>()?,
        parameters: parameters.collect(),
        output: match reader.get_output()? {
            wire::OperatorOutput::Extends => OperatorOutput::Extends(columns),
            wire::OperatorOutput::Columns => OperatorOutput::Columns(columns),
            wire::OperatorOutput::LikeInput => OperatorOutput::LikeInput(columns),
        },
        rows_per_row: reader.get_rows_per_row(),
        cost: reader.get_cost(),
        keeps_order: reader.get_keeps_order(),
    })
}

pub(super) fn encode_call(call: &GuestCall, mut builder: guest_call::Builder<'_>) -> Result<()> {
    encode_operator(&call.operator, builder.reborrow().init_operator())?;
    let mut parameters = builder.reborrow().init_parameters(count(call.parameters.len()));
    for (index, value) in call.parameters.iter().enumerate() {
        parameters.set(count(index), &encode_value(value)?);
    }
    let mut inputs = builder.init_inputs(count(call.inputs.len()));
    for (index, input) in call.inputs.iter().enumerate() {
        let mut target = inputs.reborrow().get(count(index));
        let keys = &input.partition_by;
        expr::encode_list(keys, target.reborrow().init_partition_by(count(keys.len())))?;
        encode_sort_keys(&input.order_by, target.init_order_by(count(input.order_by.len())))?;
    }
    Ok(())
}

pub(super) fn decode_call(reader: guest_call::Reader<'_>) -> Result<GuestCall> {
    let input = |input: wire::guest_input::Reader<'_>| {
        Ok(GuestInput {
            partition_by: expr::decode_list(input.get_partition_by()?)?,
            order_by: decode_sort_keys(input.get_order_by()?)?,
        })
    };
    Ok(GuestCall {
        operator: Arc::new(decode_operator(reader.get_operator()?)?),
        parameters: reader
            .get_parameters()?
            .iter()
            .map(|value| decode_value(value?))
            .collect::<Result<_>>()?,
        inputs: reader.get_inputs()?.iter().map(input).collect::<Result<_>>()?,
    })
}
