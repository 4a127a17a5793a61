//! Normal forms: equal keys get equal bytes.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Float32Array, Float64Array};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use nyala_schema::Result;

use crate::column::dictionary::unpack;

/// Floats have one zero and one NaN, dictionaries are unpacked; other columns are as they were.
pub(crate) fn normalise(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            let normal: Float32Array =
                floats.unary(|value| if value.is_nan() { f32::NAN } else { value + 0.0 });
            Ok(Arc::new(normal))
        }
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            let normal: Float64Array =
                floats.unary(|value| if value.is_nan() { f64::NAN } else { value + 0.0 });
            Ok(Arc::new(normal))
        }
        _ => unpack(array),
    }
}

pub(crate) fn normalise_all(arrays: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
    arrays.iter().map(normalise).collect()
}

/// The type that [`normalise`] gives.
pub(crate) fn normal_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Dictionary(_, value) => value.as_ref().clone(),
        other => other.clone(),
    }
}
