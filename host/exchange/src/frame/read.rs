//! Puts a batch together, of bytes that may be anything.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayData, ArrayRef, FixedSizeBinaryArray, FixedSizeListArray, RecordBatch, RecordBatchOptions,
    make_array,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::Result;

use super::kind::{detail, fixed_width, key_type, kind};
use super::number::{take_byte, take_number};
use super::write::{DICTIONARY, PLAIN, VERSION};
use super::{BUFFER_ALIGNMENT, Body, FRAME_ROWS_MAX, Frame, compress, damaged};
use crate::hub::with_types;

/// The most values of an array in a column; those of some types take no bytes.
const VALUES_MAX: usize = i32::MAX as usize;

pub(super) fn batch(frame: &Frame, schema: &SchemaRef) -> Result<RecordBatch> {
    let body = match &frame.body {
        Body::Parts { .. } => frame.body.to_buffer(),
        Body::Whole(buffer) => buffer.clone(),
        Body::Compressed { buffer, bytes } => compress::decompressed(buffer, *bytes)?,
    };
    let mut reader = Reader { head: &frame.head, body, position: 0 };
    let version = reader.byte()?;
    if version != VERSION {
        return Err(damaged(format_args!("version {version} of batches is not known")));
    }
    let rows = reader.number()?;
    if rows != frame.rows || rows > FRAME_ROWS_MAX {
        return Err(damaged(format_args!("{rows} rows, announced as {}", frame.rows)));
    }
    let columns = reader.number()?;
    if columns != schema.fields().len() as u64 {
        return Err(damaged(format_args!("{columns} columns, not {}", schema.fields().len())));
    }
    let column = |field: &arrow::datatypes::FieldRef| reader.column(field.data_type(), rows as usize);
    let columns: Vec<ArrayRef> = schema.fields().iter().map(column).collect::<Result<_>>()?;
    if !reader.head.is_empty() {
        return Err(damaged("more than its columns"));
    }
    let has_types =
        columns.iter().zip(schema.fields()).all(|(column, field)| column.data_type() == field.data_type());
    let schema = match has_types {
        true => Arc::clone(schema),
        false => with_types(schema, columns.iter().map(|column| column.data_type())),
    };
    let options = RecordBatchOptions::new().with_row_count(Some(rows as usize));
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(damaged)
}

struct Reader<'a> {
    head: &'a [u8],
    body: Buffer,
    /// Where the last buffer ended.
    position: usize,
}

