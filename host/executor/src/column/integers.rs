//! Columns of integers, and of what is kept as integers: dates, times, timestamps, decimals.

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, make_array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{self as types, DataType, IntervalUnit, TimeUnit};
use nyala_schema::Result;

/// The native values of a column. What stands at NULL rows is arbitrary.
#[derive(Clone, Copy)]
pub(crate) enum Integers<'a> {
    I8(&'a [i8]),
    I16(&'a [i16]),
    I32(&'a [i32]),
    I64(&'a [i64]),
    I128(&'a [i128]),
    U8(&'a [u8]),
    U16(&'a [u16]),
    U32(&'a [u32]),
    U64(&'a [u64]),
}

macro_rules! impl_from_slice {
    ($($variant:ident: $native:ty),*) => {$(
        impl<'a> From<&'a [$native]> for Integers<'a> {
            fn from(values: &'a [$native]) -> Self {
                Self::$variant(values)
            }
        }
    )*};
}

impl_from_slice!(I8: i8, I16: i16, I32: i32, I64: i64, I128: i128, U8: u8, U16: u16, U32: u32, U64: u64);

/// Runs `$body` with `$values` as a slice of the native type.
macro_rules! with_integers {
    ($integers:expr, $values:ident => $body:expr) => {
        match $integers {
            $crate::column::integers::Integers::I8($values) => $body,
            $crate::column::integers::Integers::I16($values) => $body,
            $crate::column::integers::Integers::I32($values) => $body,
            $crate::column::integers::Integers::I64($values) => $body,
            $crate::column::integers::Integers::I128($values) => $body,
            $crate::column::integers::Integers::U8($values) => $body,
            $crate::column::integers::Integers::U16($values) => $body,
            $crate::column::integers::Integers::U32($values) => $body,
            $crate::column::integers::Integers::U64($values) => $body,
        }
    };
}
pub(crate) use with_integers;

/// A native integer of a column.
pub(crate) trait Integer: Copy + Ord + Send + Sync + 'static {
    fn wide(self) -> i128;

    /// The distance from `min`, `u64::MAX` when it does not fit. For the 64-bit types it wraps: every value of
    /// the type has a distance of its own.
    fn distance(self, min: i128) -> u64;

    /// The low 64 bits, sign extended.
    fn bits(self) -> u64;
}

macro_rules! impl_integer {
    ($($native:ty),*) => {$(
        impl Integer for $native {
            #[inline(always)]
            fn wide(self) -> i128 {
                self as i128
            }

            #[inline(always)]
            fn distance(self, min: i128) -> u64 {
                (self as u64).wrapping_sub(min as u64)
            }

            #[inline(always)]
            fn bits(self) -> u64 {
                self as u64
            }
        }
    )*};
}

impl_integer!(i8, i16, i32, i64, u8, u16, u32, u64);

impl Integer for i128 {
    #[inline(always)]
    fn wide(self) -> i128 {
        self
    }

    #[inline(always)]
    fn distance(self, min: i128) -> u64 {
        u64::try_from(self.wrapping_sub(min)).unwrap_or(u64::MAX)
    }

    #[inline(always)]
    fn bits(self) -> u64 {
        self as u64
    }
}

/// The values of `array` when its type is integer-like.
pub(crate) fn integers(array: &dyn Array) -> Option<Integers<'_>> {
    macro_rules! values {
        ($variant:ident, $type:ident) => {
            Some(Integers::$variant(array.as_primitive::<types::$type>().values()))
        };
    }
    match array.data_type() {
        DataType::Int8 => values!(I8, Int8Type),
        DataType::Int16 => values!(I16, Int16Type),
        DataType::Int32 => values!(I32, Int32Type),
        DataType::Int64 => values!(I64, Int64Type),
        DataType::UInt8 => values!(U8, UInt8Type),
        DataType::UInt16 => values!(U16, UInt16Type),
        DataType::UInt32 => values!(U32, UInt32Type),
        DataType::UInt64 => values!(U64, UInt64Type),
        DataType::Date32 => values!(I32, Date32Type),
        DataType::Date64 => values!(I64, Date64Type),
        DataType::Time32(TimeUnit::Second) => values!(I32, Time32SecondType),
        DataType::Time32(_) => values!(I32, Time32MillisecondType),
        DataType::Time64(TimeUnit::Microsecond) => values!(I64, Time64MicrosecondType),
        DataType::Time64(_) => values!(I64, Time64NanosecondType),
        DataType::Timestamp(TimeUnit::Second, _) => values!(I64, TimestampSecondType),
        DataType::Timestamp(TimeUnit::Millisecond, _) => values!(I64, TimestampMillisecondType),
        DataType::Timestamp(TimeUnit::Microsecond, _) => values!(I64, TimestampMicrosecondType),
        DataType::Timestamp(TimeUnit::Nanosecond, _) => values!(I64, TimestampNanosecondType),
        DataType::Duration(TimeUnit::Second) => values!(I64, DurationSecondType),
        DataType::Duration(TimeUnit::Millisecond) => values!(I64, DurationMillisecondType),
        DataType::Duration(TimeUnit::Microsecond) => values!(I64, DurationMicrosecondType),
        DataType::Duration(TimeUnit::Nanosecond) => values!(I64, DurationNanosecondType),
        DataType::Interval(IntervalUnit::YearMonth) => values!(I32, IntervalYearMonthType),
        DataType::Decimal32(..) => values!(I32, Decimal32Type),
        DataType::Decimal64(..) => values!(I64, Decimal64Type),
        DataType::Decimal128(..) => values!(I128, Decimal128Type),
        _ => None,
    }
}

/// Bytes of a value of an integer-like type.
pub(crate) fn integer_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::Interval(IntervalUnit::YearMonth) => Some(4),
        DataType::Interval(_) | DataType::Float16 | DataType::Float32 | DataType::Float64 => None,
        DataType::Decimal256(..) => None,
        other => other.primitive_width(),
    }
}

/// Least and greatest of the values that are not NULL.
pub(crate) fn min_max(integers: Integers<'_>, nulls: Option<&NullBuffer>) -> Option<(i128, i128)> {
    with_integers!(integers, values => min_max_of(values, nulls))
}

fn min_max_of<T: Integer>(values: &[T], nulls: Option<&NullBuffer>) -> Option<(i128, i128)> {
    let first = match nulls {
        None => *values.first()?,
        Some(nulls) => values[nulls.valid_indices().next()?],
    };
    let (mut min, mut max) = (first, first);
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            for &value in values {
                min = min.min(value);
                max = max.max(value);
            }
        }
        Some(nulls) => {
            for index in nulls.valid_indices() {
                min = min.min(values[index]);
                max = max.max(values[index]);
            }
        }
    }
    Some((min.wide(), max.wide()))
}

/// An array of an integer-like type of at most 8 bytes, or of Booleans (0, 1), from the low bits of `values`.
pub(crate) fn array_from_bits(
    values: impl ExactSizeIterator<Item = u64>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let len = values.len();
    let buffer = match data_type.primitive_width() {
        Some(1) => Buffer::from_vec(values.map(|v| v as u8).collect::<Vec<_>>()),
        Some(2) => Buffer::from_vec(values.map(|v| v as u16).collect::<Vec<_>>()),
        Some(4) => Buffer::from_vec(values.map(|v| v as u32).collect::<Vec<_>>()),
        Some(_) => Buffer::from_vec(values.collect::<Vec<_>>()),
        None => {
            let bits: Vec<bool> = values.map(|v| v != 0).collect();
            return Ok(std::sync::Arc::new(BooleanArray::new(bits.into(), nulls)));
        }
    };
    array_from_buffer(buffer, len, nulls, data_type)
}

/// An array of a primitive type over a buffer of its native values.
pub(crate) fn array_from_buffer(
    buffer: Buffer,
    len: usize,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    let data = ArrayData::builder(data_type.clone()).len(len).add_buffer(buffer).nulls(nulls).build()?;
    Ok(make_array(data))
}
