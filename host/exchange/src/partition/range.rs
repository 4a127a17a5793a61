//! Ranges of a key: rows that follow each other in an order go to receivers that follow each other.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::{SortOptions, concat, take};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::row::{OwnedRow, RowConverter, SortField};
use nyala_schema::{Error, Result, Value};

/// What rows are spread by.
#[derive(Debug, Clone, PartialEq)]
pub struct RangeKey {
    /// A column.
    pub index: usize,
    pub descending: bool,
    pub nulls_first: bool,
    /// Each the first value of a range, in this order.
    pub bounds: Vec<Value>,
}

/// Spreads rows over receivers by ranges of a key: all rows of a receiver come before those of the next one, and equal keys are
/// together. With more or fewer ranges than receivers some receivers have several or none.
#[derive(Debug)]
pub struct Ranges {
    key: usize,
    data_type: DataType,
    converter: RowConverter,
    /// In order.
    bounds: Vec<OwnedRow>,
    receivers: usize,
}

impl Ranges {
    /// # Errors
    /// `Internal` when the bounds are not of one type, one is NULL, or they are not in order; `Unsupported` for types without one.
    pub fn new(key: &RangeKey, receivers: usize) -> Result<Self> {
        let Some(first) = key.bounds.first() else { return Err(Error::internal("ranges without bounds")) };
        let data_type = first.data_type().clone();
        if key.bounds.iter().any(|bound| bound.is_null() || *bound.data_type() != data_type) {
            return Err(Error::internal(format!(
                "bounds of ranges that are not all values of type {data_type}"
            )));
        }
        let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
        let field = SortField::new_with_options(data_type.clone(), options);
        if !RowConverter::supports_fields(std::slice::from_ref(&field)) {
            return Err(Error::unsupported(format!(
                "rows cannot be ordered by a column of type {data_type}"
            )));
        }
        let converter = RowConverter::new(vec![field])?;
        let values: Vec<&dyn Array> = key.bounds.iter().map(|bound| bound.array().as_ref()).collect();
        let rows = converter.convert_columns(&[normal(&concat(&values)?)?])?;
        let bounds: Vec<OwnedRow> = rows.iter().map(|row| row.owned()).collect();
        if !bounds.is_sorted() {
            return Err(Error::internal("bounds of ranges that are not in the order of the ranges"));
        }
        Ok(Self { key: key.index, data_type, converter, bounds, receivers: receivers.max(1) })
    }

    /// The receiver of each row.
    ///
    /// # Errors
    /// `Internal` when the key is of another type than the bounds.
    pub fn receivers(&self, batch: &RecordBatch) -> Result<Vec<u32>> {
        let key = normal(batch.column(self.key))?;
        if *key.data_type() != self.data_type {
            let message = format!("bounds of type {} for a key of type {}", self.data_type, key.data_type());
            return Err(Error::internal(message));
        }
        let rows = self.converter.convert_columns(&[key])?;
        let ranges = self.bounds.len() + 1;
        let receiver = |range: usize| (range * self.receivers / ranges) as u32;
        Ok(rows.iter().map(|row| receiver(self.bounds.partition_point(|bound| bound.row() <= row))).collect())
    }

    /// The rows of each receiver, in their order.
    ///
    /// # Errors
    /// As [`receivers`](Self::receivers).
    pub fn split(&self, batch: &RecordBatch) -> Result<Vec<Option<RecordBatch>>> {
        super::split(batch, self.receivers(batch)?, self.receivers)
    }
}

/// Floats with one zero and one NaN, as sorting takes them; dictionaries as their values.
fn normal(array: &ArrayRef) -> Result<ArrayRef> {
    Ok(match array.data_type() {
        DataType::Float32 => Arc::new(
            array
                .as_primitive::<Float32Type>()
                .unary::<_, Float32Type>(|value| if value.is_nan() { f32::NAN } else { value + 0.0 }),
        ),
        DataType::Float64 => Arc::new(
            array
                .as_primitive::<Float64Type>()
                .unary::<_, Float64Type>(|value| if value.is_nan() { f64::NAN } else { value + 0.0 }),
        ),
        DataType::Dictionary(..) => {
            let dictionary = array.as_any_dictionary();
            take(dictionary.values(), dictionary.keys(), None)?
        }
        _ => Arc::clone(array),
    })
}
