//! Columns that a module makes. Their memory is kept from batch to batch.

use std::fmt;

use nyala_guest_abi as abi;
use nyala_guest_abi::Kind;

use crate::memory::address;
use crate::time::Interval;

/// Collects the values of one column.
pub trait Builder: Default + 'static {
    /// Forgets the values, keeps the memory.
    fn clear(&mut self);

    /// Makes room for as many rows.
    fn reserve(&mut self, rows: usize);

    /// How many values there are.
    fn rows(&self) -> usize;

    /// Adds a NULL.
    fn push_null(&mut self);

    /// Says where `rows` values from row `from` are. True until the builder is used again.
    fn describe(&mut self, from: usize, rows: usize) -> abi::Column;
}

/// Which rows have a value: nothing is written before the first NULL.
#[derive(Debug, Default)]
pub struct Validity {
    bits: Vec<u8>,
    has_null: bool,
    shifted: Vec<u8>,
}

impl Validity {
    fn clear(&mut self) {
        self.bits.clear();
        self.has_null = false;
    }

    /// Row `row` is the next one.
    #[inline(always)]
    fn push_valid(&mut self, row: usize) {
        if self.has_null {
            push_bit(&mut self.bits, row, true);
        }
    }

    fn push_null(&mut self, row: usize) {
        if !self.has_null {
            self.has_null = true;
            self.bits.clear();
            self.bits.resize((row + 7) / 8, 0xff);
            if row % 8 != 0 {
                self.bits[row / 8] = (1 << (row % 8)) - 1;
            }
        }
        push_bit(&mut self.bits, row, false);
    }

    fn describe(&mut self, from: usize, rows: usize) -> u32 {
        if self.has_null {
            bits_from(&self.bits, &mut self.shifted, from, rows)
        } else {
            0
        }
    }
}

#[inline(always)]
fn push_bit(bits: &mut Vec<u8>, row: usize, value: bool) {
    if row % 8 == 0 {
        bits.push(u8::from(value));
    } else if let Some(last) = bits.last_mut() {
        *last |= u8::from(value) << (row % 8);
    }
}

/// The address of a bitmap that begins at bit `from`, which is copied where that is not a whole byte.
fn bits_from(bits: &[u8], shifted: &mut Vec<u8>, from: usize, rows: usize) -> u32 {
    let rest = &bits[from / 8..];
    let shift = from % 8;
    if shift == 0 {
        return address(rest.as_ptr());
    }
    shifted.clear();
    shifted.extend((0..(rows + 7) / 8).map(|place| {
        let high = rest.get(place + 1).map_or(0, |&next| next << (8 - shift));
        rest[place] >> shift | high
    }));
    address(shifted.as_ptr())
}

/// Types that lie in a column as they are.
pub trait Plain: Copy + Default + 'static {
    /// What the host calls it.
    const KIND: Kind;
}

macro_rules! plain {
    ($($type:ty: $kind:ident),*) => {$(
        impl Plain for $type {
            const KIND: Kind = Kind::$kind;
        }
    )*};
}

plain! { i8: Int8, i16: Int16, i32: Int32, i64: Int64, u32: UInt32, f32: Float32, f64: Float64, i128: Int128, Interval: Interval }

/// Values of one width.
#[derive(Debug, Default)]
pub struct Fixed<T> {
    values: Vec<T>,
    validity: Validity,
}

impl<T: Plain> Fixed<T> {
    /// Adds a value.
    #[inline(always)]
    pub fn push(&mut self, value: T) {
        self.validity.push_valid(self.values.len());
        self.values.push(value);
    }

    /// Adds values to a column that has no NULL.
    #[inline(always)]
    pub(crate) fn push_all(&mut self, values: impl Iterator<Item = T>) {
        debug_assert!(!self.validity.has_null);
        self.values.extend(values);
    }

    /// All values so far.
    pub fn values(&self) -> &[T] {
        &self.values
    }
}

impl<T: Plain> Builder for Fixed<T> {
    fn clear(&mut self) {
        self.values.clear();
        self.validity.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.values.reserve(rows);
    }

    fn rows(&self) -> usize {
        self.values.len()
    }

    fn push_null(&mut self) {
        self.validity.push_null(self.values.len());
        self.values.push(T::default());
    }

    fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        abi::Column {
            kind: T::KIND as u32,
            rows: rows as u32,
            validity: self.validity.describe(from, rows),
            values: address(self.values[from..].as_ptr()),
            values_len: (rows * std::mem::size_of::<T>()) as u32,
            ..abi::Column::default()
        }
    }
}

/// DECIMAL values of P digits, in the width that the host wants for them.
#[derive(Debug, Default)]
pub struct Decimals<const P: u8> {
    narrow: Fixed<i64>,
    wide: Fixed<i128>,
}

impl<const P: u8> Decimals<P> {
    /// Adds a value.
    ///
    /// # Panics
    /// When it has more than P digits.
    #[inline(always)]
    pub fn push(&mut self, value: i128) {
        assert!(value.unsigned_abs() < 10u128.pow(u32::from(P)), "{} has more than {} digits", value, P);
        if P <= 18 {
            self.narrow.push(value as i64);
        } else {
            self.wide.push(value);
        }
    }
}

impl<const P: u8> Builder for Decimals<P> {
    fn clear(&mut self) {
        self.narrow.clear();
        self.wide.clear();
    }

    fn reserve(&mut self, rows: usize) {
        if P <= 18 {
            self.narrow.reserve(rows);
        } else {
            self.wide.reserve(rows);
        }
    }

    fn rows(&self) -> usize {
        self.narrow.rows() + self.wide.rows()
    }

    fn push_null(&mut self) {
        if P <= 18 {
            self.narrow.push_null();
        } else {
            self.wide.push_null();
        }
    }

    fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        if P <= 18 {
            self.narrow.describe(from, rows)
        } else {
            self.wide.describe(from, rows)
        }
    }
}

/// BOOLEAN values.
#[derive(Debug, Default)]
pub struct Bits {
    bits: Vec<u8>,
    rows: usize,
    validity: Validity,
    shifted: Vec<u8>,
}

impl Bits {
    /// Adds a value.
    #[inline(always)]
    pub fn push(&mut self, value: bool) {
        self.validity.push_valid(self.rows);
        push_bit(&mut self.bits, self.rows, value);
        self.rows += 1;
    }
}

impl Builder for Bits {
    fn clear(&mut self) {
        self.bits.clear();
        self.rows = 0;
        self.validity.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.bits.reserve((rows + 7) / 8);
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn push_null(&mut self) {
        self.validity.push_null(self.rows);
        push_bit(&mut self.bits, self.rows, false);
        self.rows += 1;
    }

    fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        abi::Column {
            kind: Kind::Boolean as u32,
            rows: rows as u32,
            validity: self.validity.describe(from, rows),
            values: bits_from(&self.bits, &mut self.shifted, from, rows),
            values_len: ((rows + 7) / 8) as u32,
            ..abi::Column::default()
        }
    }
}

/// The text of one row, written piece by piece straight into the column.
#[derive(Debug, Default)]
pub struct TextWriter {
    bytes: Vec<u8>,
    /// Where the row begins.
    begin: usize,
}

impl TextWriter {
    /// Adds a character.
    #[inline]
    pub fn push(&mut self, character: char) {
        if character.is_ascii() {
            self.bytes.push(character as u8);
        } else {
            self.push_encoded(character);
        }
    }

    /// Apart, so that loops over ASCII stay small.
    #[inline(never)]
    fn push_encoded(&mut self, character: char) {
        self.bytes.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    }

    /// Adds text.
    #[inline]
    pub fn push_str(&mut self, text: &str) {
        self.bytes.extend_from_slice(text.as_bytes());
    }

    /// What was written for this row.
    pub fn as_str(&self) -> &str {
        // SAFETY: only whole texts and characters are added, and rows begin and end between them.
        unsafe { std::str::from_utf8_unchecked(&self.bytes[self.begin..]) }
    }

    /// Keeps the first `length` bytes of what was written for this row.
    ///
    /// # Panics
    /// When that is within a character.
    pub fn truncate(&mut self, length: usize) {
        assert!(self.as_str().is_char_boundary(length), "{} is within a character", length);
        self.bytes.truncate(self.begin + length);
    }
}

impl fmt::Write for TextWriter {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.push_str(text);
        Ok(())
    }
}

