//! Numbers: 32 and 64 bits, integers and floats.

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, PrimitiveArray};
use arrow::datatypes::{self as types, ArrowNativeType, DataType, TimeUnit, ToByteSlice};
use nyala_schema::Result;
use parquet::basic::Encoding;
use parquet::file::statistics::Statistics;

use super::codes::{Codes, number_codes};
use super::hybrid::{put_codes, width_of};
use super::pages::ChunkWriter;
use crate::managed::sketch::float_bits;
use crate::managed::tally::ColumnTally;
use crate::managed::target::PAGE_ROWS;

/// A value as Parquet stores it.
pub trait Number: ArrowNativeType + ToByteSlice + PartialOrd {
    /// The statistics of a chunk.
    fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics;

    /// What tells it from others, in a dictionary.
    fn key(self) -> u64;

    /// What is hashed for the number of distinct values.
    fn sketched(self) -> u64;

    /// Steps from the first to the second; `None` for floats, and when there are too many.
    fn steps(from: Self, to: Self) -> Option<usize>;

    /// The least and the greatest that is a number, zeros with the signs that bound both.
    fn bounds(values: &[Self]) -> Option<(Self, Self)>;
}

macro_rules! integer {
    ($type:ty, $wide:ty, $statistics:path) => {
        impl Number for $type {
            fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
                let (min, max) = bounds.unzip();
                $statistics(min, max, None, Some(nulls), false)
            }

            fn key(self) -> u64 {
                self as u64
            }

            fn sketched(self) -> u64 {
                self as u64
            }

            fn steps(from: Self, to: Self) -> Option<usize> {
                usize::try_from((to as $wide).checked_sub(from as $wide)?).ok()
            }

            fn bounds(values: &[Self]) -> Option<(Self, Self)> {
                let first = *values.first()?;
                Some(values.iter().fold((first, first), |(min, max), it| (min.min(*it), max.max(*it))))
            }
        }
    };
}

integer!(i32, i64, Statistics::int32);
integer!(i64, i64, Statistics::int64);

macro_rules! float {
    ($type:ty, $statistics:path) => {
        impl Number for $type {
            fn statistics(bounds: Option<(Self, Self)>, nulls: u64) -> Statistics {
                let (min, max) = bounds.unzip();
                $statistics(min, max, None, Some(nulls), false)
            }

            fn key(self) -> u64 {
                u64::from(self.to_bits())
            }

            fn sketched(self) -> u64 {
                float_bits(f64::from(self))
            }

            fn steps(_: Self, _: Self) -> Option<usize> {
                None
            }

            fn bounds(values: &[Self]) -> Option<(Self, Self)> {
                let mut numbers = values.iter().copied().filter(|it| !it.is_nan());
                let first = numbers.next()?;
                let (min, max) = numbers.fold((first, first), |(min, max), it| (min.min(it), max.max(it)));
                Some((if min == 0.0 { -0.0 } else { min }, if max == 0.0 { 0.0 } else { max }))
            }
        }
    };
}

float!(f32, Statistics::float);
float!(f64, Statistics::double);

/// Writes the values of a chunk: by dictionary when that is worth it.
///
/// # Errors
/// Internal.
pub fn put_numbers<N: Number>(
    writer: &mut ChunkWriter<'_>,
    values: &[N],
    codes: &mut Codes,
    tally: &mut ColumnTally,
) -> Result<Statistics> {
    let bounds = N::bounds(values);
    let entries = number_codes(values, bounds, codes);
    if let Some(entries) = &entries {
        entries.iter().for_each(|entry| tally.number(entry.sketched()));
        writer.dictionary(entries.to_byte_slice(), entries.len())?;
    } else {
        values.iter().for_each(|value| tally.number(value.sketched()));
    }
    let mut packed = Vec::new();
    for page in writer.rows().pages(PAGE_ROWS) {
        let of_page = &values[page.values.clone()];
        let bounds = N::bounds(of_page).map(|(min, max)| (plain(min), plain(max)));
        match &entries {
            Some(entries) => {
                packed.clear();
                put_codes(&mut packed, &codes.codes[page.values.clone()], width_of(entries.len()));
                writer.data(&page, Encoding::RLE_DICTIONARY, &packed, bounds)?;
            }
            None => writer.data(&page, Encoding::PLAIN, of_page.to_byte_slice(), bounds)?,
        }
    }
    Ok(N::statistics(bounds, writer.rows().nulls() as u64))
}

fn plain<N: Number>(value: N) -> Vec<u8> {
    [value].to_byte_slice().to_vec()
}

/// The values that are stored as 32-bit integers; `false` for other types.
pub fn gather_i32(array: &ArrayRef, values: &mut Vec<i32>) -> bool {
    use types as t;
    match array.data_type() {
        DataType::Int8 => gather(array.as_primitive::<t::Int8Type>(), values, i32::from),
        DataType::Int16 => gather(array.as_primitive::<t::Int16Type>(), values, i32::from),
        DataType::Int32 => gather(array.as_primitive::<t::Int32Type>(), values, |it| it),
        DataType::UInt8 => gather(array.as_primitive::<t::UInt8Type>(), values, i32::from),
        DataType::UInt16 => gather(array.as_primitive::<t::UInt16Type>(), values, i32::from),
        DataType::Date32 => gather(array.as_primitive::<t::Date32Type>(), values, |it| it),
        DataType::Time32(TimeUnit::Second) => {
            gather(array.as_primitive::<t::Time32SecondType>(), values, |it| it)
        }
        DataType::Time32(_) => gather(array.as_primitive::<t::Time32MillisecondType>(), values, |it| it),
        DataType::Decimal64(..) => gather(array.as_primitive::<t::Decimal64Type>(), values, |it| it as i32),
        _ => return false,
    }
    true
}

/// The values that are stored as 64-bit integers; `false` for other types.
pub fn gather_i64(array: &ArrayRef, values: &mut Vec<i64>) -> bool {
    use types as t;
    match array.data_type() {
        DataType::Int64 => gather(array.as_primitive::<t::Int64Type>(), values, |it| it),
        DataType::Decimal64(..) => gather(array.as_primitive::<t::Decimal64Type>(), values, |it| it),
        DataType::Time64(TimeUnit::Nanosecond) => {
            gather(array.as_primitive::<t::Time64NanosecondType>(), values, |it| it)
        }
        DataType::Time64(_) => gather(array.as_primitive::<t::Time64MicrosecondType>(), values, |it| it),
        DataType::Timestamp(unit, _) => match unit {
            TimeUnit::Second => gather(array.as_primitive::<t::TimestampSecondType>(), values, |it| it),
            TimeUnit::Millisecond => {
                gather(array.as_primitive::<t::TimestampMillisecondType>(), values, |it| it)
            }
            TimeUnit::Microsecond => {
                gather(array.as_primitive::<t::TimestampMicrosecondType>(), values, |it| it)
            }
            TimeUnit::Nanosecond => {
                gather(array.as_primitive::<t::TimestampNanosecondType>(), values, |it| it)
            }
        },
        _ => return false,
    }
    true
}

/// The values that are not NULL.
pub fn gather<T: ArrowPrimitiveType, N>(
    array: &PrimitiveArray<T>,
    values: &mut Vec<N>,
    stored: impl Fn(T::Native) -> N,
) {
    match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => values.extend(array.values().iter().map(|value| stored(*value))),
        Some(nulls) => values.extend(nulls.valid_indices().map(|row| stored(array.values()[row]))),
    }
}
