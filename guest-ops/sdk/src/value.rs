//! Rust types as values of columns: what each is in SQL, and how it is added to a column.

use std::borrow::Cow;

use crate::builder::{Bits, Builder, Bytes, Decimals, Fixed, Lists};
use crate::sql_type::SqlType;
use crate::time::{Date, Interval, Timestamp};

/// A DECIMAL(P, S): this many units of 10^-S.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal<const P: u8, const S: u8>(pub i128);

/// A type whose values a column can hold.
pub trait Value {
    /// In SQL.
    const TYPE: SqlType;
    /// What collects them.
    type Builder: Builder;

    /// Adds this to a column.
    fn put(self, out: &mut Self::Builder);

    /// Adds what `next` gives for each row, with less work for each.
    #[inline(always)]
    fn put_all(rows: usize, out: &mut Self::Builder, mut next: impl FnMut(usize) -> Self)
    where
        Self: Sized,
    {
        (0..rows).for_each(|row| next(row).put(out));
    }
}

/// Values that can be elements of a list: all but `u8`, whose vector is a BINARY value.
pub trait Element: Value {}

macro_rules! plain_value {
    ($($type:ty, $name:literal, $held:ty, |$value:ident| $converted:expr;)*) => {$(
        impl Value for $type {
            const TYPE: SqlType = SqlType::plain($name);
            type Builder = Fixed<$held>;

            #[inline(always)]
            fn put(self, out: &mut Self::Builder) {
                let $value = self;
                out.push($converted);
            }

            #[inline(always)]
            fn put_all(rows: usize, out: &mut Self::Builder, mut next: impl FnMut(usize) -> Self) {
                out.push_all((0..rows).map(|row| {
                    let $value = next(row);
                    $converted
                }));
            }
        }

        impl Element for $type {}
    )*};
}

plain_value! {
    i8, "TINYINT", i8, |value| value;
    i16, "SMALLINT", i16, |value| value;
    i32, "INT", i32, |value| value;
    i64, "BIGINT", i64, |value| value;
    f32, "REAL", f32, |value| value;
    f64, "DOUBLE", f64, |value| value;
    Date, "DATE", i32, |value| value.0;
    Timestamp, "TIMESTAMP", i64, |value| value.0;
    Interval, "INTERVAL", Interval, |value| value;
}

impl Value for bool {
    const TYPE: SqlType = SqlType::plain("BOOLEAN");
    type Builder = Bits;

    #[inline(always)]
    fn put(self, out: &mut Bits) {
        out.push(self);
    }
}

impl Element for bool {}

impl<const P: u8, const S: u8> Value for Decimal<P, S> {
    const TYPE: SqlType = SqlType::decimal(P, S);
    type Builder = Decimals<P>;

    #[inline(always)]
    fn put(self, out: &mut Decimals<P>) {
        out.push(self.0);
    }
}

impl<const P: u8, const S: u8> Element for Decimal<P, S> {}

macro_rules! bytes_value {
    ($([$($life:lifetime)?] $type:ty, $name:literal, $is_text:literal, |$value:ident| $bytes:expr;)*) => {$(
        impl<$($life)?> Value for $type {
            const TYPE: SqlType = SqlType::plain($name);
            type Builder = Bytes<$is_text>;

            #[inline(always)]
            fn put(self, out: &mut Self::Builder) {
                let $value = self;
                out.push($bytes);
            }
        }

        impl<$($life)?> Element for $type {}
    )*};
}

bytes_value! {
    ['a] &'a str, "TEXT", true, |value| value.as_bytes();
    [] String, "TEXT", true, |value| value.as_bytes();
    ['a] Cow<'a, str>, "TEXT", true, |value| value.as_bytes();
    [] char, "TEXT", true, |value| value.encode_utf8(&mut [0; 4]).as_bytes();
    ['a] &'a [u8], "BYTEA", false, |value| value;
    [] Vec<u8>, "BYTEA", false, |value| &value;
}

impl<T: Element> Value for Vec<T> {
    const TYPE: SqlType = T::TYPE.list();
    type Builder = Lists<T::Builder>;

    fn put(self, out: &mut Self::Builder) {
        for element in self {
            element.put(out.elements());
        }
        out.end();
    }
}

/// One value of a column whose type is known only when the query runs.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Cell<'a> {
    Null,
    Boolean(bool),
    Int8(i8),
    Int16(i16),
    Int32(i32),
    Int64(i64),
    UInt32(u32),
    Float32(f32),
    Float64(f64),
    Int128(i128),
    Text(Cow<'a, str>),
    Binary(Cow<'a, [u8]>),
    Interval(Interval),
}

impl Cell<'_> {
    /// A value that outlives the batch that it came in.
    pub fn into_owned(self) -> Cell<'static> {
        match self {
            Cell::Null => Cell::Null,
            Cell::Boolean(value) => Cell::Boolean(value),
            Cell::Int8(value) => Cell::Int8(value),
            Cell::Int16(value) => Cell::Int16(value),
            Cell::Int32(value) => Cell::Int32(value),
            Cell::Int64(value) => Cell::Int64(value),
            Cell::UInt32(value) => Cell::UInt32(value),
            Cell::Float32(value) => Cell::Float32(value),
            Cell::Float64(value) => Cell::Float64(value),
            Cell::Int128(value) => Cell::Int128(value),
            Cell::Text(value) => Cell::Text(Cow::Owned(value.into_owned())),
            Cell::Binary(value) => Cell::Binary(Cow::Owned(value.into_owned())),
            Cell::Interval(value) => Cell::Interval(value),
        }
    }
}
