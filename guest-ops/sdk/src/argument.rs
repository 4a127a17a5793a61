//! Rust types as arguments: how each is read from a column in place.

use std::marker::PhantomData;
use std::ops::Deref;

use nyala_guest_abi::Kind;

use crate::column::{bit, Column};
use crate::sql_type::SqlType;
use crate::time::{Date, Interval, Timestamp};
use crate::value::{Decimal, Value};

/// A type that an argument can have.
pub trait Argument<'a>: Sized {
    /// In SQL.
    const TYPE: SqlType;
    /// Whether the function is called for NULL.
    const NULLABLE: bool = false;
    /// Whether a call may leave it out.
    const EXTRA: bool = false;
    /// Where the values are.
    type Reader: Copy;

    /// # Errors
    /// When there is no column, or its values are of another kind.
    fn open(column: Option<Column<'a>>) -> Result<Self::Reader, String>;

    /// Whether there may be rows without a value to read.
    fn may_miss(reader: &Self::Reader) -> bool;

    /// Whether there is no value to read.
    ///
    /// # Safety
    /// `row` must be below the number of rows.
    unsafe fn is_missing(reader: &Self::Reader, row: usize) -> bool;

    /// # Safety
    /// `row` must be below the number of rows.
    unsafe fn read(reader: &Self::Reader, row: usize) -> Self;
}

fn existing<'a>(column: Option<Column<'a>>, kind: Kind) -> Result<Column<'a>, String> {
    let column = column.ok_or_else(|| "is not there: fewer were given than declared".to_owned())?;
    column.expect(kind)?;
    Ok(column)
}

/// Where a row has a bit, or there are no bits.
///
/// # Safety
/// `row` must be below the number of rows.
#[inline(always)]
unsafe fn is_null(column: &Column<'_>, row: usize) -> bool {
    // SAFETY: promised by the caller.
    !column.validity.is_null() && unsafe { !bit(column.validity, row) }
}

