//! Random types and arrays.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryArray, DictionaryArray, FixedSizeBinaryArray, FixedSizeListArray, Int32Array, Int64Array,
    LargeListArray, ListArray, MapArray, NullArray, RecordBatch, RecordBatchOptions, StringArray,
    StructArray, UnionArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Field, FieldRef, Fields, Int32Type, IntervalUnit, Schema, TimeUnit, UnionFields, UnionMode,
};
use nyala_schema::Value;

use crate::draw::Draw;

pub fn plain_type(draw: &mut Draw) -> DataType {
    use DataType::*;
    let zone = Some("Europe/Zurich".into());
    draw.one(&[
        Null,
        Boolean,
        Int8,
        Int16,
        Int32,
        Int64,
        UInt8,
        UInt16,
        UInt32,
        UInt64,
        Float16,
        Float32,
        Float64,
        Date32,
        Date64,
        Time32(TimeUnit::Second),
        Time64(TimeUnit::Nanosecond),
        Timestamp(TimeUnit::Microsecond, None),
        Timestamp(TimeUnit::Nanosecond, zone),
        Duration(TimeUnit::Millisecond),
        Interval(IntervalUnit::YearMonth),
        Interval(IntervalUnit::DayTime),
        Interval(IntervalUnit::MonthDayNano),
        Decimal32(9, 2),
        Decimal64(18, 0),
        Decimal128(38, 10),
        Decimal256(76, -3),
        Utf8,
        LargeUtf8,
        Utf8View,
        Binary,
        LargeBinary,
        BinaryView,
        FixedSizeBinary(5),
        FixedSizeBinary(0),
    ])
}

/// With nested ones to some depth.
pub fn any_type(draw: &mut Draw, depth: usize) -> DataType {
    if depth == 0 || draw.flag() {
        return plain_type(draw);
    }
    let depth = depth - 1;
    match draw.below(7) {
        0 => DataType::List(any_field(draw, depth)),
        1 => DataType::LargeList(any_field(draw, depth)),
        2 => DataType::FixedSizeList(any_field(draw, depth), draw.below(3) as i32),
        3 => DataType::Struct(draw.some(|draw| any_field(draw, depth)).into()),
        4 => {
            let key = Field::new("key", DataType::Utf8, false);
            let value = Field::new("value", any_type(draw, depth), true);
            let entries = Field::new("entries", DataType::Struct(vec![key, value].into()), false);
            DataType::Map(Arc::new(entries), draw.flag())
        }
        5 => DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View)),
        _ => {
            let fields = [any_field(draw, depth), any_field(draw, depth)];
            DataType::Union(UnionFields::try_new([3, 7], fields).unwrap(), UnionMode::Sparse)
        }
    }
}

fn any_field(draw: &mut Draw, depth: usize) -> FieldRef {
    let mut field = Field::new(draw.text(), any_type(draw, depth), true);
    if draw.flag() {
        field.set_metadata(draw.some(|draw| (draw.text(), draw.text())).into_iter().collect());
    }
    Arc::new(field)
}

/// An array that begins somewhere in another.
pub fn array(draw: &mut Draw, data_type: &DataType, len: usize) -> ArrayRef {
    let before = draw.below(10);
    let whole = whole_array(draw, data_type, before + len + draw_after(data_type));
    whole.slice(before, len)
}

fn draw_after(data_type: &DataType) -> usize {
    usize::from(data_type.is_nested())
}

fn nulls(draw: &mut Draw, len: usize) -> Option<NullBuffer> {
    draw.maybe(|draw| (0..len).map(|_| draw.flag()).collect::<Vec<bool>>().into())
}

