//! What a column reader asks of the decoders of values, and which decoder a column gets.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{self as types, DataType, TimeUnit};
use parquet::basic::Type as Stored;

use super::boolean::BooleanValues;
use super::damage::Checked;
use super::fixed::{Bytes4, Bytes8, DecimalBytes, FixedValues, Float4, Float8};
use super::text::TextValues;

/// How the values of a data page are stored, of the encodings that we decode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ValueEncoding {
    Plain,
    Dictionary,
    /// Booleans only.
    Rle,
}

/// Decodes the values of one column chunk into batches. Only rows that are not NULL have a value.
pub trait Values: Send {
    /// The dictionary page, before any data page.
    fn dictionary(&mut self, bytes: Buffer, entries: usize) -> Checked<()>;

    /// Starts a data page of `values` values.
    fn page(&mut self, bytes: Buffer, encoding: ValueEncoding, values: usize) -> Checked<()>;

    /// Lets go of the page's bytes so that they can be used again.
    fn end_page(&mut self);

    /// Starts a batch of at most `rows` rows.
    fn begin(&mut self, rows: usize);

    /// Passes over `count` values of the page.
    fn skip(&mut self, count: usize) -> Checked<()>;

    /// Adds the next `count` values of the page to the batch.
    fn append(&mut self, count: usize) -> Checked<()>;

    /// Adds `count` rows without a value.
    fn append_nulls(&mut self, count: usize);

    /// Of the next `count` values adds those whose number, plus `base`, is in `selection`.
    fn append_selected(&mut self, count: usize, selection: &[u32], base: usize) -> Checked<()> {
        let from = self.len();
        self.append(count)?;
        self.compact(from, selection, base);
        Ok(())
    }

    /// Of the rows from `from` on keeps those whose number, counted from there, plus `base` is in `selection`.
    fn compact(&mut self, from: usize, selection: &[u32], base: usize);

    /// Rows of the batch so far.
    fn len(&self) -> usize;

    /// Ends the batch.
    fn finish(&mut self, nulls: Option<NullBuffer>) -> Checked<ArrayRef>;
}

/// Moves the selected of `values[from..]` together.
pub fn compact<T: Copy>(values: &mut Vec<T>, from: usize, selection: &[u32], base: usize) {
    for (slot, row) in selection.iter().enumerate() {
        values[from + slot] = values[from + *row as usize - base];
    }
    values.truncate(from + selection.len());
}

/// The decoder from a stored type to a physical type; `None` when only the `parquet` crate can do it.
pub fn decoder(stored: Stored, stored_bytes: i32, target: &DataType) -> Option<Box<dyn Values>> {
    macro_rules! fixed {
        ($array:ty, $raw:expr) => {
            Some(Box::new(FixedValues::<$array, _>::new($raw, target.clone())))
        };
    }
    let flba = usize::try_from(stored_bytes).ok().filter(|bytes| (1..=16).contains(bytes));
    match (stored, target) {
        (Stored::BOOLEAN, DataType::Boolean) => Some(Box::new(BooleanValues::default())),
        (Stored::INT32, DataType::Int8) => fixed!(types::Int8Type, Bytes4::new(|v| v as i8)),
        (Stored::INT32, DataType::Int16) => fixed!(types::Int16Type, Bytes4::new(|v| v as i16)),
        (Stored::INT32, DataType::Int32) => fixed!(types::Int32Type, Bytes4::new(|v| v)),
        (Stored::INT32, DataType::UInt8) => fixed!(types::UInt8Type, Bytes4::new(|v| v as u8)),
        (Stored::INT32, DataType::UInt16) => fixed!(types::UInt16Type, Bytes4::new(|v| v as u16)),
        (Stored::INT32, DataType::UInt32) => fixed!(types::UInt32Type, Bytes4::new(|v| v as u32)),
        (Stored::INT32, DataType::Date32) => fixed!(types::Date32Type, Bytes4::new(|v| v)),
        (Stored::INT32, DataType::Time32(TimeUnit::Millisecond)) => {
            fixed!(types::Time32MillisecondType, Bytes4::new(|v| v))
        }
        (Stored::INT32, DataType::Decimal64(..)) => {
            fixed!(types::Decimal64Type, Bytes4::new(i64::from))
        }
        (Stored::INT64, DataType::Int64) => fixed!(types::Int64Type, Bytes8::new(|v| v)),
        (Stored::INT64, DataType::UInt64) => fixed!(types::UInt64Type, Bytes8::new(|v| v as u64)),
        (Stored::INT64, DataType::Decimal64(..)) => fixed!(types::Decimal64Type, Bytes8::new(|v| v)),
        (Stored::INT64, DataType::Time64(TimeUnit::Microsecond)) => {
            fixed!(types::Time64MicrosecondType, Bytes8::new(|v| v))
        }
        (Stored::INT64, DataType::Time64(TimeUnit::Nanosecond)) => {
            fixed!(types::Time64NanosecondType, Bytes8::new(|v| v))
        }
        (Stored::INT64, DataType::Timestamp(unit, _)) => match unit {
            TimeUnit::Second => None,
            TimeUnit::Millisecond => fixed!(types::TimestampMillisecondType, Bytes8::new(|v| v)),
            TimeUnit::Microsecond => fixed!(types::TimestampMicrosecondType, Bytes8::new(|v| v)),
            TimeUnit::Nanosecond => fixed!(types::TimestampNanosecondType, Bytes8::new(|v| v)),
        },
        (Stored::FLOAT, DataType::Float32) => fixed!(types::Float32Type, Float4),
        (Stored::DOUBLE, DataType::Float64) => fixed!(types::Float64Type, Float8),
        (Stored::FIXED_LEN_BYTE_ARRAY, DataType::Decimal64(..)) => {
            fixed!(types::Decimal64Type, DecimalBytes::new(flba?, |v| v as i64))
        }
        (Stored::FIXED_LEN_BYTE_ARRAY, DataType::Decimal128(..)) => {
            fixed!(types::Decimal128Type, DecimalBytes::new(flba?, |v| v))
        }
        (Stored::BYTE_ARRAY, DataType::Utf8View) => Some(Box::new(TextValues::default())),
        _ => None,
    }
}

/// A column array, shared.
pub fn shared(array: impl arrow::array::Array + 'static) -> ArrayRef {
    Arc::new(array)
}
