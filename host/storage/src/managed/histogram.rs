//! How the values of a column are spread.

use arrow::array::UInt64Array;
use arrow::array::{Array, ArrayRef};
use arrow::compute::{cast, concat, sort, take};
use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::bound::Bound;
use nyala_schema::managed::Histogram;

use super::bounds::{bound_at, cut_below};

/// An equi-depth histogram of values (a sample of a column, or all of it) of one type in any physical form: `buckets + 1`
/// values that stand equally far apart in their order, the least and the greatest among them. `None` when there are fewer
/// than two values that are not NULL, or the type has no bounds.
///
/// # Errors
/// OutOfMemory and the like from sorting.
pub fn histogram_of(values: &[ArrayRef], buckets: usize) -> Result<Option<Histogram>> {
    let plain: Vec<ArrayRef> = values.iter().map(unpacked).collect::<Result<_>>()?;
    let parts: Vec<&dyn Array> = plain.iter().map(AsRef::as_ref).collect();
    if parts.is_empty() || buckets == 0 {
        return Ok(None);
    }
    let all = concat(&parts)?;
    let sorted = sort(&all, None)?;
    // NULLs come first.
    let nulls = sorted.null_count();
    let count = sorted.len() - nulls;
    if count < 2 {
        return Ok(None);
    }
    let steps = buckets.min(count - 1);
    let places = (0..=steps).map(|step| (nulls + step * (count - 1) / steps) as u64);
    let picked = take(&sorted, &UInt64Array::from_iter_values(places), None)?;
    let bounds: Option<Vec<Bound>> =
        (0..picked.len()).map(|row| bound_at(&picked, row).map(cut_below)).collect();
    Ok(bounds.map(|bounds| Histogram { bounds }))
}

fn unpacked(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, values) => Ok(cast(array, values)?),
        _ => Ok(array.clone()),
    }
}
