//! Arrow arrays in few bytes: values, lists of values, rows that are kept in the catalog.
//!
//! An array is written without its type and length, which are known from elsewhere: the bitmap of what is not NULL if there
//! are NULLs, then its values. What is read is checked as untrusted: any bytes give an array that is sound, or nothing.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BinaryViewArray, BooleanArray, DictionaryArray,
    FixedSizeBinaryArray, FixedSizeListArray, GenericListArray, LargeBinaryArray, LargeStringArray, MapArray,
    NullArray, OffsetSizeTrait, StringArray, StringViewArray, StructArray, UnionArray, make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, FieldRef, Fields, UnionFields, UnionMode};
use arrow::datatypes::{
    Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};

use crate::error::{Error, Result};
use crate::packed::{Reader, put_number};

/// # Errors
/// `Unsupported` for run-end encoded arrays and list views.
pub(super) fn put_array(packed: &mut Vec<u8>, array: &dyn Array) -> Result<()> {
    put_nulls(packed, array.nulls());
    match array.data_type() {
        DataType::Null => {}
        DataType::Boolean => put_bits(packed, array.as_boolean().values()),
        DataType::List(_) => put_list(packed, array.as_list::<i32>())?,
        DataType::LargeList(_) => put_list(packed, array.as_list::<i64>())?,
        DataType::Map(..) => {
            let map = array.as_map();
            put_items(packed, map.offsets(), map.entries())?;
        }
        DataType::FixedSizeList(_, size) => {
            let list = array.as_fixed_size_list();
            let start = list.value_offset(0) as usize;
            put_array(packed, &list.values().slice(start, list.len() * *size as usize))?;
        }
        DataType::Struct(_) => {
            array.as_struct().columns().iter().try_for_each(|column| put_array(packed, column))?;
        }
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            put_array(packed, dictionary.keys())?;
            put_number(packed, dictionary.values().len() as u128);
            put_array(packed, dictionary.values())?;
        }
        DataType::Union(fields, _) => put_union(packed, array.as_union(), fields)?,
        DataType::RunEndEncoded(..) | DataType::ListView(_) | DataType::LargeListView(_) => {
            return Err(Error::unsupported(format!(
                "a value of type {} has no wire form",
                array.data_type()
            )));
        }
        data_type => match fixed_width(data_type) {
            Some(width) => {
                let data = array.to_data();
                let start = data.offset() * width;
                packed.extend_from_slice(&data.buffers()[0][start..start + data.len() * width]);
            }
            None => put_byte_values(packed, array),
        },
    }
    Ok(())
}

/// An array of a type and length; `None` when the bytes are no such array.
pub(super) fn read_array(rest: &mut Reader<'_>, data_type: &DataType, len: usize) -> Option<ArrayRef> {
    let nulls = read_nulls(rest, len)?;
    Some(match data_type {
        DataType::Null => Arc::new(NullArray::new(len)),
        DataType::Boolean => Arc::new(BooleanArray::new(read_bits(rest, len)?, nulls)),
        DataType::List(item) => read_list::<i32>(rest, item, len, nulls)?,
        DataType::LargeList(item) => read_list::<i64>(rest, item, len, nulls)?,
        DataType::Map(entries, is_sorted) => {
            let (offsets, items) = read_items(rest, entries.data_type(), len)?;
            let items = items.as_struct_opt()?.clone();
            Arc::new(MapArray::try_new(Arc::clone(entries), offsets, items, nulls, *is_sorted).ok()?)
        }
        DataType::FixedSizeList(item, size) => {
            let items = len.checked_mul(usize::try_from(*size).ok()?)?;
            let values = read_array(rest, item.data_type(), items)?;
            let item = Arc::clone(item);
            Arc::new(FixedSizeListArray::try_new_with_length(item, *size, values, nulls, len).ok()?)
        }
        DataType::Struct(fields) => read_struct(rest, fields, len, nulls)?,
        DataType::Dictionary(keys, values) => read_dictionary(rest, keys, values, len)?,
        DataType::Union(fields, mode) => read_union(rest, fields, *mode, len)?,
        DataType::RunEndEncoded(..) | DataType::ListView(_) | DataType::LargeListView(_) => return None,
        data_type => match fixed_width(data_type) {
            Some(width) => read_fixed(rest, data_type, width, len, nulls)?,
            None => read_byte_values(rest, data_type, len, nulls.as_ref())?,
        },
    })
}

