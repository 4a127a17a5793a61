//! Hashes of rows by value, the same in each process on whichever machine: nodes must agree on them, so this never changes. They
//! are not those of hash tables, which would see few different ones otherwise.

use arrow::array::types::ByteViewType;
use arrow::array::{Array, ArrayRef, AsArray, GenericByteViewArray, OffsetSizeTrait};
use arrow::buffer::OffsetBuffer;
use arrow::compute::take;
use arrow::datatypes::{
    ArrowNativeType, BinaryType, BinaryViewType, ByteArrayType, DataType, Float16Type, Float32Type,
    Float64Type, IntervalDayTimeType, IntervalMonthDayNanoType, IntervalUnit, LargeBinaryType, LargeUtf8Type,
    StringViewType, Utf8Type, i256,
};
use nyala_schema::{Error, Result};

/// Odd, with bits all over: the digits of π, as in many a cipher.
const SEED: u64 = 0x243f_6a88_85a3_08d3;
const FACTOR: u64 = 0x1319_8a2e_0370_7345;
const WIDE_FACTOR: u64 = 0xa409_3822_299f_31d1;
const LENGTH_FACTOR: u64 = 0x082e_fa98_ec4e_6c89;

/// What stands for NULL.
const NULL: u64 = 0x4528_21e6_38d0_1377;

/// One hash for each row of the columns together.
///
/// # Errors
/// `Unsupported` for types that have no hash.
pub(super) fn hash_rows(columns: &[&ArrayRef], rows: usize) -> Result<Vec<u64>> {
    let mut hashes = vec![SEED; rows];
    for column in columns {
        for (hash, word) in hashes.iter_mut().zip(words(column)?) {
            *hash = mix(*hash, word);
        }
    }
    hashes.iter_mut().for_each(|hash| *hash = fold(*hash, WIDE_FACTOR));
    Ok(hashes)
}

fn fold(one: u64, other: u64) -> u64 {
    let product = u128::from(one) * u128::from(other);
    product as u64 ^ (product >> 64) as u64
}

fn mix(hash: u64, word: u64) -> u64 {
    fold(hash ^ word, FACTOR)
}

/// One word for each value; equal values have equal words, however they are encoded.
fn words(array: &dyn Array) -> Result<Vec<u64>> {
    let mut words = value_words(array)?;
    if let Some(nulls) = array.logical_nulls().filter(|nulls| nulls.null_count() > 0) {
        for (word, is_valid) in words.iter_mut().zip(&nulls) {
            if !is_valid {
                *word = NULL;
            }
        }
    }
    Ok(words)
}

fn value_words(array: &dyn Array) -> Result<Vec<u64>> {
    Ok(match array.data_type() {
        DataType::Null => vec![NULL; array.len()],
        DataType::Boolean => array.as_boolean().values().iter().map(u64::from).collect(),
        DataType::Int8 => fixed(array, |value: i8| value as u64),
        DataType::Int16 => fixed(array, |value: i16| value as u64),
        DataType::Int32
        | DataType::Date32
        | DataType::Time32(_)
        | DataType::Decimal32(..)
        | DataType::Interval(IntervalUnit::YearMonth) => fixed(array, |value: i32| value as u64),
        DataType::Int64
        | DataType::Date64
        | DataType::Time64(_)
        | DataType::Timestamp(..)
        | DataType::Duration(_)
        | DataType::Decimal64(..) => fixed(array, |value: i64| value as u64),
        DataType::UInt8 => fixed(array, |value: u8| u64::from(value)),
        DataType::UInt16 => fixed(array, |value: u16| u64::from(value)),
        DataType::UInt32 => fixed(array, |value: u32| u64::from(value)),
        DataType::UInt64 => fixed(array, |value: u64| wide(value.into())),
        DataType::Decimal128(..) => fixed(array, wide),
        DataType::Decimal256(..) => fixed(array, widest),
        DataType::Float16 => {
            array.as_primitive::<Float16Type>().values().iter().map(|v| float(v.to_f64())).collect()
        }
        DataType::Float32 => {
            array.as_primitive::<Float32Type>().values().iter().map(|v| float((*v).into())).collect()
        }
        DataType::Float64 => array.as_primitive::<Float64Type>().values().iter().map(|v| float(*v)).collect(),
        DataType::Interval(IntervalUnit::DayTime) => of_days(array),
        DataType::Interval(IntervalUnit::MonthDayNano) => of_months(array),
        DataType::Utf8 => of_bytes::<Utf8Type>(array),
        DataType::LargeUtf8 => of_bytes::<LargeUtf8Type>(array),
        DataType::Binary => of_bytes::<BinaryType>(array),
        DataType::LargeBinary => of_bytes::<LargeBinaryType>(array),
        DataType::Utf8View => of_views::<StringViewType>(array.as_byte_view()),
        DataType::BinaryView => of_views::<BinaryViewType>(array.as_byte_view()),
        DataType::FixedSizeBinary(_) => {
            let array = array.as_fixed_size_binary();
            (0..array.len()).map(|row| bytes(array.value(row))).collect()
        }
        DataType::Dictionary(..) => of_dictionary(array)?,
        DataType::Struct(_) => {
            let mut all = vec![SEED; array.len()];
            for column in array.as_struct().columns() {
                all.iter_mut().zip(words(column)?).for_each(|(all, word)| *all = mix(*all, word));
            }
            all
        }
        DataType::List(_) => of_lists(array.as_list::<i32>().offsets(), array.as_list::<i32>().values())?,
        DataType::LargeList(_) => {
            of_lists(array.as_list::<i64>().offsets(), array.as_list::<i64>().values())?
        }
        DataType::FixedSizeList(..)
        | DataType::Map(..)
        | DataType::Union(..)
        | DataType::RunEndEncoded(..)
        | DataType::ListView(_)
        | DataType::LargeListView(_) => {
            let message = format!("rows cannot be spread by a column of type {}", array.data_type());
            return Err(Error::unsupported(message));
        }
    })
}

