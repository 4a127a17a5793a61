//! Arrow types, fields and schemas in few bytes: headers of tables, signatures and plans are full of them.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::types::{Decimal32Type, Decimal64Type, Decimal128Type, Decimal256Type};
use arrow::array::types::{DecimalType, validate_decimal_precision_and_scale};
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, IntervalUnit, Schema, SchemaRef, TimeUnit, UnionFields, UnionMode,
};

use crate::packed::{Reader, put_number, put_text};

/// Levels of types within types.
const DEPTH_MAX: usize = 64;

const NULLABLE: u8 = 1;
const HAS_METADATA: u8 = 2;
const IS_ORDERED: u8 = 4;

/// Types without parameters, each with its code.
macro_rules! plain_types {
    ($($code:literal = $name:ident),+ $(,)?) => {
        fn plain_code(data_type: &DataType) -> Option<u8> {
            match data_type { $(DataType::$name => Some($code),)+ _ => None }
        }

        fn plain_type(code: u8) -> Option<DataType> {
            match code { $($code => Some(DataType::$name),)+ _ => None }
        }
    };
}

plain_types! {
    0 = Null, 1 = Boolean, 2 = Int8, 3 = Int16, 4 = Int32, 5 = Int64, 6 = UInt8, 7 = UInt16, 8 = UInt32, 9 = UInt64,
    10 = Float16, 11 = Float32, 12 = Float64, 13 = Date32, 14 = Date64, 15 = Utf8, 16 = LargeUtf8, 17 = Utf8View,
    18 = Binary, 19 = LargeBinary, 20 = BinaryView,
}

const TIMESTAMP: u8 = 32;
const ZONED_TIMESTAMP: u8 = 33;
const TIME32: u8 = 34;
const TIME64: u8 = 35;
const DURATION: u8 = 36;
const INTERVAL: u8 = 37;
const FIXED_SIZE_BINARY: u8 = 38;
const DECIMAL32: u8 = 39;
const DECIMAL64: u8 = 40;
const DECIMAL128: u8 = 41;
const DECIMAL256: u8 = 42;
const LIST: u8 = 43;
const LARGE_LIST: u8 = 44;
const LIST_VIEW: u8 = 45;
const LARGE_LIST_VIEW: u8 = 46;
const FIXED_SIZE_LIST: u8 = 47;
const STRUCT: u8 = 48;
const MAP: u8 = 49;
const SORTED_MAP: u8 = 50;
const DICTIONARY: u8 = 51;
const RUN_END_ENCODED: u8 = 52;
const SPARSE_UNION: u8 = 53;
const DENSE_UNION: u8 = 54;

pub(super) fn put_type(packed: &mut Vec<u8>, data_type: &DataType) {
    if let Some(code) = plain_code(data_type) {
        return packed.push(code);
    }
    match data_type {
        DataType::Timestamp(unit, None) => packed.extend([TIMESTAMP, time_code(*unit)]),
        DataType::Timestamp(unit, Some(zone)) => {
            packed.extend([ZONED_TIMESTAMP, time_code(*unit)]);
            put_text(packed, zone.as_bytes());
        }
        DataType::Time32(unit) => packed.extend([TIME32, time_code(*unit)]),
        DataType::Time64(unit) => packed.extend([TIME64, time_code(*unit)]),
        DataType::Duration(unit) => packed.extend([DURATION, time_code(*unit)]),
        DataType::Interval(unit) => packed.extend([INTERVAL, interval_code(*unit)]),
        DataType::FixedSizeBinary(bytes) => {
            packed.push(FIXED_SIZE_BINARY);
            put_number(packed, bytes.unsigned_abs());
        }
        DataType::Decimal32(digits, scale) => packed.extend([DECIMAL32, *digits, *scale as u8]),
        DataType::Decimal64(digits, scale) => packed.extend([DECIMAL64, *digits, *scale as u8]),
        DataType::Decimal128(digits, scale) => packed.extend([DECIMAL128, *digits, *scale as u8]),
        DataType::Decimal256(digits, scale) => packed.extend([DECIMAL256, *digits, *scale as u8]),
        nested => put_nested(packed, nested),
    }
}