fn fixed_width(data_type: &DataType) -> Option<usize> {
    match data_type {
        DataType::FixedSizeBinary(width) => usize::try_from(*width).ok(),
        other => other.primitive_width(),
    }
}

/// 0, or 1 and the bits.
fn put_nulls(packed: &mut Vec<u8>, nulls: Option<&NullBuffer>) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => packed.push(0),
        Some(nulls) => {
            packed.push(1);
            put_bits(packed, nulls.inner());
        }
    }
}

fn read_nulls(rest: &mut Reader<'_>, len: usize) -> Option<Option<NullBuffer>> {
    match rest.byte()? {
        0 => Some(None),
        1 => Some(Some(NullBuffer::new(read_bits(rest, len)?))),
        _ => None,
    }
}

fn put_bits(packed: &mut Vec<u8>, bits: &BooleanBuffer) {
    packed.extend_from_slice(&bits.sliced()[..bits.len().div_ceil(8)]);
}

fn read_bits(rest: &mut Reader<'_>, len: usize) -> Option<BooleanBuffer> {
    Some(BooleanBuffer::new(Buffer::from(rest.take(len.div_ceil(8))?), 0, len))
}

fn read_fixed(
    rest: &mut Reader<'_>,
    data_type: &DataType,
    width: usize,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    // A copy, so that it is aligned.
    let values = Buffer::from(rest.take(len.checked_mul(width)?)?);
    if let DataType::FixedSizeBinary(width) = data_type {
        return Some(Arc::new(FixedSizeBinaryArray::try_new_with_len(*width, values, nulls, len).ok()?));
    }
    let data = arrow::array::ArrayData::builder(data_type.clone());
    Some(make_array(data.len(len).add_buffer(values).nulls(nulls).build().ok()?))
}

/// All lengths, then all bytes.
fn put_byte_values(packed: &mut Vec<u8>, array: &dyn Array) {
    macro_rules! values {
        ($array:expr) => {
            $array.iter().map(|value| value.map_or(&[][..], |value| value.as_ref())).collect()
        };
    }
    let values: Vec<&[u8]> = match array.data_type() {
        DataType::Utf8 => values!(array.as_string::<i32>()),
        DataType::LargeUtf8 => values!(array.as_string::<i64>()),
        DataType::Utf8View => values!(array.as_string_view()),
        DataType::Binary => values!(array.as_binary::<i32>()),
        DataType::LargeBinary => values!(array.as_binary::<i64>()),
        DataType::BinaryView => values!(array.as_binary_view()),
        other => unreachable!("{other} is neither text nor binary"),
    };
    values.iter().for_each(|value| put_number(packed, value.len() as u128));
    values.iter().for_each(|value| packed.extend_from_slice(value));
}

fn read_byte_values(
    rest: &mut Reader<'_>,
    data_type: &DataType,
    len: usize,
    nulls: Option<&NullBuffer>,
) -> Option<ArrayRef> {
    let lengths = read_lengths(rest, len)?;
    let mut values = Vec::with_capacity(len);
    for (row, length) in lengths.into_iter().enumerate() {
        let bytes = rest.take(length)?;
        values.push(nulls.is_none_or(|nulls| nulls.is_valid(row)).then_some(bytes));
    }
    let is_text = matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    if !is_text {
        return Some(match data_type {
            DataType::Binary => Arc::new(BinaryArray::from_iter(values)),
            DataType::LargeBinary => Arc::new(LargeBinaryArray::from_iter(values)),
            DataType::BinaryView => Arc::new(BinaryViewArray::from_iter(values)),
            _ => return None,
        });
    }
    let text = |value: Option<&'_ [u8]>| match value {
        None => Some(None),
        Some(bytes) => std::str::from_utf8(bytes).ok().map(|text| Some(text.to_owned())),
    };
    let texts: Vec<Option<String>> = values.into_iter().map(text).collect::<Option<_>>()?;
    Some(match data_type {
        DataType::Utf8 => Arc::new(StringArray::from_iter(texts)),
        DataType::LargeUtf8 => Arc::new(LargeStringArray::from_iter(texts)),
        _ => Arc::new(StringViewArray::from_iter(texts)),
    })
}

/// Each takes a byte at least, so there cannot be more of them than bytes.
fn read_lengths(rest: &mut Reader<'_>, len: usize) -> Option<Vec<usize>> {
    if len > rest.0.len() {
        return None;
    }
    (0..len).map(|_| rest.small()).collect()
}

