//! A single SQL value of any type.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Scalar, StringArray, new_null_array};
use arrow::datatypes::{self as types, DataType, IntervalUnit, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};

use crate::error::Result;

/// One value, held as an Arrow array of length one so that it has every SQL type, nested ones included.
#[derive(Clone)]
pub struct Value(ArrayRef);

impl Value {
    /// # Panics
    /// When the array does not have exactly one row.
    pub fn new(array: ArrayRef) -> Self {
        assert_eq!(array.len(), 1, "a value has one row");
        Self(array)
    }

    pub fn null(data_type: &DataType) -> Self {
        Self(new_null_array(data_type, 1))
    }

    pub fn boolean(value: bool) -> Self {
        Self(Arc::new(arrow::array::BooleanArray::from(vec![value])))
    }

    pub fn int64(value: i64) -> Self {
        Self(Arc::new(arrow::array::Int64Array::from(vec![value])))
    }

    pub fn float64(value: f64) -> Self {
        Self(Arc::new(arrow::array::Float64Array::from(vec![value])))
    }

    pub fn utf8(value: &str) -> Self {
        Self(Arc::new(StringArray::from(vec![value])))
    }

    /// Row `row` of `array`.
    pub fn from_row(array: &ArrayRef, row: usize) -> Self {
        Self(array.slice(row, 1))
    }

    pub fn data_type(&self) -> &DataType {
        self.0.data_type()
    }

    pub fn is_null(&self) -> bool {
        self.0.logical_null_count() == 1
    }

    pub fn array(&self) -> &ArrayRef {
        &self.0
    }

    /// For Arrow's comparison and arithmetic kernels.
    pub fn to_scalar(&self) -> Scalar<ArrayRef> {
        Scalar::new(self.0.clone())
    }

    /// The same value in another type.
    pub fn cast(&self, data_type: &DataType) -> Result<Value> {
        if self.data_type() == data_type {
            return Ok(self.clone());
        }
        let options = arrow::compute::CastOptions { safe: false, ..Default::default() };
        Ok(Self(arrow::compute::cast_with_options(&self.0, data_type, &options)?))
    }

    pub fn as_bool(&self) -> Option<bool> {
        (!self.is_null()).then(|| self.0.as_boolean_opt().map(|a| a.value(0))).flatten()
    }

    /// The number behind an integer, decimal (unscaled), date, time, duration or timestamp.
    pub fn as_i128(&self) -> Option<i128> {
        if self.is_null() {
            return None;
        }
        macro_rules! read {
            ($type:ty) => {
                Some(i128::from(self.0.as_primitive::<$type>().value(0)))
            };
        }
        match self.data_type() {
            DataType::Int8 => read!(types::Int8Type),
            DataType::Int16 => read!(types::Int16Type),
            DataType::Int32 => read!(types::Int32Type),
            DataType::Int64 => read!(types::Int64Type),
            DataType::UInt8 => read!(types::UInt8Type),
            DataType::UInt16 => read!(types::UInt16Type),
            DataType::UInt32 => read!(types::UInt32Type),
            DataType::UInt64 => read!(types::UInt64Type),
            DataType::Date32 => read!(types::Date32Type),
            DataType::Date64 => read!(types::Date64Type),
            DataType::Decimal32(..) => read!(types::Decimal32Type),
            DataType::Decimal64(..) => read!(types::Decimal64Type),
            DataType::Decimal128(..) => read!(types::Decimal128Type),
            DataType::Time32(TimeUnit::Second) => read!(types::Time32SecondType),
            DataType::Time32(_) => read!(types::Time32MillisecondType),
            DataType::Time64(TimeUnit::Microsecond) => read!(types::Time64MicrosecondType),
            DataType::Time64(_) => read!(types::Time64NanosecondType),
            DataType::Timestamp(unit, _) => match unit {
                TimeUnit::Second => read!(types::TimestampSecondType),
                TimeUnit::Millisecond => read!(types::TimestampMillisecondType),
                TimeUnit::Microsecond => read!(types::TimestampMicrosecondType),
                TimeUnit::Nanosecond => read!(types::TimestampNanosecondType),
            },
            DataType::Interval(IntervalUnit::YearMonth) => read!(types::IntervalYearMonthType),
            _ => None,
        }
    }

    pub fn as_f64(&self) -> Option<f64> {
        if self.is_null() {
            return None;
        }
        match self.data_type() {
            DataType::Float32 => Some(f64::from(self.0.as_primitive::<types::Float32Type>().value(0))),
            DataType::Float64 => Some(self.0.as_primitive::<types::Float64Type>().value(0)),
            DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) => {
                self.as_i128().map(|v| v as f64 / 10f64.powi(i32::from(*s)))
            }
            _ => self.as_i128().map(|v| v as f64),
        }
    }

    pub fn as_str(&self) -> Option<&str> {
        if self.is_null() {
            return None;
        }
        match self.data_type() {
            DataType::Utf8 => Some(self.0.as_string::<i32>().value(0)),
            DataType::LargeUtf8 => Some(self.0.as_string::<i64>().value(0)),
            DataType::Utf8View => Some(self.0.as_string_view().value(0)),
            _ => None,
        }
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_ref() == other.0.as_ref()
    }
}

/// The value as text, NULL as `NULL`, text in single quotes.
impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_null() {
            return f.write_str("NULL");
        }
        if let Some(text) = self.as_str() {
            return write!(f, "'{}'", text.replace('\'', "''"));
        }
        let options = FormatOptions::default();
        match ArrayFormatter::try_new(self.0.as_ref(), &options) {
            Ok(formatter) => write!(f, "{}", formatter.value(0)),
            Err(_) => write!(f, "<{}>", self.data_type()),
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}:{}", self.data_type())
    }
}