impl Reader<'_> {
    fn byte(&mut self) -> Result<u8> {
        take_byte(&mut self.head).ok_or_else(|| damaged("its head ends early"))
    }

    fn number(&mut self) -> Result<u64> {
        take_number(&mut self.head).ok_or_else(|| damaged("its head ends early, or has what is no number"))
    }

    fn length(&mut self) -> Result<usize> {
        let length = self.number()?;
        let length = usize::try_from(length).ok().filter(|length| *length <= VALUES_MAX);
        length.ok_or_else(|| damaged("an array is too long"))
    }

    fn buffer(&mut self) -> Result<Buffer> {
        let length = self.length()?;
        if length == 0 {
            return Ok(Buffer::default());
        }
        let start = self.position.next_multiple_of(BUFFER_ALIGNMENT);
        let end = start + length;
        if end > self.body.len() {
            return Err(damaged(format_args!("a buffer ends at {end} of {} bytes", self.body.len())));
        }
        self.position = end;
        Ok(self.body.slice_with_length(start, length))
    }

    /// A buffer that has so many bytes.
    fn buffer_of(&mut self, bytes: Option<usize>) -> Result<Buffer> {
        let buffer = self.buffer()?;
        match bytes {
            Some(bytes) if buffer.len() == bytes => Ok(buffer),
            _ => Err(damaged("a buffer is too short or too long")),
        }
    }

    /// A column of a type, or a dictionary of it.
    fn column(&mut self, wanted: &DataType, rows: usize) -> Result<ArrayRef> {
        let values = match wanted {
            DataType::Dictionary(_, values) => values.as_ref(),
            other => other,
        };
        let data_type = match self.byte()? {
            PLAIN => Cow::Borrowed(values),
            DICTIONARY => {
                let keys =
                    key_type(self.byte()?).ok_or_else(|| damaged("keys of a dictionary are no integers"))?;
                Cow::Owned(DataType::Dictionary(Box::new(keys), Box::new(values.clone())))
            }
            other => return Err(damaged(format_args!("{other} is no encoding of a column"))),
        };
        let array = self.array(&data_type, rows)?;
        match wanted {
            DataType::Dictionary(..) if array.data_type() != wanted => cast(&array, wanted).map_err(damaged),
            _ => Ok(array),
        }
    }

    fn array(&mut self, data_type: &DataType, length: usize) -> Result<ArrayRef> {
        Ok(match self.data(data_type, length)? {
            Whole::Data(data) => make_array(data),
            Whole::Array(array) => array,
        })
    }

    fn nulls(&mut self, length: usize) -> Result<Option<NullBuffer>> {
        match self.byte()? {
            0 => Ok(None),
            1 => {
                let bits = self.buffer_of(Some(length.div_ceil(8)))?;
                Ok(Some(NullBuffer::new(BooleanBuffer::new(bits, 0, length))))
            }
            other => Err(damaged(format_args!("{other} does not say whether there are NULLs"))),
        }
    }

    fn child(&mut self, data_type: &DataType) -> Result<ArrayData> {
        let length = self.length()?;
        Ok(self.array(data_type, length)?.to_data())
    }

    fn data(&mut self, data_type: &DataType, length: usize) -> Result<Whole> {
        let expected = kind(data_type)?;
        let found = self.byte()?;
        if found != expected {
            return Err(damaged(format_args!("type number {found} where {data_type} is expected")));
        }
        if let Some(detail) = detail(data_type)
            && detail != [self.byte()?, self.byte()?]
        {
            return Err(damaged(format_args!("a decimal that is not {data_type}")));
        }
        let nulls = self.nulls(length)?;
        let mut data =
            ArrayData::builder(data_type.clone()).len(length).nulls(nulls.clone()).align_buffers(true);
        match data_type {
            DataType::Null if nulls.is_some() => return Err(damaged("a column of NULLs with a bitmap")),
            DataType::Null => {}
            DataType::Boolean => data = data.add_buffer(self.buffer_of(Some(length.div_ceil(8)))?),
            DataType::Utf8 | DataType::Binary => data = data.buffers(self.offsets_and_bytes::<i32>(length)?),
            DataType::LargeUtf8 | DataType::LargeBinary => {
                data = data.buffers(self.offsets_and_bytes::<i64>(length)?)
            }
            DataType::Utf8View | DataType::BinaryView => data = data.buffers(self.views(length)?),
            DataType::List(item) | DataType::Map(item, _) => {
                data = data
                    .add_buffer(self.offsets::<i32>(length)?)
                    .add_child_data(self.child(item.data_type())?);
            }
            DataType::LargeList(item) => {
                data = data
                    .add_buffer(self.offsets::<i64>(length)?)
                    .add_child_data(self.child(item.data_type())?);
            }
            DataType::FixedSizeList(item, size) => {
                let values = make_array(self.child(item.data_type())?);
                let list =
                    FixedSizeListArray::try_new_with_length(Arc::clone(item), *size, values, nulls, length);
                return Ok(Whole::Array(Arc::new(list.map_err(damaged)?)));
            }
            DataType::Struct(fields) => {
                for field in fields {
                    data = data.add_child_data(self.array(field.data_type(), length)?.to_data());
                }
            }
            DataType::Dictionary(keys, values) => {
                let bytes = keys.primitive_width().and_then(|width| length.checked_mul(width));
                data = data.add_buffer(self.buffer_of(bytes)?).add_child_data(self.child(values)?);
            }
            DataType::FixedSizeBinary(width) => {
                let bytes = fixed_width(data_type).and_then(|width| length.checked_mul(width));
                let values = self.buffer_of(bytes)?;
                let array = FixedSizeBinaryArray::try_new_with_len(*width, values, nulls, length);
                return Ok(Whole::Array(Arc::new(array.map_err(damaged)?)));
            }
            _ => {
                let bytes = fixed_width(data_type).and_then(|width| length.checked_mul(width));
                data = data.add_buffer(self.buffer_of(bytes)?);
            }
        }
        data.build().map(Whole::Data).map_err(damaged)
    }

    fn offsets<O>(&mut self, length: usize) -> Result<Buffer> {
        self.buffer_of(length.checked_add(1).and_then(|count| count.checked_mul(size_of::<O>())))
    }

    fn offsets_and_bytes<O>(&mut self, length: usize) -> Result<Vec<Buffer>> {
        Ok(vec![self.offsets::<O>(length)?, self.buffer()?])
    }

    /// The views, and what they point into.
    fn views(&mut self, length: usize) -> Result<Vec<Buffer>> {
        let views = self.buffer_of(length.checked_mul(size_of::<u128>()))?;
        let count = self.length()?;
        // Each takes a byte of the head at least.
        if count > self.head.len() {
            return Err(damaged("a column has more buffers than it says"));
        }
        let mut buffers = Vec::with_capacity(count + 1);
        buffers.push(views);
        for _ in 0..count {
            buffers.push(self.buffer()?);
        }
        Ok(buffers)
    }
}

/// An array, or what it is made of.
enum Whole {
    Data(ArrayData),
    Array(ArrayRef),
}
