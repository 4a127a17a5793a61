//! Types by number, so that both sides see when they speak of different ones. Numbers never change their meaning.

use arrow::datatypes::{DataType, IntervalUnit, TimeUnit};
use nyala_schema::{Error, Result};

/// First byte of each array in a head.
///
/// # Errors
/// `Unsupported` for types that have no wire form.
pub(super) fn kind(data_type: &DataType) -> Result<u8> {
    Ok(match data_type {
        DataType::Null => 1,
        DataType::Boolean => 2,
        DataType::Int8 => 3,
        DataType::Int16 => 4,
        DataType::Int32 => 5,
        DataType::Int64 => 6,
        DataType::UInt8 => 7,
        DataType::UInt16 => 8,
        DataType::UInt32 => 9,
        DataType::UInt64 => 10,
        DataType::Float16 => 11,
        DataType::Float32 => 12,
        DataType::Float64 => 13,
        DataType::Decimal32(..) => 14,
        DataType::Decimal64(..) => 15,
        DataType::Decimal128(..) => 16,
        DataType::Decimal256(..) => 17,
        DataType::Date32 => 18,
        DataType::Date64 => 19,
        DataType::Interval(IntervalUnit::YearMonth) => 20,
        DataType::Interval(IntervalUnit::DayTime) => 21,
        DataType::Interval(IntervalUnit::MonthDayNano) => 22,
        DataType::Utf8 => 23,
        DataType::LargeUtf8 => 24,
        DataType::Utf8View => 25,
        DataType::Binary => 26,
        DataType::LargeBinary => 27,
        DataType::BinaryView => 28,
        DataType::FixedSizeBinary(_) => 29,
        DataType::List(_) => 30,
        DataType::LargeList(_) => 31,
        DataType::FixedSizeList(..) => 32,
        DataType::Struct(_) => 33,
        DataType::Map(..) => 34,
        DataType::Dictionary(..) => 35,
        DataType::Time32(unit) => 40 + of_unit(*unit),
        DataType::Time64(unit) => 44 + of_unit(*unit),
        DataType::Timestamp(unit, _) => 48 + of_unit(*unit),
        DataType::Duration(unit) => 52 + of_unit(*unit),
        DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            return Err(Error::unsupported(format!("columns of type {data_type} do not go between nodes")));
        }
    })
}

fn of_unit(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

/// What else there is to a type of numbers.
pub(super) fn detail(data_type: &DataType) -> Option<[u8; 2]> {
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale)
        | DataType::Decimal256(precision, scale) => Some([*precision, *scale as u8]),
        _ => None,
    }
}

/// Of the keys of a dictionary, by their kind.
pub(super) fn key_type(kind: u8) -> Option<DataType> {
    Some(match kind {
        3 => DataType::Int8,
        4 => DataType::Int16,
        5 => DataType::Int32,
        6 => DataType::Int64,
        7 => DataType::UInt8,
        8 => DataType::UInt16,
        9 => DataType::UInt32,
        10 => DataType::UInt64,
        _ => return None,
    })
}

/// Bytes of each value, for types whose values are all as long.
pub(super) fn fixed_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    }
}
