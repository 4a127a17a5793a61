//! Arrow to guest: everything of a call is written behind one another into one allocation.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::{BooleanBuffer, OffsetBuffer};
use arrow::datatypes::{DataType, Decimal32Type, Decimal128Type};
use nyala_guest_abi::{BATCH_BYTES, COLUMN_BYTES, Column, Kind};
use nyala_schema::{Error, Result};

use super::{kind, text};

/// The widest value, so the strictest alignment.
const ALIGNMENT: usize = 16;
/// What aligning a buffer may cost, and what copies may write beyond a buffer's end.
const SLACK: usize = 2 * ALIGNMENT;

/// An upper bound of what [`Writer`] needs for a batch of these columns.
///
/// # Errors
/// Unsupported for types that no guest can be handed.
pub(crate) fn size_bytes(columns: &[ArrayRef]) -> Result<usize> {
    let columns = columns.iter().map(column_bytes).sum::<Result<usize>>()?;
    Ok(BATCH_BYTES as usize + SLACK + columns)
}

fn column_bytes(array: &ArrayRef) -> Result<usize> {
    let rows = array.len();
    let bitmap = rows / 8 + 1 + SLACK;
    let offsets = (rows + 1) * 4 + SLACK;
    let kind = kind(array.data_type())?;
    let values = match kind {
        Kind::Boolean => bitmap,
        Kind::Text | Kind::Binary => offsets + text::bytes(array) + SLACK,
        Kind::List => {
            let list = array.as_list::<i32>();
            offsets + column_bytes(&list_elements(list.offsets(), list.values()))?
        }
        Kind::Struct => array.as_struct().columns().iter().map(column_bytes).sum::<Result<usize>>()? + SLACK,
        Kind::Int8
        | Kind::Int16
        | Kind::Int32
        | Kind::Int64
        | Kind::UInt32
        | Kind::Float32
        | Kind::Float64
        | Kind::Int128
        | Kind::Interval => rows * kind.width() + SLACK,
    };
    Ok(COLUMN_BYTES as usize + bitmap + values)
}

fn list_elements(offsets: &OffsetBuffer<i32>, values: &ArrayRef) -> ArrayRef {
    let (first, last) = (offsets[0] as usize, offsets[offsets.len() - 1] as usize);
    values.slice(first, last - first)
}

/// Fills a piece of guest memory.
pub(crate) struct Writer<'a> {
    memory: &'a mut [u8],
    /// Address of `memory[0]` in the guest.
    base: u32,
    used: usize,
}

impl<'a> Writer<'a> {
    /// `memory` begins at the guest's address `base`.
    pub(crate) fn new(memory: &'a mut [u8], base: u32) -> Self {
        Self { memory, base, used: 0 }
    }

    /// Room for `bytes`, aligned for every value; its place.
    fn take(&mut self, bytes: usize) -> Result<usize> {
        let misaligned = (self.base as usize + self.used) % ALIGNMENT;
        let start = self.used + (ALIGNMENT - misaligned) % ALIGNMENT;
        let end = start + bytes;
        if end > self.memory.len() {
            return Err(Error::internal(
                "arguments of a function in a module need more room than was asked for",
            ));
        }
        self.used = end;
        Ok(start)
    }

    fn address(&self, place: usize) -> u32 {
        self.base + place as u32
    }

    /// Copies `bytes` and gives their address.
    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<u32> {
        let place = self.take(bytes.len())?;
        self.memory[place..place + bytes.len()].copy_from_slice(bytes);
        Ok(self.address(place))
    }

    pub(crate) fn words(&mut self, words: impl ExactSizeIterator<Item = u32>) -> Result<u32> {
        let place = self.take(words.len() * 4)?;
        for (slot, word) in self.memory[place..].chunks_exact_mut(4).zip(words) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        Ok(self.address(place))
    }

    /// A batch; its address.
    pub(crate) fn batch(&mut self, columns: &[ArrayRef], rows: usize) -> Result<u32> {
        let first = self.columns(columns)?;
        self.words([first, columns.len() as u32, rows as u32].into_iter())
    }