fn put_nested(packed: &mut Vec<u8>, data_type: &DataType) {
    let mut one = |code: u8, field: &Field| {
        packed.push(code);
        put_field(packed, field);
    };
    match data_type {
        DataType::List(item) => one(LIST, item),
        DataType::LargeList(item) => one(LARGE_LIST, item),
        DataType::ListView(item) => one(LIST_VIEW, item),
        DataType::LargeListView(item) => one(LARGE_LIST_VIEW, item),
        DataType::FixedSizeList(item, size) => {
            one(FIXED_SIZE_LIST, item);
            put_number(packed, size.unsigned_abs());
        }
        DataType::Map(entries, is_sorted) => one(if *is_sorted { SORTED_MAP } else { MAP }, entries),
        DataType::Struct(fields) => {
            packed.push(STRUCT);
            put_fields(packed, fields);
        }
        DataType::Dictionary(keys, values) => {
            packed.push(DICTIONARY);
            put_type(packed, keys);
            put_type(packed, values);
        }
        DataType::RunEndEncoded(ends, values) => {
            one(RUN_END_ENCODED, ends);
            put_field(packed, values);
        }
        DataType::Union(fields, mode) => {
            packed.push(if *mode == UnionMode::Sparse { SPARSE_UNION } else { DENSE_UNION });
            put_number(packed, fields.len() as u128);
            for (id, field) in fields.iter() {
                packed.push(id as u8);
                put_field(packed, field);
            }
        }
        _ => unreachable!("types that are not nested have been written"),
    }
}

fn put_field(packed: &mut Vec<u8>, field: &Field) {
    let has_metadata = !field.metadata().is_empty();
    let is_ordered = field.dict_is_ordered() == Some(true);
    let flag = |is_set: bool, flag: u8| if is_set { flag } else { 0 };
    packed.push(
        flag(field.is_nullable(), NULLABLE) | flag(has_metadata, HAS_METADATA) | flag(is_ordered, IS_ORDERED),
    );
    put_text(packed, field.name().as_bytes());
    put_type(packed, field.data_type());
    if has_metadata {
        put_metadata(packed, field.metadata());
    }
}

fn put_fields(packed: &mut Vec<u8>, fields: &Fields) {
    put_number(packed, fields.len() as u128);
    fields.iter().for_each(|field| put_field(packed, field));
}

/// In the order of the keys, so that equal ones are equal bytes.
fn put_metadata(packed: &mut Vec<u8>, metadata: &HashMap<String, String>) {
    let mut pairs: Vec<_> = metadata.iter().collect();
    pairs.sort();
    put_number(packed, pairs.len() as u128);
    for (key, value) in pairs {
        put_text(packed, key.as_bytes());
        put_text(packed, value.as_bytes());
    }
}

pub(super) fn put_schema(packed: &mut Vec<u8>, schema: &Schema) {
    put_fields(packed, &schema.fields);
    put_metadata(packed, &schema.metadata);
}

pub(super) fn read_schema(rest: &mut Reader<'_>) -> Option<SchemaRef> {
    let fields = read_fields(rest, DEPTH_MAX)?;
    Some(Arc::new(Schema::new_with_metadata(fields, read_metadata(rest)?)))
}

pub(super) fn read_type(rest: &mut Reader<'_>) -> Option<DataType> {
    read_type_within(rest, DEPTH_MAX)
}

fn read_type_within(rest: &mut Reader<'_>, depth: usize) -> Option<DataType> {
    let code = rest.byte()?;
    if let Some(data_type) = plain_type(code) {
        return Some(data_type);
    }
    Some(match code {
        TIMESTAMP => DataType::Timestamp(time_unit(rest.byte()?)?, None),
        ZONED_TIMESTAMP => {
            let unit = time_unit(rest.byte()?)?;
            DataType::Timestamp(unit, Some(rest.utf8()?.into()))
        }
        TIME32 => {
            let unit = time_unit(rest.byte()?)?;
            matches!(unit, TimeUnit::Second | TimeUnit::Millisecond).then_some(DataType::Time32(unit))?
        }
        TIME64 => {
            let unit = time_unit(rest.byte()?)?;
            matches!(unit, TimeUnit::Microsecond | TimeUnit::Nanosecond).then_some(DataType::Time64(unit))?
        }
        DURATION => DataType::Duration(time_unit(rest.byte()?)?),
        INTERVAL => DataType::Interval(interval_unit(rest.byte()?)?),
        FIXED_SIZE_BINARY => DataType::FixedSizeBinary(rest.small()?),
        DECIMAL32 => read_decimal::<Decimal32Type>(rest)?,
        DECIMAL64 => read_decimal::<Decimal64Type>(rest)?,
        DECIMAL128 => read_decimal::<Decimal128Type>(rest)?,
        DECIMAL256 => read_decimal::<Decimal256Type>(rest)?,
        nested => read_nested(nested, rest, depth.checked_sub(1)?)?,
    })
}

