//! Which overload of a user-defined function a call means, by SQL's implicit casts.

use std::sync::Arc;

use arrow::datatypes::{DataType, TimeUnit};
use datafusion_common::ScalarValue;
use nyala_schema::function::{FunctionDefinition, FunctionKind};
use nyala_schema::{Error, ErrorCode, Result};

use crate::suggest::quoted;
use crate::types::{held_type, sql_name};

/// An argument of a call.
#[derive(Debug, Clone)]
pub(crate) struct Given {
    pub(crate) data_type: DataType,
    /// Its value, where it is written as a constant: constants fit narrower types.
    pub(crate) constant: Option<ScalarValue>,
}

/// What an implicit cast costs: the cheapest overload is meant.
const SAME: u32 = 0;
const UNTYPED_NULL: u32 = 1;
const REFINED: u32 = 1;
const OTHER_MOMENT: u32 = 5;
const TO_DECIMAL: u32 = 10;
const TO_DOUBLE: u32 = 12;
const TO_REAL: u32 = 16;
const NARROWED_CONSTANT: u32 = 20;
const READ_TEXT: u32 = 30;

/// Decimal digits of the greatest value.
fn digits(data_type: &DataType) -> Option<u8> {
    Some(match data_type {
        DataType::Int8 | DataType::UInt8 => 3,
        DataType::Int16 | DataType::UInt16 => 5,
        DataType::Int32 | DataType::UInt32 => 10,
        DataType::Int64 => 19,
        DataType::UInt64 => 20,
        _ => return None,
    })
}

/// The bits that a signed integer needs to hold all values of an integer type.
fn signed_bits(data_type: &DataType) -> Option<u32> {
    Some(match data_type {
        DataType::Int8 => 8,
        DataType::Int16 | DataType::UInt8 => 16,
        DataType::Int32 | DataType::UInt16 => 32,
        DataType::Int64 | DataType::UInt32 => 64,
        DataType::UInt64 => 128,
        _ => return None,
    })
}

/// `None` when there is no implicit cast.
pub(crate) fn cast_cost(given: &Given, wanted: &DataType) -> Option<u32> {
    let from = held_type(&given.data_type);
    if from == *wanted {
        return Some(SAME);
    }
    let between = between_types(&from, wanted);
    between.or_else(|| constant_cost(&from, given.constant.as_ref()?, wanted))
}

fn between_types(from: &DataType, wanted: &DataType) -> Option<u32> {
    use DataType as T;
    match (from, wanted) {
        (T::Null, _) => Some(UNTYPED_NULL),
        (T::Dictionary(_, value), _) => between_types(&held_type(value), wanted).or_else(|| {
            let held = held_type(value);
            (held == *wanted).then_some(SAME)
        }),
        (from, T::Decimal128(precision, scale)) if digits(from).is_some() => {
            let room = i16::from(*precision) - i16::from(*scale);
            (room >= i16::from(digits(from)?)).then_some(TO_DECIMAL)
        }
        (from, T::Float64) if digits(from).is_some() => Some(TO_DOUBLE),
        (T::Int8 | T::Int16 | T::UInt8 | T::UInt16, T::Float32) => Some(TO_REAL),
        // Row numbers and ranks are unsigned, and never that large.
        (T::UInt64, T::Int64) => Some(REFINED),
        (from, wanted) if signed_bits(from).is_some() => {
            let (have, want) = (signed_bits(from)?, signed_bits(wanted)?);
            (want > have).then(|| want.ilog2() - have.ilog2())
        }
        (T::Decimal128(p, s), T::Decimal128(precision, scale)) => {
            let room = |p: u8, s: i8| i16::from(p) - i16::from(s);
            (room(*p, *s) <= room(*precision, *scale) && s <= scale).then_some(REFINED)
        }
        (T::Decimal128(..), T::Float64) => Some(TO_DOUBLE),
        (T::Float32, T::Float64) => Some(REFINED),
        (T::Date32, T::Timestamp(TimeUnit::Microsecond, None)) => Some(OTHER_MOMENT),
        (T::Timestamp(_, zone), T::Timestamp(TimeUnit::Microsecond, wanted)) => {
            Some(if zone.is_some() == wanted.is_some() { REFINED } else { OTHER_MOMENT })
        }
        (T::Interval(_), T::Interval(_)) => Some(REFINED),
        (T::List(from) | T::LargeList(from) | T::FixedSizeList(from, _), T::List(wanted)) => {
            let item = Given { data_type: from.data_type().clone(), constant: None };
            cast_cost(&item, wanted.data_type()).map(|cost| cost + REFINED)
        }
        (T::Struct(from), T::Struct(wanted)) if from.len() == wanted.len() => {
            let member = |(from, wanted): (&Arc<arrow::datatypes::Field>, &Arc<arrow::datatypes::Field>)| {
                let given = Given { data_type: from.data_type().clone(), constant: None };
                let same_name = from.name() == wanted.name();
                same_name.then(|| cast_cost(&given, wanted.data_type())).flatten()
            };
            from.iter().zip(wanted).map(member).sum::<Option<u32>>().map(|cost| cost + REFINED)
        }
        _ => None,
    }
}