fn put_list<O: OffsetSizeTrait>(packed: &mut Vec<u8>, list: &GenericListArray<O>) -> Result<()> {
    put_items(packed, list.offsets(), list.values())
}

/// How many items each list has, then the items.
fn put_items<O: OffsetSizeTrait>(
    packed: &mut Vec<u8>,
    offsets: &OffsetBuffer<O>,
    items: &dyn Array,
) -> Result<()> {
    offsets.lengths().for_each(|length| put_number(packed, length as u128));
    let (first, last) = (offsets[0].as_usize(), offsets[offsets.len() - 1].as_usize());
    put_array(packed, &items.slice(first, last - first))
}

fn read_items<O: OffsetSizeTrait>(
    rest: &mut Reader<'_>,
    item: &DataType,
    len: usize,
) -> Option<(OffsetBuffer<O>, ArrayRef)> {
    let lengths = read_lengths(rest, len)?;
    let total = lengths.iter().try_fold(0, |total: usize, length| total.checked_add(*length))?;
    O::from_usize(total)?;
    let items = read_array(rest, item, total)?;
    Some((OffsetBuffer::from_lengths(lengths), items))
}

fn read_list<O: OffsetSizeTrait>(
    rest: &mut Reader<'_>,
    item: &FieldRef,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    let (offsets, items) = read_items::<O>(rest, item.data_type(), len)?;
    Some(Arc::new(GenericListArray::try_new(Arc::clone(item), offsets, items, nulls).ok()?))
}

fn read_struct(
    rest: &mut Reader<'_>,
    fields: &Fields,
    len: usize,
    nulls: Option<NullBuffer>,
) -> Option<ArrayRef> {
    let columns = fields.iter().map(|field| read_array(rest, field.data_type(), len));
    let columns = columns.collect::<Option<Vec<_>>>()?;
    Some(Arc::new(StructArray::try_new_with_length(fields.clone(), columns, nulls, len).ok()?))
}

/// The NULLs of a dictionary are those of its keys.
fn read_dictionary(
    rest: &mut Reader<'_>,
    keys: &DataType,
    values: &DataType,
    len: usize,
) -> Option<ArrayRef> {
    let keys = read_array(rest, keys, len)?;
    let count = rest.small()?;
    let values = read_array(rest, values, count)?;
    macro_rules! dictionary {
        ($($key:ident = $type:ident),+) => {
            match keys.data_type() {
                $(DataType::$key => {
                    let keys = keys.as_primitive_opt::<$type>()?.clone();
                    Some(Arc::new(DictionaryArray::try_new(keys, values).ok()?))
                })+
                _ => None,
            }
        };
    }
    dictionary!(
        Int8 = Int8Type,
        Int16 = Int16Type,
        Int32 = Int32Type,
        Int64 = Int64Type,
        UInt8 = UInt8Type,
        UInt16 = UInt16Type,
        UInt32 = UInt32Type,
        UInt64 = UInt64Type
    )
}

fn put_union(packed: &mut Vec<u8>, union: &UnionArray, fields: &UnionFields) -> Result<()> {
    packed.extend(union.type_ids().iter().map(|id| *id as u8));
    if let Some(offsets) = union.offsets() {
        offsets.iter().for_each(|offset| packed.extend(offset.to_le_bytes()));
    }
    for (id, _) in fields.iter() {
        let child = union.child(id);
        put_number(packed, child.len() as u128);
        put_array(packed, child)?;
    }
    Ok(())
}

fn read_union(rest: &mut Reader<'_>, fields: &UnionFields, mode: UnionMode, len: usize) -> Option<ArrayRef> {
    let ids = ScalarBuffer::<i8>::from(Buffer::from(rest.take(len)?));
    let offsets = match mode {
        UnionMode::Sparse => None,
        UnionMode::Dense => {
            Some(ScalarBuffer::<i32>::from(Buffer::from(rest.take(len.checked_mul(size_of::<i32>())?)?)))
        }
    };
    let mut children = Vec::with_capacity(fields.len());
    for (_, field) in fields.iter() {
        let count = rest.small()?;
        children.push(read_array(rest, field.data_type(), count)?);
    }
    Some(Arc::new(UnionArray::try_new(fields.clone(), ids, offsets, children).ok()?))
}
