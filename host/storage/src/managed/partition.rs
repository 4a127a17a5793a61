//! What PARTITIONED BY makes of rows.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, BinaryArray, Int32Array, PrimitiveArray,
    RecordBatch, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{self as types, DataType, TimeUnit};
use nyala_schema::managed::{PartitionField, TableShape, Transform};
use nyala_schema::{Error, ErrorCode, Result};

/// One array for each field of PARTITIONED BY, of the type that [`Transform::result_type`] gives, for rows that have the
/// columns of the shape in order, in any physical form.
///
/// # Errors
/// DatatypeMismatch for a transform that the column's type does not have: also for a batch without rows.
pub fn partition_values(shape: &TableShape, batch: &RecordBatch) -> Result<Vec<ArrayRef>> {
    let value_of = |field: &PartitionField| {
        let position = shape.position(field.column).filter(|position| *position < batch.num_columns());
        let position =
            position.ok_or_else(|| Error::internal("a table is partitioned by a column that it lacks"))?;
        let column = &shape.columns[position];
        transform(&column.name, &column.data_type, batch.column(position), field.transform)
    };
    shape.partition_by.iter().map(value_of).collect()
}

fn transform(name: &str, data_type: &DataType, array: &ArrayRef, transform: Transform) -> Result<ArrayRef> {
    let array = if array.data_type() == data_type { Arc::clone(array) } else { cast(array, data_type)? };
    let refused = || {
        let sql = transform.to_sql(name);
        Error::new(ErrorCode::DatatypeMismatch, format!("{sql} is not possible: {name} is {data_type}"))
            .with_hint("year, month and day take dates and timestamps, hour takes timestamps, truncate takes integers, decimals and text")
    };
    match transform {
        Transform::Identity if data_type.is_nested() || data_type.is_floating() => Err(refused()),
        Transform::Identity => Ok(array),
        Transform::Year => months(&array).map(|months| floor_by(&months, 12)).ok_or_else(refused),
        Transform::Month => months(&array).map(|months| Arc::new(months) as ArrayRef).ok_or_else(refused),
        Transform::Day => since_1970(&array, DAY_SECONDS).ok_or_else(refused),
        Transform::Hour if matches!(data_type, DataType::Timestamp(..)) => {
            since_1970(&array, HOUR_SECONDS).ok_or_else(refused)
        }
        Transform::Hour => Err(refused()),
        Transform::Bucket(count) => buckets(&array, count).ok_or_else(refused),
        Transform::Truncate(width) => truncated(&array, width).ok_or_else(refused),
    }
}

const DAY_SECONDS: i64 = 86_400;
const HOUR_SECONDS: i64 = 3_600;

/// Whole units since 1970, below it negative.
fn since_1970(array: &ArrayRef, unit_seconds: i64) -> Option<ArrayRef> {
    if array.data_type() == &DataType::Date32 && unit_seconds == DAY_SECONDS {
        return cast(array, &DataType::Int32).ok();
    }
    let per_second = match array.data_type() {
        DataType::Date64 | DataType::Timestamp(TimeUnit::Millisecond, _) => 1000,
        DataType::Timestamp(TimeUnit::Second, _) => 1,
        DataType::Timestamp(TimeUnit::Microsecond, _) => 1_000_000,
        DataType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000_000,
        _ => return None,
    };
    let ticks = cast(array, &DataType::Int64).ok()?;
    let whole = |ticks: i64| {
        let units = ticks.div_euclid(per_second * unit_seconds);
        units.clamp(i64::from(i32::MIN), i64::from(i32::MAX)) as i32
    };
    Some(Arc::new(ticks.as_primitive::<types::Int64Type>().unary::<_, types::Int32Type>(whole)))
}

/// Months since 1970, by the civil calendar.
fn months(array: &ArrayRef) -> Option<Int32Array> {
    let days = since_1970(array, DAY_SECONDS)?;
    Some(days.as_primitive::<types::Int32Type>().unary(month_of_day))
}

/// Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`: eras of 400 years from March on.
fn month_of_day(day: i32) -> i32 {
    let shifted = i64::from(day) + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    // March is month 2 from January 1970 on.
    ((era * 400 + year_of_era - 1970) * 12 + month_from_march + 2) as i32
}

fn floor_by(array: &Int32Array, divisor: i32) -> ArrayRef {
    Arc::new(array.unary::<_, types::Int32Type>(|value| value.div_euclid(divisor)))
}