/// A constant fits a type that holds its value: `1` a SMALLINT, `0.5` a REAL, `'2024-01-01'` a DATE.
fn constant_cost(from: &DataType, constant: &ScalarValue, wanted: &DataType) -> Option<u32> {
    let is_number = from.is_numeric();
    let is_text = *from == DataType::Utf8View;
    let cost = match wanted {
        DataType::Float32 if is_number => return Some(TO_REAL),
        wanted if is_number && (signed_bits(wanted).is_some() || wanted.is_decimal()) => NARROWED_CONSTANT,
        DataType::Date32 | DataType::Timestamp(..) | DataType::Time64(_) | DataType::Interval(_)
            if is_text =>
        {
            READ_TEXT
        }
        _ => return None,
    };
    let cast = constant.cast_to(wanted).ok()?;
    if !is_number {
        return (!cast.is_null()).then_some(cost);
    }
    // What does not come back was cut.
    (cast.cast_to(&constant.data_type()).ok()? == *constant).then_some(cost)
}

/// The overload of `kind` that a call with these arguments means.
///
/// # Errors
/// `AmbiguousFunction` and `DatatypeMismatch`, with the overloads in the hint.
pub(crate) fn choose<'a>(
    name: &str,
    kind: FunctionKind,
    overloads: &'a [Arc<FunctionDefinition>],
    given: &[Given],
) -> Result<&'a Arc<FunctionDefinition>> {
    let candidates = overloads.iter().filter(|overload| overload.kind == kind);
    let mut fitting: Vec<(u32, &Arc<FunctionDefinition>)> =
        candidates.clone().filter_map(|overload| Some((cost(overload, given)?, overload))).collect();
    fitting.sort_by_key(|(cost, _)| *cost);
    match fitting.as_slice() {
        [] => Err(no_match(name, given, candidates)),
        [(first, _), (second, _), ..] if first == second => {
            let message = format!("call {} fits more than one function", call(name, given));
            let tied = fitting.iter().take_while(|(cost, _)| cost == first).map(|(_, overload)| *overload);
            let hint = format!("cast the arguments to those of one of {}", forms(tied));
            Err(Error::new(ErrorCode::AmbiguousFunction, message).with_hint(hint))
        }
        [(_, overload), ..] => Ok(overload),
    }
}

fn cost(overload: &FunctionDefinition, given: &[Given]) -> Option<u32> {
    if overload.arguments.len() != given.len() {
        return None;
    }
    let costs = overload.arguments.iter().zip(given);
    costs.map(|(argument, given)| cast_cost(given, &argument.data_type)).sum()
}

fn no_match<'a>(
    name: &str,
    given: &[Given],
    candidates: impl Iterator<Item = &'a Arc<FunctionDefinition>> + Clone,
) -> Error {
    let message = match given {
        [] => format!("{} does not work without arguments", quoted(name)),
        given => format!("{} does not take ({})", quoted(name), types(given)),
    };
    let takes_as_many = candidates.clone().any(|overload| overload.arguments.len() == given.len());
    let how = if takes_as_many { "; CAST converts where SQL does not by itself" } else { "" };
    Error::new(ErrorCode::DatatypeMismatch, message).with_hint(format!("there is {}{how}", forms(candidates)))
}

fn types(given: &[Given]) -> String {
    given.iter().map(|given| sql_name(&given.data_type)).collect::<Vec<_>>().join(", ")
}

fn call(name: &str, given: &[Given]) -> String {
    format!("{}({})", quoted(name), types(given))
}

fn forms<'a>(overloads: impl Iterator<Item = &'a Arc<FunctionDefinition>>) -> String {
    let form = |overload: &Arc<FunctionDefinition>| {
        let types: Vec<String> = overload.argument_types().iter().map(sql_name).collect();
        format!("{}({})", overload.name, types.join(", "))
    };
    overloads.map(form).collect::<Vec<_>>().join(", ")
}
