//! Functions, operators and modules of the catalog.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema};

use super::arrow_data::{decode_schema, encode_schema};
use super::definition::{decode_texts, encode_texts};
use super::expr::{volatility_from_wire, volatility_to_wire};
use super::generated::catalog_capnp::{
    self as wire, function_definition, function_version, module_definition, operator_definition, overload,
};
use super::generated::plan_capnp::optional_text;
use super::guest::{
    decode_hash, decode_limits, decode_operator, encode_hash, encode_limits, encode_operator, tier_from_wire,
    tier_to_wire,
};
use super::{count, enum_pairs};
use crate::command::Overload;
use crate::error::{Error, ErrorCode, Result};
use crate::function::{
    Argument, FunctionBody, FunctionDefinition, FunctionKind, FunctionVersion, ModuleDefinition,
    OperatorDefinition,
};

enum_pairs!(kind_to_wire, kind_from_wire, FunctionKind, wire::FunctionKind, Scalar, Aggregate, Table);

pub(super) fn encode_function(
    value: &FunctionDefinition,
    mut builder: function_definition::Builder<'_>,
) -> Result<()> {
    builder.set_name(&value.name);
    builder.set_kind(kind_to_wire(value.kind));
    let arguments = value.arguments.iter().map(|a| Field::new(&a.name, a.data_type.clone(), true));
    let fields: Vec<Field> = arguments.chain([Field::new("", value.returns.clone(), true)]).collect();
    builder.set_signature(&encode_schema(&Schema::new(fields)));
    let mut versions = builder.reborrow().init_versions(count(value.versions.len()));
    for (index, version) in value.versions.iter().enumerate() {
        encode_version(version, versions.reborrow().get(count(index)));
    }
    builder.set_current(value.current);
    encode_optional(value.module.as_deref(), builder.init_module());
    Ok(())
}

pub(super) fn decode_function(reader: function_definition::Reader<'_>) -> Result<FunctionDefinition> {
    let name = reader.get_name()?.to_string()?;
    let signature = decode_schema(reader.get_signature()?)?;
    let argument =
        |field: &Arc<Field>| Argument { name: field.name().clone(), data_type: field.data_type().clone() };
    let mut arguments: Vec<Argument> = signature.fields().iter().map(argument).collect();
    let returns = arguments.pop().ok_or_else(|| malformed(&name, "without a result"))?.data_type;
    let versions: Vec<_> = reader.get_versions()?.iter().map(decode_version).collect::<Result<_>>()?;
    if versions.is_empty() {
        return Err(malformed(&name, "without a version"));
    }
    Ok(FunctionDefinition {
        kind: kind_from_wire(reader.get_kind()?),
        arguments,
        returns,
        versions,
        current: reader.get_current(),
        module: decode_optional(reader.get_module()?)?,
        name,
    })
}

pub(super) fn encode_version(value: &FunctionVersion, mut builder: function_version::Builder<'_>) {
    builder.set_number(value.number);
    builder.set_volatility(volatility_to_wire(value.volatility));
    builder.set_strict(value.strict);
    builder.set_cost(value.cost);
    builder.set_rows_per_row(value.rows_per_row);
    encode_limits(&value.limits, builder.reborrow().init_limits());
    match &value.body {
        FunctionBody::Guest { module, export, tier, source } => {
            let mut guest = builder.init_body().init_guest();
            guest.set_module(&encode_hash(*module));
            guest.set_export(export);
            guest.set_tier(tier_to_wire(*tier));
            encode_optional(source.as_deref(), guest.init_source());
        }
        FunctionBody::Sql { text, uses } => {
            let mut sql = builder.init_body().init_sql();
            sql.set_text(text);
            encode_texts(uses, sql.init_uses(count(uses.len())));
        }
    }
}

pub(super) fn decode_version(reader: function_version::Reader<'_>) -> Result<FunctionVersion> {
    let body = match reader.get_body().which()? {
        function_version::body::Guest(guest) => FunctionBody::Guest {
            module: decode_hash(guest.get_module()?)?,
            export: guest.get_export()?.to_string()?,
            tier: tier_from_wire(guest.get_tier()?),
            source: decode_optional(guest.get_source()?)?,
        },
        function_version::body::Sql(sql) => {
            FunctionBody::Sql { text: sql.get_text()?.to_string()?, uses: decode_texts(sql.get_uses()?)? }
        }
    };
    Ok(FunctionVersion {
        number: reader.get_number(),
        body,
        volatility: volatility_from_wire(reader.get_volatility()?),
        strict: reader.get_strict(),
        cost: reader.get_cost(),
        rows_per_row: reader.get_rows_per_row(),
        limits: decode_limits(reader.get_limits()?)?,
    })
}

pub(super) fn encode_overload(value: &Overload, mut builder: overload::Builder<'_>) -> Result<()> {
    builder.set_name(&value.name);
    builder.set_has_arguments(value.arguments.is_some());
    if let Some(arguments) = &value.arguments {
        let field = |data_type: &DataType| Field::new("", data_type.clone(), true);
        builder.set_arguments(&encode_schema(&Schema::new(arguments.iter().map(field).collect::<Vec<_>>())));
    }
    Ok(())
}

pub(super) fn decode_overload(reader: overload::Reader<'_>) -> Result<Overload> {
    let arguments = if reader.get_has_arguments() {
        let schema = decode_schema(reader.get_arguments()?)?;
        Some(schema.fields().iter().map(|field| field.data_type().clone()).collect())
    } else {
        None
    };
    Ok(Overload { name: reader.get_name()?.to_string()?, arguments })
}

pub(super) fn encode_module(value: &ModuleDefinition, mut builder: module_definition::Builder<'_>) {
    builder.set_name(&value.name);
    builder.set_hash(&encode_hash(value.hash));
    builder.set_size_bytes(value.size_bytes);
}

pub(super) fn decode_module(reader: module_definition::Reader<'_>) -> Result<ModuleDefinition> {
    Ok(ModuleDefinition {
        name: reader.get_name()?.to_string()?,
        hash: decode_hash(reader.get_hash()?)?,
        size_bytes: reader.get_size_bytes(),
    })
}

pub(super) fn encode_operator_definition(
    value: &OperatorDefinition,
    mut builder: operator_definition::Builder<'_>,
) -> Result<()> {
    builder.set_name(&value.name);
    encode_operator(&value.operator, builder.reborrow().init_operator())?;
    encode_optional(value.module.as_deref(), builder.init_module());
    Ok(())
}

pub(super) fn decode_operator_definition(
    reader: operator_definition::Reader<'_>,
) -> Result<OperatorDefinition> {
    Ok(OperatorDefinition {
        name: reader.get_name()?.to_string()?,
        operator: Arc::new(decode_operator(reader.get_operator()?)?),
        module: decode_optional(reader.get_module()?)?,
    })
}

fn encode_optional(text: Option<&str>, mut builder: optional_text::Builder<'_>) {
    match text {
        Some(text) => builder.set_some(text),
        None => builder.set_none(()),
    }
}

fn decode_optional(reader: optional_text::Reader<'_>) -> Result<Option<String>> {
    Ok(match reader.which()? {
        optional_text::None(()) => None,
        optional_text::Some(text) => Some(text?.to_string()?),
    })
}

fn malformed(name: &str, what: &str) -> Error {
    Error::new(ErrorCode::Connection, format!("a message holds the function \"{name}\" {what}"))
}
