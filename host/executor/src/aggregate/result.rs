//! Result columns of groups, from their state records.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, Decimal128Array, Float64Array, Int64Array};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::DataType;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::AggregateResult;
use nyala_schema::{Error, ErrorCode, Result};

use crate::aggregate::records::{Records, field};
use crate::column::integers::array_from_buffer;

/// The groups `groups` of some records.
pub(crate) struct Finished<'a> {
    pub(crate) records: &'a Records,
    pub(crate) groups: Range<u32>,
}

impl Finished<'_> {
    /// The column of a result, `library` giving those of the function library.
    ///
    /// # Errors
    /// NumericOverflow.
    pub(crate) fn column(&self, result: &AggregateResult, library: &[ArrayRef]) -> Result<ArrayRef> {
        match result {
            AggregateResult::Count { offset } => {
                let counts = self.fields::<8, _>(*offset, i64::from_ne_bytes);
                Ok(Arc::new(Int64Array::from_iter_values(counts)))
            }
            AggregateResult::SumInteger { offset, count, ty } => self.sum(*offset, *count, ty),
            AggregateResult::PartialSum { offset, count, ty } => {
                let sums: Vec<i128> = self.fields::<16, _>(*offset, i128::from_ne_bytes).collect();
                let rows = sums.len();
                array_from_buffer(Buffer::from_vec(sums), rows, self.nulls(*count), &ty.data_type)
            }
            AggregateResult::SumFloat { offset, count, ty } => {
                let sums = self.fields::<8, _>(*offset, f64::from_ne_bytes).collect::<Vec<_>>();
                cast(Arc::new(Float64Array::new(sums.into(), self.nulls(*count))), &ty.data_type)
            }
            AggregateResult::AverageInteger { offset, count, scale, ty } => {
                self.average(*offset, *count, *scale, ty)
            }
            AggregateResult::AverageFloat { offset, count, ty } => {
                let sums = self.fields::<8, _>(*offset, f64::from_ne_bytes);
                let averages: Vec<f64> =
                    sums.zip(self.counts(*count)).map(|(sum, count)| sum / count.max(1) as f64).collect();
                cast(Arc::new(Float64Array::new(averages.into(), self.nulls(*count))), &ty.data_type)
            }
            AggregateResult::Extreme { offset, count, ty } => self.extreme(*offset, *count, &ty.data_type),
            AggregateResult::Library { index, ty } => {
                let column = library.get(*index).ok_or_else(|| Error::internal("a missing accumulator"))?;
                cast(column.clone(), &ty.data_type)
            }
        }
    }

    fn fields<const WIDTH: usize, T>(
        &self,
        offset: u32,
        read: fn([u8; WIDTH]) -> T,
    ) -> impl ExactSizeIterator<Item = T> {
        let stride = self.records.stride();
        let range = self.groups.start as usize * stride..self.groups.end as usize * stride;
        let records = self.records.bytes()[range].chunks_exact(stride.max(1));
        records.map(move |record| read(field(record, offset as usize)))
    }

    fn counts(&self, offset: u32) -> impl ExactSizeIterator<Item = i64> {
        self.fields::<8, _>(offset, i64::from_ne_bytes)
    }

    /// NULL where nothing was counted.
    fn nulls(&self, count: u32) -> Option<NullBuffer> {
        let valid = NullBuffer::from(self.counts(count).map(|count| count > 0).collect::<Vec<_>>());
        (valid.null_count() > 0).then_some(valid)
    }

    fn sum(&self, offset: u32, count: u32, ty: &Type) -> Result<ArrayRef> {
        let sums = self.fields::<16, _>(offset, i128::from_ne_bytes);
        integers(sums, self.nulls(count), &ty.data_type)
    }

    fn average(&self, offset: u32, count: u32, scale: i8, ty: &Type) -> Result<ArrayRef> {
        let sums = self.fields::<16, _>(offset, i128::from_ne_bytes).zip(self.counts(count));
        let nulls = self.nulls(count);
        let Some(result_scale) = decimal_scale(&ty.data_type) else {
            let divisor = 10f64.powi(i32::from(scale));
            let averages = sums.map(|(sum, count)| sum as f64 / divisor / count.max(1) as f64);
            let averages: Vec<f64> = averages.collect();
            return cast(Arc::new(Float64Array::new(averages.into(), nulls)), &ty.data_type);
        };
        let shift = u32::try_from(result_scale - scale)
            .map_err(|_| Error::internal("an average with fewer digits than its input"))?;
        let factor = 10i128.checked_pow(shift).ok_or_else(overflow)?;
        let averages = sums.map(|(sum, count)| {
            let count = i128::from(count.max(1));
            sum.checked_mul(factor).map(|shifted| divide_rounded(shifted, count)).ok_or_else(overflow)
        });
        let averages = averages.collect::<Result<Vec<i128>>>()?;
        integers(averages.into_iter(), nulls, &ty.data_type)
    }

    fn extreme(&self, offset: u32, count: u32, data_type: &DataType) -> Result<ArrayRef> {
        let nulls = self.nulls(count);
        if *data_type == DataType::Boolean {
            let values: Vec<bool> = self.fields::<1, _>(offset, |byte| byte[0] != 0).collect();
            return Ok(Arc::new(BooleanArray::new(values.into(), nulls)));
        }
        let len = self.groups.len();
        macro_rules! natives {
            ($type:ty) => {
                Buffer::from_vec(
                    self.fields::<{ size_of::<$type>() }, _>(offset, <$type>::from_ne_bytes)
                        .collect::<Vec<_>>(),
                )
            };
        }
        let buffer = match data_type.primitive_width() {
            Some(1) => natives!(u8),
            Some(2) => natives!(u16),
            Some(4) => natives!(u32),
            Some(8) => natives!(u64),
            Some(16) => natives!(i128),
            _ => return Err(Error::internal(format!("least or greatest {data_type} kept in a record"))),
        };
        array_from_buffer(buffer, len, nulls, data_type)
    }
}