    fn columns(&mut self, columns: &[ArrayRef]) -> Result<u32> {
        let place = self.take(columns.len() * COLUMN_BYTES as usize)?;
        for (index, array) in columns.iter().enumerate() {
            let column = self.column(array)?;
            let place = place + index * COLUMN_BYTES as usize;
            for (slot, field) in self.memory[place..].chunks_exact_mut(4).zip(fields(&column)) {
                slot.copy_from_slice(&field.to_le_bytes());
            }
        }
        Ok(self.address(place))
    }

    fn column(&mut self, array: &ArrayRef) -> Result<Column> {
        let rows = array.len();
        let kind = kind(array.data_type())?;
        let mut column = Column { kind: kind as u32, rows: rows as u32, ..Column::default() };
        if let Some(nulls) = array.nulls().filter(|nulls| nulls.null_count() > 0) {
            column.validity = self.bitmap(nulls.inner())?;
        }
        match kind {
            Kind::Boolean => {
                column.values = self.bitmap(array.as_boolean().values())?;
                column.values_len = rows.div_ceil(8) as u32;
            }
            Kind::Text | Kind::Binary => self.text(array, &mut column)?,
            Kind::List => {
                let list = array.as_list::<i32>();
                let first = list.offsets()[0];
                column.offsets = self.words(list.offsets().iter().map(|offset| (offset - first) as u32))?;
                column.children = self.columns(&[list_elements(list.offsets(), list.values())])?;
                column.child_count = 1;
            }
            Kind::Struct => {
                let children = array.as_struct().columns();
                column.children = self.columns(children)?;
                column.child_count = children.len() as u32;
            }
            Kind::Int8
            | Kind::Int16
            | Kind::Int32
            | Kind::Int64
            | Kind::UInt32
            | Kind::Float32
            | Kind::Float64
            | Kind::Int128
            | Kind::Interval => {
                column.values = self.values(array, kind.width())?;
                column.values_len = (rows * kind.width()) as u32;
            }
        }
        Ok(column)
    }

    fn bitmap(&mut self, bits: &BooleanBuffer) -> Result<u32> {
        let bytes = bits.sliced();
        self.bytes(&bytes[..bits.len().div_ceil(8)])
    }

    /// Values of one width. Decimals that Arrow holds in another width than guests see are converted.
    fn values(&mut self, array: &ArrayRef, width: usize) -> Result<u32> {
        match array.data_type() {
            DataType::Decimal128(..) if width == 8 => {
                let values = array.as_primitive::<Decimal128Type>().values();
                self.int64(values.iter().map(|value| *value as i64))
            }
            DataType::Decimal32(..) => {
                let values = array.as_primitive::<Decimal32Type>().values();
                self.int64(values.iter().map(|value| i64::from(*value)))
            }
            _ => {
                let data = array.to_data();
                let start = data.offset() * width;
                self.bytes(&data.buffers()[0][start..start + array.len() * width])
            }
        }
    }

    fn int64(&mut self, values: impl ExactSizeIterator<Item = i64>) -> Result<u32> {
        let place = self.take(values.len() * 8)?;
        for (slot, value) in self.memory[place..].chunks_exact_mut(8).zip(values) {
            slot.copy_from_slice(&value.to_le_bytes());
        }
        Ok(self.address(place))
    }

    fn text(&mut self, array: &ArrayRef, column: &mut Column) -> Result<()> {
        let offsets_bytes = (array.len() + 1) * 4;
        let offsets = self.take(offsets_bytes)?;
        // How long the values are together is known only when they are written.
        let values = self.take(0)?;
        let (before, after) = self.memory.split_at_mut(values);
        let written = text::gather(array, &mut before[offsets..offsets + offsets_bytes], after);
        self.take(written + text::OVERRUN)?;
        column.offsets = self.address(offsets);
        column.values = self.address(values);
        column.values_len = written as u32;
        Ok(())
    }
}

fn fields(column: &Column) -> [u32; 8] {
    [
        column.kind,
        column.rows,
        column.validity,
        column.values,
        column.offsets,
        column.values_len,
        column.children,
        column.child_count,
    ]
}
