//! A bound of a column's values.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Decimal128Array, Float64Array, Int32Array, Int64Array, StringViewArray, UInt64Array,
};
use arrow::datatypes::DataType;

use crate::value::Value;

/// In the order of its column. Bounds of two kinds do not compare.
#[derive(Debug, Clone, PartialEq, PartialOrd)]
pub enum Bound {
    /// Integers, dates, times, timestamps, decimals unscaled.
    Int(i128),
    Float(f64),
    Text(Vec<u8>),
}

impl Bound {
    /// The lesser of two; `None` when they do not compare.
    pub fn least(self, other: Self) -> Option<Self> {
        match self.partial_cmp(&other)? {
            Ordering::Less | Ordering::Equal => Some(self),
            Ordering::Greater => Some(other),
        }
    }

    /// The greater of two; `None` when they do not compare.
    pub fn greatest(self, other: Self) -> Option<Self> {
        match self.partial_cmp(&other)? {
            Ordering::Less | Ordering::Equal => Some(other),
            Ordering::Greater => Some(self),
        }
    }

    /// As a value of the column's type; `None` where it is none.
    pub fn to_value(&self, data_type: &DataType) -> Option<Value> {
        let array: ArrayRef = match self {
            Self::Float(number) => Arc::new(Float64Array::from(vec![*number])),
            Self::Text(bytes) => Arc::new(StringViewArray::from(vec![std::str::from_utf8(bytes).ok()?])),
            Self::Int(number) => match data_type {
                DataType::Decimal32(digits, scale)
                | DataType::Decimal64(digits, scale)
                | DataType::Decimal128(digits, scale) => {
                    let array = Decimal128Array::from(vec![*number]);
                    Arc::new(array.with_precision_and_scale(*digits, *scale).ok()?)
                }
                DataType::UInt64 => Arc::new(UInt64Array::from(vec![u64::try_from(*number).ok()?])),
                DataType::Date32 | DataType::Time32(_) => {
                    Arc::new(Int32Array::from(vec![i32::try_from(*number).ok()?]))
                }
                _ => Arc::new(Int64Array::from(vec![i64::try_from(*number).ok()?])),
            },
        };
        Value::new(array).cast(data_type).ok().filter(|value| !value.is_null())
    }
}
