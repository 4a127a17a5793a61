//! Arrow arrays as loops see them: pointers in, buffers out.

use arrow::array::{Array, ArrayData, ArrayRef, AsArray, BooleanArray, downcast_primitive_array, make_array};
use arrow::buffer::{BooleanBuffer, Buffer, MutableBuffer, NullBuffer};
use arrow::datatypes::{ArrowPrimitiveType, DataType};
use nyala_schema::{Error, Result};

use crate::frame::{ColumnSlot, OutputSlot};
use crate::lane::Lane;

/// Bitmap for columns without NULLs, for batches of up to eight times as many rows.
static ALL_VALID: [u8; 8192] = [0xff; 8192];

/// A column prepared for a loop; keeps alive what the slot points to.
pub struct Column<'a> {
    array: &'a ArrayRef,
    nulls: Option<NullBuffer>,
    /// For batches too long for `ALL_VALID`.
    all_valid: Vec<u8>,
}

impl<'a> Column<'a> {
    pub fn new(array: &'a ArrayRef) -> Self {
        let nulls = match array.data_type() {
            DataType::Dictionary(..) => array.logical_nulls(),
            _ => array.nulls().cloned(),
        };
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        let long = nulls.is_none() && array.len() > ALL_VALID.len() * 8;
        let all_valid = if long { vec![0xff; array.len().div_ceil(8)] } else { Vec::new() };
        Self { array, nulls, all_valid }
    }

    pub fn has_nulls(&self) -> bool {
        self.nulls.is_some()
    }

    /// Pointers that are good as long as `self` is. Columns without a lane have no values, only validity.
    pub fn slot(&self) -> Result<ColumnSlot> {
        let (values, bit_offset) = match Lane::of(self.array.data_type()) {
            None => (std::ptr::null(), 0),
            Some(Lane::Bool) => {
                let bits = booleans(self.array)?.values();
                (bits.values().as_ptr(), bits.offset() as u64)
            }
            Some(_) => (primitive_bytes(self.array)?.as_ptr(), 0),
        };
        let (validity, validity_offset) = match &self.nulls {
            Some(nulls) => (nulls.validity().as_ptr(), nulls.offset() as u64),
            None if self.all_valid.is_empty() => (ALL_VALID.as_ptr(), 0),
            None => (self.all_valid.as_ptr(), 0),
        };
        Ok(ColumnSlot { values, bit_offset, validity, validity_offset })
    }
}

pub fn booleans(array: &ArrayRef) -> Result<&BooleanArray> {
    array.as_boolean_opt().ok_or_else(|| Error::internal("a Boolean column is of another kind"))
}

/// The bytes of one value of a primitive array.
pub fn value_bytes(array: &ArrayRef, row: usize, lane: Lane) -> Result<&[u8]> {
    let width = lane.bytes();
    let bytes = primitive_bytes(array)?.get(row * width..(row + 1) * width);
    bytes.ok_or_else(|| Error::internal("a row lies outside its array"))
}

/// The values of a primitive array from its first row on, as bytes.
fn primitive_bytes(array: &ArrayRef) -> Result<&[u8]> {
    let array: &dyn Array = array.as_ref();
    downcast_primitive_array!(
        array => Ok(bytes_of(array)),
        other => Err(Error::internal(format!("a column of type {other} was handed to compiled code")))
    )
}

fn bytes_of<T: ArrowPrimitiveType>(array: &arrow::array::PrimitiveArray<T>) -> &[u8] {
    array.values().inner().as_slice()
}

/// An output column being written.
pub struct Output {
    lane: Lane,
    data_type: DataType,
    values: MutableBuffer,
    /// Empty when the loop writes none.
    validity: Vec<u8>,
}

impl Output {
    /// Room for `rows` rows.
    pub fn new(data_type: &DataType, flagged: bool, rows: usize) -> Result<Self> {
        let lane = Lane::of(data_type);
        let lane = lane.ok_or_else(|| Error::internal(format!("output of type {data_type}")))?;
        let values = MutableBuffer::with_capacity(rows * lane.bytes());
        let validity = Vec::with_capacity(if flagged { rows } else { 0 });
        Ok(Self { lane, data_type: data_type.clone(), values, validity })
    }

    pub fn slot(&mut self) -> OutputSlot {
        OutputSlot { values: self.values.as_mut_ptr(), validity: self.validity.as_mut_ptr() }
    }

    /// The first `rows` rows as an array.
    ///
    /// # Safety
    /// A loop has written `rows` values and, if the output was made `flagged`, as many validity bytes.
    pub unsafe fn finish(mut self, rows: usize, flagged: bool) -> Result<ArrayRef> {
        let bytes = rows * self.lane.bytes();
        assert!(bytes <= self.values.capacity(), "a loop wrote behind its output");
        // SAFETY: the caller says that this many bytes are initialised, and they fit.
        unsafe { self.values.set_len(bytes) };
        let nulls = if flagged {
            assert!(rows <= self.validity.capacity(), "a loop wrote behind its validity");
            // SAFETY: as above.
            unsafe { self.validity.set_len(rows) };
            let nulls = NullBuffer::new(BooleanBuffer::new(pack(&self.validity), 0, rows));
            Some(nulls).filter(|nulls| nulls.null_count() > 0)
        } else {
            None
        };
        if self.lane == Lane::Bool {
            let bits = BooleanBuffer::new(pack(self.values.as_slice()), 0, rows);
            return Ok(std::sync::Arc::new(BooleanArray::new(bits, nulls)));
        }
        if bytes * 2 < self.values.capacity() {
            self.values.shrink_to_fit();
        }
        let data = ArrayData::builder(self.data_type).len(rows).add_buffer(self.values.into()).nulls(nulls);
        Ok(make_array(data.build()?))
    }
}

/// Bytes of 0 or 1 as a bitmap.
fn pack(bytes: &[u8]) -> Buffer {
    // Multiplying gathers the lowest bits of eight bytes in the highest byte (Warren, Hacker's Delight, 7-4).
    const GATHER: u64 = 0x0102_0408_1020_4080;
    let mut packed = Vec::with_capacity(bytes.len().div_ceil(8));
    let mut chunks = bytes.chunks_exact(8);
    for chunk in &mut chunks {
        let word = u64::from_le_bytes(chunk.try_into().expect("chunks of eight"));
        packed.push((word.wrapping_mul(GATHER) >> 56) as u8);
    }
    let rest = chunks.remainder();
    if !rest.is_empty() {
        packed.push(rest.iter().rev().fold(0, |bits, byte| (bits << 1) | byte));
    }
    Buffer::from(packed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn packing_keeps_the_order() {
        let bytes: Vec<u8> = (0..29).map(|i| u8::from(i % 3 == 0 || i == 7)).collect();
        let packed = BooleanBuffer::new(pack(&bytes), 0, bytes.len());
        let expected: Vec<bool> = bytes.iter().map(|byte| *byte == 1).collect();
        assert_eq!(packed.iter().collect::<Vec<_>>(), expected);
    }
}
