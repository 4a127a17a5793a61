//! Where two runs of a program differ first, in words. Floats are compared by their bits, NaN with NaN as equal.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow::util::display::array_value_to_string;
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_schema::Result;

use crate::column::dictionary::unpack;

/// `all` are the rows that there were; a missing selection means all of them.
pub(super) fn selections(
    given: Option<&Vec<u32>>,
    expected: Option<&Vec<u32>>,
    all: &[u32],
) -> Option<String> {
    let (given, expected) = (given.map_or(all, Vec::as_slice), expected.map_or(all, Vec::as_slice));
    if given == expected {
        return None;
    }
    let at = given.iter().zip(expected).position(|(left, right)| left != right);
    let at = at.unwrap_or(given.len().min(expected.len()));
    let row = match (given.get(at), expected.get(at)) {
        (Some(left), Some(right)) => left.min(right),
        (left, right) => left.or(right).unwrap_or(&0),
    };
    let (who, other) = match given.contains(row) {
        true => ("passes", "the interpreter drops it"),
        false => ("is dropped", "it passes in the interpreter"),
    };
    Some(format!("row {row} {who}, {other}"))
}

/// # Errors
/// None for well-formed arrays.
pub(super) fn columns(
    given: &[ArrayRef],
    expected: &[ArrayRef],
    selection: Option<&[u32]>,
    all: &[u32],
) -> Result<Option<String>> {
    if given.len() != expected.len() {
        return Ok(Some(format!("{} columns against {}", given.len(), expected.len())));
    }
    for (index, (left, right)) in given.iter().zip(expected).enumerate() {
        let (left, right) = (normal(&unpack(left)?), normal(&unpack(right)?));
        if left.data_type() != right.data_type() || left.len() != right.len() {
            return Ok(Some(format!(
                "output {index} is {} values of type {} against {} of {}",
                left.len(),
                left.data_type(),
                right.len(),
                right.data_type()
            )));
        }
        if left.to_data() == right.to_data() {
            continue;
        }
        let differs = |&row: &usize| left.slice(row, 1).to_data() != right.slice(row, 1).to_data();
        let Some(at) = (0..left.len()).find(differs) else { continue };
        let row = selection.unwrap_or(all).get(at).copied().unwrap_or(at as u32);
        let (left, right) = (shown(&left, at)?, shown(&right, at)?);
        return Ok(Some(format!("output {index} in row {row} is {left} against {right}")));
    }
    Ok(None)
}

fn shown(array: &ArrayRef, row: usize) -> Result<String> {
    if array.is_null(row) { Ok("NULL".to_owned()) } else { Ok(array_value_to_string(array, row)?) }
}

/// With one NaN for all.
fn normal(array: &ArrayRef) -> ArrayRef {
    match array.data_type() {
        DataType::Float32 => {
            let floats = array.as_primitive::<Float32Type>();
            Arc::new(floats.unary::<_, Float32Type>(|value| if value.is_nan() { f32::NAN } else { value }))
        }
        DataType::Float64 => {
            let floats = array.as_primitive::<Float64Type>();
            Arc::new(floats.unary::<_, Float64Type>(|value| if value.is_nan() { f64::NAN } else { value }))
        }
        _ => array.clone(),
    }
}

/// Of the records of all groups, the fields that the program updates; what else there is must be the same bytes.
pub(super) fn records(
    updates: &[StateUpdate],
    given: &[u8],
    expected: &[u8],
    stride: usize,
) -> Option<String> {
    if given == expected {
        return None;
    }
    let stride = stride.max(1);
    let groups = given.chunks(stride).zip(expected.chunks(stride)).enumerate();
    groups.filter(|(_, (left, right))| left != right).find_map(|(group, (left, right))| {
        let (mut left, mut right) = (left.to_vec(), right.to_vec());
        for update in updates {
            unify_nan(update, &mut left, &mut right);
        }
        let at = (0..left.len().min(right.len())).find(|&at| left[at] != right[at])?;
        let field = updates.iter().find(|update| field_range(update).contains(&at));
        let field = field.map_or_else(|| format!("byte {at}"), |update| format!("`{update}`"));
        Some(format!("the state of group {group} differs in {field}"))
    })
}

fn field_range(update: &StateUpdate) -> std::ops::Range<usize> {
    let start = update.offset as usize;
    start..start + update.op.size().unwrap_or(0) as usize
}

/// Two NaN of other bits are the same.
fn unify_nan(update: &StateUpdate, left: &mut [u8], right: &mut [u8]) {
    let range = field_range(update);
    let (Some(left), Some(right)) = (left.get_mut(range.clone()), right.get_mut(range)) else { return };
    let both_nan = match &update.op {
        StateOp::SumFloat | StateOp::Min(DataType::Float64) | StateOp::Max(DataType::Float64) => {
            let is_nan =
                |bytes: &[u8]| bytes.try_into().is_ok_and(|bytes| f64::from_le_bytes(bytes).is_nan());
            is_nan(left) && is_nan(right)
        }
        StateOp::Min(DataType::Float32) | StateOp::Max(DataType::Float32) => {
            let is_nan =
                |bytes: &[u8]| bytes.try_into().is_ok_and(|bytes| f32::from_le_bytes(bytes).is_nan());
            is_nan(left) && is_nan(right)
        }
        StateOp::Count | StateOp::SumInteger | StateOp::Min(_) | StateOp::Max(_) => false,
    };
    if both_nan {
        left.copy_from_slice(right);
    }
}