fn fixed<T: ArrowNativeType>(array: &dyn Array, word: impl Fn(T) -> u64) -> Vec<u64> {
    array.to_data().buffer::<T>(0)[..array.len()].iter().map(|value| word(*value)).collect()
}

fn of_days(array: &dyn Array) -> Vec<u64> {
    let values = array.as_primitive::<IntervalDayTimeType>().values().iter();
    values.map(|value| mix(value.days as u64, value.milliseconds as u64)).collect()
}

fn of_months(array: &dyn Array) -> Vec<u64> {
    let values = array.as_primitive::<IntervalMonthDayNanoType>().values().iter();
    values.map(|it| mix(mix(it.months as u64, it.days as u64), it.nanoseconds as u64)).collect()
}

/// As those of narrow integers where it fits.
fn wide(value: i128) -> u64 {
    match i64::try_from(value) {
        Ok(narrow) => narrow as u64,
        Err(_) => fold(value as u64 ^ FACTOR, (value >> 64) as u64 ^ WIDE_FACTOR),
    }
}

fn widest(value: i256) -> u64 {
    match value.to_i128() {
        Some(narrow) => wide(narrow),
        None => bytes(&value.to_le_bytes()),
    }
}

/// Both zeros are one, and all that are not numbers.
fn float(value: f64) -> u64 {
    match value {
        _ if value == 0.0 => 0,
        _ if value.is_nan() => f64::NAN.to_bits(),
        _ => value.to_bits(),
    }
}

fn bytes(value: &[u8]) -> u64 {
    let mut word = (value.len() as u64).wrapping_mul(LENGTH_FACTOR);
    let (chunks, rest) = value.as_chunks::<8>();
    for chunk in chunks {
        word = mix(word, u64::from_le_bytes(*chunk));
    }
    let mut last = [0; 8];
    last[..rest.len()].copy_from_slice(rest);
    mix(word, u64::from_le_bytes(last))
}

fn of_bytes<T: ByteArrayType>(array: &dyn Array) -> Vec<u64> {
    let array = array.as_bytes::<T>();
    let values = array.value_data();
    array.offsets().windows(2).map(|ends| bytes(&values[ends[0].as_usize()..ends[1].as_usize()])).collect()
}

fn of_views<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> Vec<u64> {
    // Views of NULLs are not looked through.
    let is_valid = |row: usize| array.is_valid(row);
    let word = |row: usize| if is_valid(row) { bytes(array.value(row).as_ref()) } else { NULL };
    (0..array.len()).map(word).collect()
}

/// The words of the values once, unless there are more of them than rows.
fn of_dictionary(array: &dyn Array) -> Result<Vec<u64>> {
    let dictionary = array.as_any_dictionary();
    if dictionary.values().len() > array.len() {
        return words(&take(dictionary.values(), dictionary.keys(), None)?);
    }
    if dictionary.values().is_empty() {
        return Ok(vec![NULL; array.len()]);
    }
    let values = words(dictionary.values())?;
    let keys = dictionary.normalized_keys();
    Ok(keys.into_iter().map(|key| values.get(key).copied().unwrap_or(NULL)).collect())
}

fn of_lists<O: OffsetSizeTrait>(offsets: &OffsetBuffer<O>, items: &ArrayRef) -> Result<Vec<u64>> {
    let items = words(items)?;
    let list = |ends: &[O]| {
        let items = &items[ends[0].as_usize()..ends[1].as_usize()];
        items.iter().fold((items.len() as u64).wrapping_mul(LENGTH_FACTOR), |all, item| mix(all, *item))
    };
    Ok(offsets.windows(2).map(list).collect())
}