fn read_decimal<T: DecimalType>(rest: &mut Reader<'_>) -> Option<DataType> {
    let (digits, scale) = (rest.byte()?, rest.byte()? as i8);
    validate_decimal_precision_and_scale::<T>(digits, scale).ok()?;
    Some(T::TYPE_CONSTRUCTOR(digits, scale))
}

fn read_nested(code: u8, rest: &mut Reader<'_>, depth: usize) -> Option<DataType> {
    Some(match code {
        LIST => DataType::List(read_field(rest, depth)?),
        LARGE_LIST => DataType::LargeList(read_field(rest, depth)?),
        LIST_VIEW => DataType::ListView(read_field(rest, depth)?),
        LARGE_LIST_VIEW => DataType::LargeListView(read_field(rest, depth)?),
        FIXED_SIZE_LIST => {
            let item = read_field(rest, depth)?;
            DataType::FixedSizeList(item, rest.small()?)
        }
        STRUCT => DataType::Struct(read_fields(rest, depth)?),
        MAP | SORTED_MAP => {
            let entries = read_field(rest, depth)?;
            let is_pair = matches!(entries.data_type(), DataType::Struct(fields) if fields.len() == 2);
            is_pair.then_some(DataType::Map(entries, code == SORTED_MAP))?
        }
        DICTIONARY => {
            let keys = read_type_within(rest, depth)?;
            let values = read_type_within(rest, depth)?;
            keys.is_dictionary_key_type().then(|| DataType::Dictionary(Box::new(keys), Box::new(values)))?
        }
        RUN_END_ENCODED => {
            let ends = read_field(rest, depth)?;
            let values = read_field(rest, depth)?;
            ends.data_type().is_run_ends_type().then_some(DataType::RunEndEncoded(ends, values))?
        }
        SPARSE_UNION => DataType::Union(read_union(rest, depth)?, UnionMode::Sparse),
        DENSE_UNION => DataType::Union(read_union(rest, depth)?, UnionMode::Dense),
        _ => return None,
    })
}

fn read_field(rest: &mut Reader<'_>, depth: usize) -> Option<FieldRef> {
    let flags = rest.byte()?;
    let name = rest.utf8()?;
    let data_type = read_type_within(rest, depth)?;
    let mut field = Field::new(name, data_type, flags & NULLABLE != 0);
    if flags & HAS_METADATA != 0 {
        field.set_metadata(read_metadata(rest)?);
    }
    if flags & IS_ORDERED != 0 {
        field = field.with_dict_is_ordered(true);
    }
    Some(Arc::new(field))
}

fn read_fields(rest: &mut Reader<'_>, depth: usize) -> Option<Fields> {
    let count: usize = rest.small()?;
    (0..count).map(|_| read_field(rest, depth)).collect()
}

fn read_union(rest: &mut Reader<'_>, depth: usize) -> Option<UnionFields> {
    let count: usize = rest.small()?;
    let mut ids = Vec::new();
    let mut fields = Vec::new();
    for _ in 0..count {
        ids.push(i8::try_from(rest.byte()?).ok()?);
        fields.push(read_field(rest, depth)?);
    }
    UnionFields::try_new(ids, fields).ok()
}

fn read_metadata(rest: &mut Reader<'_>) -> Option<HashMap<String, String>> {
    let count: usize = rest.small()?;
    (0..count).map(|_| Some((rest.utf8()?.to_owned(), rest.utf8()?.to_owned()))).collect()
}

fn time_code(unit: TimeUnit) -> u8 {
    match unit {
        TimeUnit::Second => 0,
        TimeUnit::Millisecond => 1,
        TimeUnit::Microsecond => 2,
        TimeUnit::Nanosecond => 3,
    }
}

fn time_unit(code: u8) -> Option<TimeUnit> {
    [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond, TimeUnit::Nanosecond]
        .get(usize::from(code))
        .copied()
}

fn interval_code(unit: IntervalUnit) -> u8 {
    match unit {
        IntervalUnit::YearMonth => 0,
        IntervalUnit::DayTime => 1,
        IntervalUnit::MonthDayNano => 2,
    }
}

fn interval_unit(code: u8) -> Option<IntervalUnit> {
    [IntervalUnit::YearMonth, IntervalUnit::DayTime, IntervalUnit::MonthDayNano]
        .get(usize::from(code))
        .copied()
}