/// CRC-32 of the value, modulo `count`: the same for all times, as files are found by it. Numbers are hashed as 64 bits
/// (decimals of more than 18 digits as 128).
fn buckets(array: &ArrayRef, count: u32) -> Option<ArrayRef> {
    let bucket = |bytes: &[u8]| (crc32fast::hash(bytes) % count.max(1)) as i32;
    let of_texts = |values: &dyn Fn(usize) -> Option<Vec<u8>>| -> ArrayRef {
        Arc::new(Int32Array::from_iter((0..array.len()).map(|row| values(row).map(|value| bucket(&value)))))
    };
    let present = |row: usize| array.is_valid(row);
    match array.data_type() {
        DataType::Utf8 => {
            let texts = array.as_string::<i32>();
            Some(of_texts(&|row| present(row).then(|| texts.value(row).as_bytes().to_vec())))
        }
        DataType::Binary => {
            let bytes = array.as_binary::<i32>();
            Some(of_texts(&|row| present(row).then(|| bytes.value(row).to_vec())))
        }
        DataType::Decimal128(..) => {
            let numbers = array.as_primitive::<types::Decimal128Type>();
            Some(Arc::new(numbers.unary::<_, types::Int32Type>(|number| match i64::try_from(number) {
                Ok(number) => bucket(&number.to_le_bytes()),
                Err(_) => bucket(&number.to_le_bytes()),
            })))
        }
        other if other.is_floating() || other.is_nested() => None,
        DataType::UInt64 => {
            let numbers = array.as_primitive::<types::UInt64Type>();
            Some(Arc::new(numbers.unary::<_, types::Int32Type>(|number| bucket(&number.to_le_bytes()))))
        }
        _ => {
            let numbers = cast(array, &DataType::Int64).ok()?;
            let numbers = numbers.as_primitive::<types::Int64Type>();
            Some(Arc::new(numbers.unary::<_, types::Int32Type>(|number| bucket(&number.to_le_bytes()))))
        }
    }
}

fn truncated(array: &ArrayRef, width: u32) -> Option<ArrayRef> {
    macro_rules! numbers {
        ($type:ty) => {{
            let values = array.as_primitive::<$type>();
            Some(Arc::new(down_to_multiple(values, width)))
        }};
    }
    match array.data_type() {
        DataType::Int8 => numbers!(types::Int8Type),
        DataType::Int16 => numbers!(types::Int16Type),
        DataType::Int32 => numbers!(types::Int32Type),
        DataType::Int64 => numbers!(types::Int64Type),
        DataType::UInt8 => numbers!(types::UInt8Type),
        DataType::UInt16 => numbers!(types::UInt16Type),
        DataType::UInt32 => numbers!(types::UInt32Type),
        DataType::UInt64 => numbers!(types::UInt64Type),
        DataType::Decimal32(..) => numbers!(types::Decimal32Type),
        DataType::Decimal64(..) => numbers!(types::Decimal64Type),
        DataType::Decimal128(..) => numbers!(types::Decimal128Type),
        DataType::Utf8 => {
            let cut = |text: Option<&str>| {
                text.map(|text| match text.char_indices().nth(width as usize) {
                    Some((end, _)) => text[..end].to_owned(),
                    None => text.to_owned(),
                })
            };
            Some(Arc::new(StringArray::from_iter(array.as_string::<i32>().iter().map(cut))))
        }
        DataType::Binary => {
            let cut =
                |bytes: Option<&[u8]>| bytes.map(|bytes| bytes[..bytes.len().min(width as usize)].to_vec());
            Some(Arc::new(BinaryArray::from_iter(array.as_binary::<i32>().iter().map(cut))))
        }
        _ => None,
    }
}

/// Numbers so near to the least of their type that there is no multiple below are all in the partition of the least.
fn down_to_multiple<T: ArrowPrimitiveType>(values: &PrimitiveArray<T>, width: u32) -> PrimitiveArray<T>
where
    T::Native: TryInto<i128> + TryFrom<i128>,
{
    let width = i128::from(width.max(1));
    let down = |value: T::Native| {
        let Ok(number) = value.try_into() else { return value };
        number
            .checked_sub(number.rem_euclid(width))
            .and_then(|it| T::Native::try_from(it).ok())
            .unwrap_or(T::Native::MIN_TOTAL_ORDER)
    };
    values.unary::<_, T>(down).with_data_type(values.data_type().clone())
}