fn overflow() -> Error {
    Error::new(ErrorCode::NumericOverflow, "the result of an aggregate does not fit its type")
        .with_hint("cast the argument to DOUBLE, or to a DECIMAL with fewer digits")
}

/// Half away from zero.
fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, remainder) = (value / divisor, value % divisor);
    if remainder.unsigned_abs() * 2 >= divisor.unsigned_abs() { quotient + value.signum() } else { quotient }
}

fn decimal_scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale) => {
            Some(*scale)
        }
        _ => None,
    }
}

/// 128-bit results in their type: unscaled for decimals, whose digits are checked.
fn integers(
    values: impl ExactSizeIterator<Item = i128>,
    nulls: Option<NullBuffer>,
    data_type: &DataType,
) -> Result<ArrayRef> {
    if *data_type == DataType::Int64 {
        let narrow: Option<Vec<i64>> = values.map(|value| i64::try_from(value).ok()).collect();
        return Ok(Arc::new(Int64Array::new(narrow.ok_or_else(overflow)?.into(), nulls)));
    }
    let values: Vec<i128> = values.collect();
    match data_type {
        DataType::Decimal32(precision, scale)
        | DataType::Decimal64(precision, scale)
        | DataType::Decimal128(precision, scale) => {
            let limit = 10i128.pow(u32::from(*precision).min(38));
            if values.iter().any(|value| *value <= -limit || *value >= limit) {
                return Err(overflow());
            }
            if let DataType::Decimal64(..) = data_type {
                let narrow: Vec<i64> = values.iter().map(|&value| value as i64).collect();
                return array_from_buffer(Buffer::from_vec(narrow), values.len(), nulls, data_type);
            }
            let wide = Decimal128Array::new(values.into(), nulls);
            cast(Arc::new(wide.with_precision_and_scale(*precision, *scale)?), data_type)
        }
        other => {
            let wide = Decimal128Array::new(values.into(), nulls).with_precision_and_scale(38, 0)?;
            cast(Arc::new(wide), other).map_err(|_| overflow())
        }
    }
}

fn cast(array: ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    if array.data_type() == data_type {
        return Ok(array);
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(&array, data_type, &options)?)
}