macro_rules! plain_argument {
    ($($type:ty, $kind:ident, $held:ty, |$value:ident| $converted:expr;)*) => {$(
        impl<'a> Argument<'a> for $type {
            const TYPE: SqlType = <$type as Value>::TYPE;
            type Reader = Column<'a>;

            fn open(column: Option<Column<'a>>) -> Result<Column<'a>, String> {
                existing(column, Kind::$kind)
            }

            fn may_miss(column: &Column<'a>) -> bool {
                !column.validity.is_null()
            }

            #[inline(always)]
            unsafe fn is_missing(column: &Column<'a>, row: usize) -> bool {
                // SAFETY: promised by the caller.
                unsafe { is_null(column, row) }
            }

            #[inline(always)]
            unsafe fn read(column: &Column<'a>, row: usize) -> Self {
                // SAFETY: the kind was checked, and the caller promises that there is such a row.
                let $value = unsafe { column.values.cast::<$held>().add(row).read_unaligned() };
                $converted
            }
        }
    )*};
}

plain_argument! {
    i8, Int8, i8, |value| value;
    i16, Int16, i16, |value| value;
    i32, Int32, i32, |value| value;
    i64, Int64, i64, |value| value;
    f32, Float32, f32, |value| value;
    f64, Float64, f64, |value| value;
    Date, Int32, i32, |value| Date(value);
    Timestamp, Int64, i64, |value| Timestamp(value);
    Interval, Interval, Interval, |value| value;
}

impl<'a> Argument<'a> for bool {
    const TYPE: SqlType = <bool as Value>::TYPE;
    type Reader = Column<'a>;

    fn open(column: Option<Column<'a>>) -> Result<Column<'a>, String> {
        existing(column, Kind::Boolean)
    }

    fn may_miss(column: &Column<'a>) -> bool {
        !column.validity.is_null()
    }

    #[inline(always)]
    unsafe fn is_missing(column: &Column<'a>, row: usize) -> bool {
        // SAFETY: promised by the caller.
        unsafe { is_null(column, row) }
    }

    #[inline(always)]
    unsafe fn read(column: &Column<'a>, row: usize) -> bool {
        // SAFETY: the kind was checked, and the caller promises that there is such a row.
        unsafe { bit(column.values, row) }
    }
}

impl<'a, const P: u8, const S: u8> Argument<'a> for Decimal<P, S> {
    const TYPE: SqlType = <Self as Value>::TYPE;
    type Reader = Column<'a>;

    fn open(column: Option<Column<'a>>) -> Result<Column<'a>, String> {
        existing(column, if P <= 18 { Kind::Int64 } else { Kind::Int128 })
    }

    fn may_miss(column: &Column<'a>) -> bool {
        !column.validity.is_null()
    }

    #[inline(always)]
    unsafe fn is_missing(column: &Column<'a>, row: usize) -> bool {
        // SAFETY: promised by the caller.
        unsafe { is_null(column, row) }
    }

    #[inline(always)]
    unsafe fn read(column: &Column<'a>, row: usize) -> Self {
        if P <= 18 {
            // SAFETY: the kind was checked, and the caller promises that there is such a row.
            Decimal(i128::from(unsafe { column.values.cast::<i64>().add(row).read_unaligned() }))
        } else {
            // SAFETY: as above.
            Decimal(unsafe { column.values.cast::<i128>().add(row).read_unaligned() })
        }
    }
}

/// The bytes of a row.
///
/// # Safety
/// The column must be TEXT or BINARY, and `row` below the number of rows.
#[inline(always)]
pub(crate) unsafe fn bytes<'a>(column: &Column<'a>, row: usize) -> &'a [u8] {
    // SAFETY: promised by the caller; the ABI gives such columns `rows + 1` ascending offsets into their values.
    unsafe {
        let begin = *column.offsets.add(row) as usize;
        let end = *column.offsets.add(row + 1) as usize;
        std::slice::from_raw_parts(column.values.add(begin), end - begin)
    }
}

macro_rules! bytes_argument {
    ($($type:ty, $kind:ident, |$bytes:ident| $converted:expr;)*) => {$(
        impl<'a> Argument<'a> for $type {
            const TYPE: SqlType = <$type as Value>::TYPE;
            type Reader = Column<'a>;

            fn open(column: Option<Column<'a>>) -> Result<Column<'a>, String> {
                existing(column, Kind::$kind)
            }

            fn may_miss(column: &Column<'a>) -> bool {
                !column.validity.is_null()
            }

            #[inline(always)]
            unsafe fn is_missing(column: &Column<'a>, row: usize) -> bool {
                // SAFETY: promised by the caller.
                unsafe { is_null(column, row) }
            }

            #[inline(always)]
            unsafe fn read(column: &Column<'a>, row: usize) -> Self {
                // SAFETY: the kind was checked, and the caller promises that there is such a row.
                let $bytes = unsafe { bytes(column, row) };
                $converted
            }
        }
    )*};
}

// SAFETY (of the conversions): the host gives TEXT only as UTF-8.
bytes_argument! {
    &'a str, Text, |bytes| unsafe { std::str::from_utf8_unchecked(bytes) };
    String, Text, |bytes| unsafe { std::str::from_utf8_unchecked(bytes) }.to_owned();
    &'a [u8], Binary, |bytes| bytes;
    Vec<u8>, Binary, |bytes| bytes.to_vec();
}

/// `None` for NULL: the function is called for it.
impl<'a, T: Argument<'a>> Argument<'a> for Option<T> {
    const TYPE: SqlType = T::TYPE;
    const NULLABLE: bool = true;
    const EXTRA: bool = T::EXTRA;
    type Reader = T::Reader;

    fn open(column: Option<Column<'a>>) -> Result<T::Reader, String> {
        T::open(column)
    }

    fn may_miss(_: &T::Reader) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn is_missing(_: &T::Reader, _: usize) -> bool {
        false
    }

    #[inline(always)]
    unsafe fn read(reader: &T::Reader, row: usize) -> Self {
        // SAFETY: promised by the caller.
        unsafe {
            if T::is_missing(reader, row) {
                None
            } else {
                Some(T::read(reader, row))
            }
        }
    }
}

/// An argument that calls may leave out: the function is declared with and without it. Only such arguments may follow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Extra<T>(pub Option<T>);

impl<T> Deref for Extra<T> {
    type Target = Option<T>;

    fn deref(&self) -> &Option<T> {
        &self.0
    }
}

impl<'a, T: Argument<'a>> Argument<'a> for Extra<T> {
    const TYPE: SqlType = T::TYPE;
    const NULLABLE: bool = T::NULLABLE;
    const EXTRA: bool = true;
    type Reader = Option<T::Reader>;

    fn open(column: Option<Column<'a>>) -> Result<Self::Reader, String> {
        match column {
            None => Ok(None),
            column => T::open(column).map(Some),
        }
    }

    fn may_miss(reader: &Self::Reader) -> bool {
        reader.as_ref().map_or(false, T::may_miss)
    }

    #[inline(always)]
    unsafe fn is_missing(reader: &Self::Reader, row: usize) -> bool {
        match reader {
            None => false,
            // SAFETY: promised by the caller.
            Some(reader) => unsafe { T::is_missing(reader, row) },
        }
    }

    #[inline(always)]
    unsafe fn read(reader: &Self::Reader, row: usize) -> Self {
        // SAFETY: promised by the caller.
        Extra(reader.as_ref().map(|reader| unsafe { T::read(reader, row) }))
    }
}

