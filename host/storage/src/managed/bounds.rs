//! Bounds of columns: of rows in memory, and cut short for the catalog.

use arrow::array::{Array, ArrayRef};
use arrow::compute::{SortOptions, sort_limit};
use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::bound::Bound;
use nyala_schema::managed::file_statistics::TEXT_BOUND_BYTES;
use nyala_schema::value::Value;

use crate::prune::Bounds;

/// Bounds of an array; of no type with floats that are no number.
///
/// # Errors
/// Those of Arrow's kernels.
pub fn bounds_of(array: &ArrayRef) -> Result<Bounds> {
    let nulls = array.logical_null_count();
    let end = |descending: bool| -> Result<Option<Bound>> {
        if nulls == array.len() || array.data_type().is_nested() {
            return Ok(None);
        }
        let first = sort_limit(array, Some(SortOptions { descending, nulls_first: false }), Some(1))?;
        Ok(bound_at(&first, 0))
    };
    let (min, max) = (end(false)?, end(true)?);
    // Numbers that are none sort last: then there is no greatest, and no bounds.
    let min = min.filter(|_| max.is_some());
    Ok(Bounds { min, max, nulls: Some(nulls as u64), rows: array.len() as u64 })
}

/// One value as a bound; `None` for NULL, for a float that is no number, and for types without bounds.
pub fn bound_at(array: &ArrayRef, row: usize) -> Option<Bound> {
    let value = Value::from_row(array, row);
    match array.data_type() {
        DataType::Float32 | DataType::Float64 => value.as_f64().filter(|it| !it.is_nan()).map(Bound::Float),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => {
            value.as_str().map(|text| Bound::Text(text.as_bytes().to_vec()))
        }
        _ => value.as_i128().map(Bound::Int),
    }
}

/// A lower bound of text cut to [`TEXT_BOUND_BYTES`], at the end of a character.
pub fn cut_below(bound: Bound) -> Bound {
    match bound {
        Bound::Text(mut text) => {
            text.truncate(whole_characters(&text));
            Bound::Text(text)
        }
        other => other,
    }
}

/// An upper bound of text cut in the same way and made greater than what was cut; as it is when there is nothing greater.
pub fn cut_above(bound: Bound) -> Bound {
    let Bound::Text(text) = bound else { return bound };
    if text.len() <= TEXT_BOUND_BYTES {
        return Bound::Text(text);
    }
    let cut = std::str::from_utf8(&text[..whole_characters(&text)]).unwrap_or("");
    let greater = cut.char_indices().rev().find_map(|(start, last)| {
        let next = (u32::from(last) + 1..=u32::from(char::MAX)).find_map(char::from_u32)?;
        Some(format!("{}{next}", &cut[..start]).into_bytes())
    });
    Bound::Text(greater.unwrap_or(text))
}

/// The greatest length up to [`TEXT_BOUND_BYTES`] that cuts no character of UTF-8 in two.
fn whole_characters(text: &[u8]) -> usize {
    const CONTINUATION: u8 = 0b1000_0000;
    let mut end = text.len().min(TEXT_BOUND_BYTES);
    while end > 0 && end < text.len() && text[end] & 0b1100_0000 == CONTINUATION {
        end -= 1;
    }
    end
}
