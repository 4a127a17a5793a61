//! `count`, `sum` and `avg` over frames by prefix sums: any frame costs two look-ups.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, Decimal128Array, Float64Array, Int64Array,
};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Float64Type};
use nyala_schema::{Error, ErrorCode, Result};

use crate::kernel::cast::cast_array;
use crate::kernel::decimal::{divide_rounded, power_of_ten, shape};
use crate::kernel::primitive::with_integer;

/// `None` when this is not how the aggregate is best done: other functions, and sums of floats over frames that do
/// not all start at the first row, where a difference of prefix sums would lose digits.
///
/// # Errors
/// NumericOverflow when a sum does not fit.
pub(super) fn aggregate(
    name: &str,
    arguments: &[ArrayRef],
    mask: Option<&BooleanArray>,
    frames: &[Range<usize>],
    result: &DataType,
) -> Result<Option<ArrayRef>> {
    let valid = match (arguments.first().and_then(|values| values.logical_nulls()), mask) {
        (None, None) => None,
        (nulls, mask) => {
            let mask = mask.map(|mask| NullBuffer::new(crate::kernel::select::truth(mask).values().clone()));
            NullBuffer::union(nulls.as_ref(), mask.as_ref())
        }
    };
    let counts = Counts::new(valid.as_ref(), frames.len());
    if name == "count" && arguments.len() <= 1 {
        let counts = Int64Array::from_iter_values(frames.iter().map(|frame| counts.within(frame)));
        return Ok(Some(Arc::new(counts)));
    }
    let [values] = arguments else {
        return Ok(None);
    };
    match (name, values.data_type(), result) {
        ("sum", DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..), _)
        | (
            "avg",
            DataType::Decimal64(..) | DataType::Decimal128(..),
            DataType::Decimal64(..) | DataType::Decimal128(..),
        ) => decimals(name, values, valid.as_ref(), &counts, frames, result).map(Some),
        ("sum", ty, _) if ty.is_integer() => {
            let sums =
                with_integer!(ty, T => prefix_sums::<T>(values, valid.as_ref())?, _ => return Ok(None));
            let totals = frames
                .iter()
                .map(|frame| (counts.within(frame) > 0).then(|| sums[frame.end] - sums[frame.start]));
            let totals: Decimal128Array = totals.collect();
            let totals: ArrayRef = Arc::new(totals.with_precision_and_scale(38, 0)?);
            Ok(Some(cast_array(&totals, result, false)?))
        }
        ("sum" | "avg", DataType::Float64, DataType::Float64)
            if frames.iter().all(|frame| frame.start == 0) =>
        {
            Ok(Some(floats(name, values, valid.as_ref(), &counts, frames)))
        }
        _ => Ok(None),
    }
}

/// How many values there are before each row.
struct Counts(Option<Vec<u32>>);

impl Counts {
    fn new(valid: Option<&NullBuffer>, rows: usize) -> Self {
        Self(valid.map(|valid| {
            let mut counts = Vec::with_capacity(rows + 1);
            let mut count = 0;
            counts.push(0);
            for present in valid.iter() {
                count += u32::from(present);
                counts.push(count);
            }
            counts
        }))
    }

    fn within(&self, frame: &Range<usize>) -> i64 {
        match &self.0 {
            Some(counts) => i64::from(counts[frame.end] - counts[frame.start]),
            None => frame.len() as i64,
        }
    }
}

fn prefix_sums<T: ArrowPrimitiveType>(values: &ArrayRef, valid: Option<&NullBuffer>) -> Result<Vec<i128>>
where
    T::Native: Into<i128>,
{
    let values = values.as_primitive::<T>().values();
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut sum = 0i128;
    sums.push(0);
    for (row, &value) in values.iter().enumerate() {
        if valid.is_none_or(|valid| valid.is_valid(row)) {
            sum = sum.checked_add(value.into()).ok_or_else(overflow)?;
        }
        sums.push(sum);
    }
    Ok(sums)
}

fn overflow() -> Error {
    Error::new(ErrorCode::NumericOverflow, "a sum over a window does not fit 38 digits")
}

fn decimals(
    name: &str,
    values: &ArrayRef,
    valid: Option<&NullBuffer>,
    counts: &Counts,
    frames: &[Range<usize>],
    result: &DataType,
) -> Result<ArrayRef> {
    let (_, scale) = shape(values.data_type())?;
    let wide = cast_array(values, &DataType::Decimal128(38, scale), false)?;
    let sums = prefix_sums::<arrow::datatypes::Decimal128Type>(&wide, valid)?;
    let average = name == "avg";
    let result_scale = if average { shape(result)?.1 } else { scale };
    let power = power_of_ten(result_scale.saturating_sub(scale).max(0) as u8).ok_or_else(overflow)?;
    let mut totals = Vec::with_capacity(frames.len());
    for frame in frames {
        let count = counts.within(frame);
        totals.push(match count {
            0 => None,
            _ => {
                let sum = sums[frame.end].checked_sub(sums[frame.start]).ok_or_else(overflow)?;
                Some(if average {
                    divide_rounded(sum.checked_mul(power).ok_or_else(overflow)?, count.into())
                } else {
                    sum
                })
            }
        });
    }
    let scale = if average { scale.max(result_scale) } else { scale };
    let totals: ArrayRef = Arc::new(Decimal128Array::from(totals).with_precision_and_scale(38, scale)?);
    cast_array(&totals, result, false)
}

fn floats(
    name: &str,
    values: &ArrayRef,
    valid: Option<&NullBuffer>,
    counts: &Counts,
    frames: &[Range<usize>],
) -> ArrayRef {
    let values = values.as_primitive::<Float64Type>().values();
    let mut sums = Vec::with_capacity(values.len() + 1);
    let mut sum = 0.0;
    sums.push(0.0);
    for (row, value) in values.iter().enumerate() {
        if valid.is_none_or(|valid| valid.is_valid(row)) {
            sum += value;
        }
        sums.push(sum);
    }
    let results = frames.iter().map(|frame| match counts.within(frame) {
        0 => None,
        count if name == "avg" => Some(sums[frame.end] / count as f64),
        _ => Some(sums[frame.end]),
    });
    Arc::new(results.collect::<Float64Array>())
}