fn whole_array(draw: &mut Draw, data_type: &DataType, len: usize) -> ArrayRef {
    match data_type {
        DataType::Null => Arc::new(NullArray::new(len)),
        DataType::List(item) => {
            let (offsets, items) = items(draw, item.data_type(), len);
            let nulls = nulls(draw, len);
            Arc::new(ListArray::new(Arc::clone(item), offsets, items, nulls))
        }
        DataType::LargeList(item) => {
            let lengths: Vec<usize> = (0..len).map(|_| draw.below(4)).collect();
            let items = array(draw, item.data_type(), lengths.iter().sum());
            let nulls = nulls(draw, len);
            Arc::new(LargeListArray::new(Arc::clone(item), OffsetBuffer::from_lengths(lengths), items, nulls))
        }
        DataType::FixedSizeList(item, size) => {
            let items = array(draw, item.data_type(), len * *size as usize);
            let (item, nulls) = (Arc::clone(item), nulls(draw, len));
            Arc::new(FixedSizeListArray::try_new_with_length(item, *size, items, nulls, len).unwrap())
        }
        DataType::Struct(fields) => Arc::new(struct_array(draw, fields, len, true)),
        DataType::Map(entries, is_sorted) => {
            let DataType::Struct(fields) = entries.data_type() else { unreachable!() };
            let lengths: Vec<usize> = (0..len).map(|_| draw.below(4)).collect();
            let pairs = struct_array(draw, fields, lengths.iter().sum(), false);
            let (offsets, nulls) = (OffsetBuffer::from_lengths(lengths), nulls(draw, len));
            Arc::new(MapArray::new(Arc::clone(entries), offsets, pairs, nulls, *is_sorted))
        }
        DataType::Dictionary(..) => {
            let values =
                cast(&StringArray::from(vec!["a", "twenty characters here", "c"]), &DataType::Utf8View);
            let keys: Int32Array = (0..len).map(|_| draw.maybe(|draw| draw.below(3) as i32)).collect();
            Arc::new(DictionaryArray::<Int32Type>::new(keys, values.unwrap()))
        }
        DataType::Union(fields, _) => {
            let ids: Vec<i8> = (0..len).map(|_| draw.one(&[3, 7])).collect();
            let children = fields.iter().map(|(_, field)| array(draw, field.data_type(), len)).collect();
            Arc::new(UnionArray::try_new(fields.clone(), ScalarBuffer::from(ids), None, children).unwrap())
        }
        plain => plain_array(draw, plain, len),
    }
}

fn items(draw: &mut Draw, item: &DataType, len: usize) -> (OffsetBuffer<i32>, ArrayRef) {
    let lengths: Vec<usize> = (0..len).map(|_| draw.below(4)).collect();
    let items = array(draw, item, lengths.iter().sum());
    (OffsetBuffer::from_lengths(lengths), items)
}

fn struct_array(draw: &mut Draw, fields: &Fields, len: usize, may_be_null: bool) -> StructArray {
    let column = |field: &FieldRef| match field.is_nullable() {
        true => array(draw, field.data_type(), len),
        false => Arc::new(StringArray::from_iter_values((0..len).map(|_| draw.text()))),
    };
    let columns: Vec<ArrayRef> = fields.iter().map(column).collect();
    let nulls = if may_be_null { nulls(draw, len) } else { None };
    StructArray::try_new_with_length(fields.clone(), columns, nulls, len).unwrap()
}

fn plain_array(draw: &mut Draw, data_type: &DataType, len: usize) -> ArrayRef {
    let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let is_binary = matches!(data_type, DataType::Binary | DataType::LargeBinary | DataType::BinaryView);
    if let DataType::FixedSizeBinary(width) = data_type {
        let values = vec![7u8; len * *width as usize].into();
        let nulls = nulls(draw, len);
        return Arc::new(FixedSizeBinaryArray::try_new_with_len(*width, values, nulls, len).unwrap());
    }
    if is_text {
        let values = (0..len).map(|_| draw.maybe(Draw::text));
        return cast(&values.collect::<StringArray>(), data_type).unwrap();
    }
    if is_binary {
        let values = (0..len).map(|_| draw.maybe(Draw::bytes));
        return cast(&values.collect::<BinaryArray>(), data_type).unwrap();
    }
    let numbers: Int64Array = (0..len).map(|_| draw.maybe(|draw| draw.signed() % 100)).collect();
    // Types that numbers are not cast to are reached by way of others.
    let steps: &[DataType] = match data_type {
        DataType::Date32 | DataType::Time32(_) | DataType::Interval(IntervalUnit::YearMonth) => {
            &[DataType::Int32]
        }
        DataType::Interval(_) => &[DataType::Duration(TimeUnit::Second)],
        _ => &[],
    };
    let start: ArrayRef = Arc::new(numbers);
    let stepped = steps.iter().fold(start, |array, step| cast(&array, step).unwrap());
    cast(&stepped, data_type).unwrap_or_else(|_| arrow::array::new_null_array(data_type, len))
}

/// NULL or not, of any type.
pub fn value(draw: &mut Draw) -> Value {
    let data_type = any_type(draw, 2);
    Value::new(array(draw, &data_type, 1))
}

pub fn batch(draw: &mut Draw, columns: usize) -> RecordBatch {
    let rows = draw.one(&[0, 1, 1, 3, 500]);
    let fields: Vec<FieldRef> = (0..columns).map(|_| any_field(draw, 2)).collect();
    let arrays = fields.iter().map(|field| array(draw, field.data_type(), rows)).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), arrays, &options).unwrap()
}
