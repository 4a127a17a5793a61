//! Takes a batch apart.
//!
//! Head: version, rows, columns; then each column: 0, or 1 and the kind of the keys of a dictionary; then its array. An array is
//! its kind, for decimals precision and scale, whether there are NULLs; then the lengths of its buffers, beginning with the
//! bitmap of what is not NULL, and its children with their lengths. Buffers lie in the body in the same order.

use arrow::array::types::{ByteViewType, StringViewType};
use arrow::array::{
    Array, ArrayRef, AsArray, GenericByteViewArray, GenericListArray, OffsetSizeTrait, RecordBatch,
};
use arrow::buffer::{BooleanBuffer, Buffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::datatypes::{ArrowNativeType, BinaryViewType, ByteArrayType, DataType};
use nyala_schema::{Error, Result};

use super::kind::{detail, fixed_width, kind};
use super::number::put_number;
use super::{BUFFER_ALIGNMENT, Body, Frame};

pub(super) const VERSION: u8 = 1;
pub(super) const PLAIN: u8 = 0;
pub(super) const DICTIONARY: u8 = 1;

/// Shorter buffers are copied together, so that fewer pieces are written to the socket.
const SMALL_BYTES: usize = 2048;

/// Of the data buffers of a column, more than this part unused: they are compacted.
const UNUSED_PART_MAX: usize = 8;

/// More data buffers of one column are made one.
const VIEW_BUFFERS_MAX: usize = 32;

pub(super) fn frame(batch: &RecordBatch) -> Result<Frame> {
    let mut writer = Writer::default();
    writer.head.push(VERSION);
    put_number(&mut writer.head, batch.num_rows() as u64);
    put_number(&mut writer.head, batch.num_columns() as u64);
    batch.columns().iter().try_for_each(|column| writer.column(column))?;
    Ok(writer.frame(batch.num_rows() as u64))
}

#[derive(Default)]
struct Writer {
    head: Vec<u8>,
    parts: Vec<Buffer>,
    /// Small buffers that are to become a part.
    small: Vec<u8>,
    /// Of all before `small`, ending where a buffer may begin if `small` is not empty.
    bytes: usize,
}

impl Writer {
    fn frame(mut self, rows: u64) -> Frame {
        self.finish_small();
        let (parts, bytes) = (self.parts.into(), self.bytes as u64);
        Frame { rows, head: self.head.into(), body: Body::Parts { parts, bytes } }
    }

    fn finish_small(&mut self) {
        if !self.small.is_empty() {
            self.bytes = self.bytes.next_multiple_of(BUFFER_ALIGNMENT) + self.small.len();
            self.parts.push(Buffer::from_vec(std::mem::take(&mut self.small)));
        }
    }

    fn buffer(&mut self, buffer: Buffer) {
        put_number(&mut self.head, buffer.len() as u64);
        if buffer.is_empty() {
            return;
        }
        if buffer.len() < SMALL_BYTES {
            self.small.resize(self.small.len().next_multiple_of(BUFFER_ALIGNMENT), 0);
            self.small.extend_from_slice(&buffer);
            return;
        }
        self.finish_small();
        self.bytes = self.bytes.next_multiple_of(BUFFER_ALIGNMENT) + buffer.len();
        self.parts.push(buffer);
    }

    fn column(&mut self, column: &ArrayRef) -> Result<()> {
        let Some(dictionary) = column.as_any_dictionary_opt() else {
            self.head.push(PLAIN);
            return self.array(column);
        };
        if dictionary.values().len() > dictionary.len() {
            self.head.push(PLAIN);
            return self.array(&take(dictionary.values(), dictionary.keys(), None)?);
        }
        self.head.extend([DICTIONARY, kind(dictionary.keys().data_type())?]);
        self.array(column)
    }

    fn array(&mut self, array: &dyn Array) -> Result<()> {
        let data_type = array.data_type();
        self.head.push(kind(data_type)?);
        self.head.extend(detail(data_type).into_iter().flatten());
        match array.nulls().filter(|nulls| nulls.null_count() > 0) {
            None => self.head.push(0),
            Some(nulls) => {
                self.head.push(1);
                self.bits(nulls.inner());
            }
        }
        match data_type {
            DataType::Null => {}
            DataType::Boolean => self.bits(array.as_boolean().values()),
            DataType::Utf8 => self.bytes::<arrow::datatypes::Utf8Type>(array),
            DataType::LargeUtf8 => self.bytes::<arrow::datatypes::LargeUtf8Type>(array),
            DataType::Binary => self.bytes::<arrow::datatypes::BinaryType>(array),
            DataType::LargeBinary => self.bytes::<arrow::datatypes::LargeBinaryType>(array),
            DataType::Utf8View => self.views::<StringViewType>(array.as_byte_view()),
            DataType::BinaryView => self.views::<BinaryViewType>(array.as_byte_view()),
            DataType::List(_) => self.list(array.as_list::<i32>())?,
            DataType::LargeList(_) => self.list(array.as_list::<i64>())?,
            DataType::Map(..) => {
                let map = array.as_map();
                let (first, count) = self.offsets(map.offsets());
                self.child(&map.entries().slice(first, count))?;
            }
            DataType::FixedSizeList(_, size) => {
                let list = array.as_fixed_size_list();
                let size = *size as usize;
                self.child(&list.values().slice(list.value_offset(0) as usize, list.len() * size))?;
            }
            DataType::Struct(_) => {
                array.as_struct().columns().iter().try_for_each(|column| self.array(column))?;
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                self.fixed(dictionary.keys())?;
                self.child(dictionary.values())?;
            }
            _ => self.fixed(array)?,
        }
        Ok(())
    }

    fn bits(&mut self, bits: &BooleanBuffer) {
        self.buffer(bits.sliced().slice_with_length(0, bits.len().div_ceil(8)));
    }

    fn fixed(&mut self, array: &dyn Array) -> Result<()> {
        let Some(width) = fixed_width(array.data_type()) else {
            return Err(Error::internal(format!("{} has no fixed width", array.data_type())));
        };
        let data = array.to_data();
        self.buffer(data.buffers()[0].slice_with_length(data.offset() * width, data.len() * width));
        Ok(())
    }

    fn bytes<T: ByteArrayType>(&mut self, array: &dyn Array) {
        let array = array.as_bytes::<T>();
        let (first, count) = self.offsets(array.offsets());
        self.buffer(array.values().slice_with_length(first, count));
    }

    /// Rebased to begin with 0. Gives the first and the number of what they point at.
    fn offsets<O: OffsetSizeTrait>(&mut self, offsets: &OffsetBuffer<O>) -> (usize, usize) {
        let (first, last) = (offsets[0], offsets[offsets.len() - 1]);
        if first.is_zero() {
            self.buffer(exact(offsets.inner()));
        } else {
            let rebased: Vec<O> = offsets.iter().map(|offset| *offset - first).collect();
            self.buffer(ScalarBuffer::from(rebased).into_inner());
        }
        (first.as_usize(), last.as_usize() - first.as_usize())
    }

    fn list<O: OffsetSizeTrait>(&mut self, list: &GenericListArray<O>) -> Result<()> {
        let (first, count) = self.offsets(list.offsets());
        self.child(&list.values().slice(first, count))
    }

    fn child(&mut self, child: &dyn Array) -> Result<()> {
        put_number(&mut self.head, child.len() as u64);
        self.array(child)
    }

    fn views<T: ByteViewType + ?Sized>(&mut self, array: &GenericByteViewArray<T>) {
        let total: usize = array.data_buffers().iter().map(Buffer::len).sum();
        // To copy what is used is cheaper than to send what is not.
        let unused = total.saturating_sub(array.total_buffer_bytes_used());
        let array = match array.data_buffers().len() > VIEW_BUFFERS_MAX || unused > total / UNUSED_PART_MAX {
            true => array.gc(),
            false => array.clone(),
        };
        self.buffer(clean_views(&array));
        put_number(&mut self.head, array.data_buffers().len() as u64);
        array.data_buffers().iter().for_each(|buffer| self.buffer(buffer.clone()));
    }
}

/// Without what may lie behind its values.
fn exact<T: ArrowNativeType>(values: &ScalarBuffer<T>) -> Buffer {
    values.inner().slice_with_length(0, size_of_val::<[T]>(values))
}

/// Views of NULLs may be anything here, but not for who checks them.
fn clean_views<T: ByteViewType + ?Sized>(array: &GenericByteViewArray<T>) -> Buffer {
    let views = array.views();
    let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) else {
        return exact(views);
    };
    let mut null_views = views.iter().zip(nulls.iter()).filter(|(_, is_valid)| !is_valid);
    if null_views.all(|(view, _)| *view == 0) {
        return exact(views);
    }
    let clean = views.iter().zip(nulls.iter()).map(|(view, is_valid)| if is_valid { *view } else { 0 });
    Buffer::from_vec(clean.collect::<Vec<u128>>())
}