/// TEXT or BINARY values.
#[derive(Debug, Default)]
pub struct Bytes<const IS_TEXT: bool> {
    writer: TextWriter,
    /// The end of each row.
    ends: Vec<i32>,
    validity: Validity,
    offsets: Vec<i32>,
}

impl<const IS_TEXT: bool> Bytes<IS_TEXT> {
    /// Adds a value, which is UTF-8 if this is text.
    #[inline(always)]
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        self.writer.bytes.extend_from_slice(bytes);
        self.end_row();
    }

    #[inline(always)]
    fn end_row(&mut self) {
        self.validity.push_valid(self.ends.len());
        self.mark_end();
    }

    #[inline(always)]
    fn mark_end(&mut self) {
        let end = self.writer.bytes.len();
        assert!(end <= i32::MAX as usize, "a column of more than 2 GiB");
        self.ends.push(end as i32);
        self.writer.begin = end;
    }
}

impl Bytes<true> {
    /// What the next row's text is written to.
    pub fn writer(&mut self) -> &mut TextWriter {
        &mut self.writer
    }

    /// What was written is the next row.
    #[inline(always)]
    pub fn end_written(&mut self) {
        self.end_row();
    }
}

impl<const IS_TEXT: bool> Builder for Bytes<IS_TEXT> {
    fn clear(&mut self) {
        self.writer.bytes.clear();
        self.writer.begin = 0;
        self.ends.clear();
        self.validity.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.ends.reserve(rows);
    }

    fn rows(&self) -> usize {
        self.ends.len()
    }

    /// What was written for the row is dropped.
    fn push_null(&mut self) {
        self.writer.bytes.truncate(self.writer.begin);
        self.validity.push_null(self.ends.len());
        self.mark_end();
    }

    fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        let kind = if IS_TEXT { Kind::Text } else { Kind::Binary };
        let begin = offsets_from(&self.ends, &mut self.offsets, from, rows);
        let end = begin + self.offsets[rows] as usize;
        abi::Column {
            kind: kind as u32,
            rows: rows as u32,
            validity: self.validity.describe(from, rows),
            values: address(self.writer.bytes[begin..end].as_ptr()),
            offsets: address(self.offsets.as_ptr()),
            values_len: (end - begin) as u32,
            ..abi::Column::default()
        }
    }
}

/// Fills `offsets` for the rows from `from`, so that the first is 0; gives where they begin.
fn offsets_from(ends: &[i32], offsets: &mut Vec<i32>, from: usize, rows: usize) -> usize {
    let begin = if from == 0 { 0 } else { ends[from - 1] };
    offsets.clear();
    offsets.push(0);
    offsets.extend(ends[from..from + rows].iter().map(|end| end - begin));
    begin as usize
}

/// LIST values.
#[derive(Debug, Default)]
pub struct Lists<B> {
    elements: B,
    ends: Vec<i32>,
    validity: Validity,
    offsets: Vec<i32>,
    child: Box<abi::Column>,
}

impl<B: Builder> Lists<B> {
    /// What the elements of the next row are added to.
    pub fn elements(&mut self) -> &mut B {
        &mut self.elements
    }

    /// The elements that were added are the next row.
    pub fn end(&mut self) {
        self.validity.push_valid(self.ends.len());
        self.ends.push(self.elements.rows() as i32);
    }
}

impl<B: Builder> Builder for Lists<B> {
    fn clear(&mut self) {
        self.elements.clear();
        self.ends.clear();
        self.validity.clear();
    }

    fn reserve(&mut self, rows: usize) {
        self.ends.reserve(rows);
    }

    fn rows(&self) -> usize {
        self.ends.len()
    }

    fn push_null(&mut self) {
        self.validity.push_null(self.ends.len());
        self.ends.push(self.elements.rows() as i32);
    }

    fn describe(&mut self, from: usize, rows: usize) -> abi::Column {
        let begin = offsets_from(&self.ends, &mut self.offsets, from, rows);
        *self.child = self.elements.describe(begin, self.offsets[rows] as usize);
        let child: *const abi::Column = &*self.child;
        abi::Column {
            kind: Kind::List as u32,
            rows: rows as u32,
            validity: self.validity.describe(from, rows),
            offsets: address(self.offsets.as_ptr()),
            children: address(child),
            child_count: 1,
            ..abi::Column::default()
        }
    }
}
