//! Columns whose type is known only when the query runs.

use nyala_guest_abi as abi;
use nyala_guest_abi::Kind;

use crate::argument::{bytes, Argument};
use crate::builder::{Bits, Builder, Bytes, Fixed};
use crate::column::{bit, Column};
use crate::time::Interval;
use crate::value::{Cell, Value};

/// Collects the values of a column of any kind but LIST and STRUCT.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum AnyBuilder {
    Boolean(Bits),
    Int8(Fixed<i8>),
    Int16(Fixed<i16>),
    Int32(Fixed<i32>),
    Int64(Fixed<i64>),
    UInt32(Fixed<u32>),
    Float32(Fixed<f32>),
    Float64(Fixed<f64>),
    Int128(Fixed<i128>),
    Text(Bytes<true>),
    Binary(Bytes<false>),
    Interval(Fixed<Interval>),
}

macro_rules! with_builder {
    ($any:expr, $builder:ident => $body:expr) => {
        match $any {
            AnyBuilder::Boolean($builder) => $body,
            AnyBuilder::Int8($builder) => $body,
            AnyBuilder::Int16($builder) => $body,
            AnyBuilder::Int32($builder) => $body,
            AnyBuilder::Int64($builder) => $body,
            AnyBuilder::UInt32($builder) => $body,
            AnyBuilder::Float32($builder) => $body,
            AnyBuilder::Float64($builder) => $body,
            AnyBuilder::Int128($builder) => $body,
            AnyBuilder::Text($builder) => $body,
            AnyBuilder::Binary($builder) => $body,
            AnyBuilder::Interval($builder) => $body,
        }
    };
}

impl AnyBuilder {
    /// # Errors
    /// When values of this kind cannot be copied one by one.
    pub fn of(kind: Option<Kind>) -> Result<Self, String> {
        Ok(match kind {
            Some(Kind::Boolean) => Self::Boolean(Bits::default()),
            Some(Kind::Int8) => Self::Int8(Fixed::default()),
            Some(Kind::Int16) => Self::Int16(Fixed::default()),
            Some(Kind::Int32) => Self::Int32(Fixed::default()),
            Some(Kind::Int64) => Self::Int64(Fixed::default()),
            Some(Kind::UInt32) => Self::UInt32(Fixed::default()),
            Some(Kind::Float32) => Self::Float32(Fixed::default()),
            Some(Kind::Float64) => Self::Float64(Fixed::default()),
            Some(Kind::Int128) => Self::Int128(Fixed::default()),
            Some(Kind::Text) => Self::Text(Bytes::default()),
            Some(Kind::Binary) => Self::Binary(Bytes::default()),
            Some(Kind::Interval) => Self::Interval(Fixed::default()),
            Some(Kind::List | Kind::Struct) => return Err("lists and structs cannot be handed on".to_owned()),
            None => return Err("a column is of a kind that this SDK does not know".to_owned()),
        })
    }

    /// Adds a value.
    ///
    /// # Errors
    /// When it is of another kind than the column.
    pub fn push(&mut self, cell: &Cell<'_>) -> Result<(), String> {
        match (self, cell) {
            (any, Cell::Null) => any.push_null(),
            (Self::Boolean(out), Cell::Boolean(value)) => out.push(*value),
            (Self::Int8(out), Cell::Int8(value)) => out.push(*value),
            (Self::Int16(out), Cell::Int16(value)) => out.push(*value),
            (Self::Int32(out), Cell::Int32(value)) => out.push(*value),
            (Self::Int64(out), Cell::Int64(value)) => out.push(*value),
            (Self::UInt32(out), Cell::UInt32(value)) => out.push(*value),
            (Self::Float32(out), Cell::Float32(value)) => out.push(*value),
            (Self::Float64(out), Cell::Float64(value)) => out.push(*value),
            (Self::Int128(out), Cell::Int128(value)) => out.push(*value),
            (Self::Text(out), Cell::Text(value)) => value.as_ref().put(out),
            (Self::Binary(out), Cell::Binary(value)) => value.as_ref().put(out),
            (Self::Interval(out), Cell::Interval(value)) => out.push(*value),
            (_, other) => return Err(format!("{:?} is not of the kind of its column", other)),
        }
        Ok(())
    }

    /// Adds a NULL.
    pub fn push_null(&mut self) {
        with_builder!(self, builder => builder.push_null());
    }

    /// Forgets the values, keeps the memory.
    pub fn clear(&mut self) {
        with_builder!(self, builder => builder.clear());
    }

    /// How many values there are.
    pub fn rows(&self) -> usize {
        with_builder!(self, builder => builder.rows())
    }

    /// Says where `rows` values from row `from` are.
    pub fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        with_builder!(self, builder => builder.describe(from, rows))
    }
}

impl<'a> Column<'a> {
    /// The value of a row.
    ///
    /// # Errors
    /// When it is a LIST or STRUCT.
    ///
    /// # Panics
    /// When there is no such row.
    pub fn cell(&self, row: usize) -> Result<Cell<'a>, String> {
        assert!(row < self.rows(), "row {} of {}", row, self.rows());
        // SAFETY: the row was checked, here and below, and the kind is that of the values which are read.
        unsafe {
            if !self.validity.is_null() && !bit(self.validity, row) {
                return Ok(Cell::Null);
            }
            Ok(match self.kind() {
                Some(Kind::Boolean) => Cell::Boolean(bool::read(self, row)),
                Some(Kind::Int8) => Cell::Int8(i8::read(self, row)),
                Some(Kind::Int16) => Cell::Int16(i16::read(self, row)),
                Some(Kind::Int32) => Cell::Int32(i32::read(self, row)),
                Some(Kind::Int64) => Cell::Int64(i64::read(self, row)),
                Some(Kind::UInt32) => Cell::UInt32(self.values.cast::<u32>().add(row).read_unaligned()),
                Some(Kind::Float32) => Cell::Float32(f32::read(self, row)),
                Some(Kind::Float64) => Cell::Float64(f64::read(self, row)),
                Some(Kind::Int128) => Cell::Int128(self.values.cast::<i128>().add(row).read_unaligned()),
                Some(Kind::Text) => Cell::Text(<&str>::read(self, row).into()),
                Some(Kind::Binary) => Cell::Binary(bytes(self, row).into()),
                Some(Kind::Interval) => Cell::Interval(Interval::read(self, row)),
                Some(Kind::List | Kind::Struct) => {
                    return Err("lists and structs have no single value".to_owned())
                }
                None => return Err("a column is of a kind that this SDK does not know".to_owned()),
            })
        }
    }
}