/// A list, read in place. `T` is the type of its elements: an `Option` where they may be NULL.
pub struct List<'a, T: Argument<'a>> {
    elements: T::Reader,
    begin: usize,
    end: usize,
    lives: PhantomData<&'a T>,
}

impl<'a, T: Argument<'a>> Clone for List<'a, T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<'a, T: Argument<'a>> Copy for List<'a, T> {}

impl<'a, T: Argument<'a>> List<'a, T> {
    /// How many elements there are.
    pub fn len(&self) -> usize {
        self.end - self.begin
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.begin == self.end
    }

    /// An element; `None` past the last, and for NULL.
    pub fn get(&self, index: usize) -> Option<T> {
        let row = self.begin.checked_add(index).filter(|&row| row < self.end)?;
        // SAFETY: the offsets of a LIST lie within its elements.
        unsafe {
            if T::is_missing(&self.elements, row) {
                None
            } else {
                Some(T::read(&self.elements, row))
            }
        }
    }

    /// The elements in order, those that are NULL left out unless `T` is an `Option`.
    pub fn iter(self) -> impl Iterator<Item = T> + 'a
    where
        T: 'a,
        T::Reader: 'a,
    {
        (0..self.len()).filter_map(move |index| self.get(index))
    }
}

impl<'a, T: Argument<'a>> Argument<'a> for List<'a, T> {
    const TYPE: SqlType = T::TYPE.list();
    type Reader = (Column<'a>, T::Reader);

    fn open(column: Option<Column<'a>>) -> Result<Self::Reader, String> {
        let column = existing(column, Kind::List)?;
        Ok((column, T::open(column.elements())?))
    }

    fn may_miss(reader: &Self::Reader) -> bool {
        !reader.0.validity.is_null()
    }

    #[inline(always)]
    unsafe fn is_missing(reader: &Self::Reader, row: usize) -> bool {
        // SAFETY: promised by the caller.
        unsafe { is_null(&reader.0, row) }
    }

    #[inline(always)]
    unsafe fn read(reader: &Self::Reader, row: usize) -> Self {
        // SAFETY: the kind was checked, and the caller promises that there is such a row.
        let (begin, end) = unsafe { (*reader.0.offsets.add(row), *reader.0.offsets.add(row + 1)) };
        List { elements: reader.1, begin: begin as usize, end: end as usize, lives: PhantomData }
    }
}
