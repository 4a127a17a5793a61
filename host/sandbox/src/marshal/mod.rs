//! Columns between Arrow and a guest's memory, in the layout of docs/reference/guest-abi.md.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use nyala_guest_abi::Kind;
use nyala_schema::{Error, Result};

mod input;
mod output;
mod text;

pub(crate) use input::{Writer, size_bytes};
pub(crate) use output::{Nonsense, Reader};

const _: () =
    assert!(cfg!(target_endian = "little"), "values are copied as they are, and guests are little-endian");

/// DECIMAL of up to so many digits is an `i64` for guests.
const INT64_DIGITS: u8 = 18;

/// How values of a SQL type look to a guest.
///
/// # Errors
/// Unsupported for types that no guest can be handed.
pub(crate) fn kind(data_type: &DataType) -> Result<Kind> {
    Ok(match data_type {
        DataType::Boolean => Kind::Boolean,
        DataType::Int8 => Kind::Int8,
        DataType::Int16 => Kind::Int16,
        DataType::Int32 | DataType::Date32 => Kind::Int32,
        DataType::Int64
        | DataType::Timestamp(TimeUnit::Microsecond, _)
        | DataType::Time64(TimeUnit::Microsecond)
        | DataType::Decimal32(..)
        | DataType::Decimal64(..) => Kind::Int64,
        DataType::Decimal128(digits, _) if *digits <= INT64_DIGITS => Kind::Int64,
        DataType::Decimal128(..) => Kind::Int128,
        DataType::UInt32 => Kind::UInt32,
        DataType::Float32 => Kind::Float32,
        DataType::Float64 => Kind::Float64,
        DataType::Utf8 | DataType::Utf8View => Kind::Text,
        DataType::Binary | DataType::BinaryView => Kind::Binary,
        DataType::Interval(IntervalUnit::MonthDayNano) => Kind::Interval,
        DataType::List(element) => {
            kind(element.data_type())?;
            Kind::List
        }
        DataType::Struct(fields) => {
            fields.iter().try_for_each(|field| kind(field.data_type()).map(|_| ()))?;
            Kind::Struct
        }
        other => {
            return Err(Error::unsupported(format!(
                "functions in modules cannot have arguments or results of type {other}"
            ))
            .with_hint("cast to a type that they can have; docs/reference/guest-abi.md lists them"));
        }
    })
}

/// The type that a column of a state has for the host, which does not know what it means. LIST and STRUCT are not allowed.
pub(crate) fn state_type(kind: Kind) -> Option<DataType> {
    Some(match kind {
        Kind::Boolean => DataType::Boolean,
        Kind::Int8 => DataType::Int8,
        Kind::Int16 => DataType::Int16,
        Kind::Int32 => DataType::Int32,
        Kind::Int64 => DataType::Int64,
        Kind::UInt32 => DataType::UInt32,
        Kind::Float32 => DataType::Float32,
        Kind::Float64 => DataType::Float64,
        Kind::Int128 => DataType::Decimal128(38, 0),
        Kind::Text => DataType::Utf8View,
        Kind::Binary => DataType::BinaryView,
        Kind::Interval => DataType::Interval(IntervalUnit::MonthDayNano),
        Kind::List | Kind::Struct => return None,
    })
}
