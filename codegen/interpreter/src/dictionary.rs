//! Dictionary-encoded text: an operation on one such column is done once per dictionary entry, not per row.

use std::sync::Arc;

use arrow::array::{
    AnyDictionaryArray, Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, DictionaryArray,
    PrimitiveArray, UInt32Array,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::take;
use arrow::datatypes::{
    ArrowDictionaryKeyType, ArrowNativeType, DataType, UInt8Type, UInt16Type, UInt32Type,
};
use nyala_schema::Result;

use crate::kernel::cast::cast_array;
use crate::register::Register;

/// `Dictionary(UInt8 | UInt16 | UInt32, Utf8View)`
pub(crate) fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(key, value) => {
            **value == DataType::Utf8View
                && matches!(**key, DataType::UInt8 | DataType::UInt16 | DataType::UInt32)
        }
        _ => false,
    }
}

/// Evaluates an operation of which exactly one operand is a dictionary column and all others are constant on the
/// dictionary's entries. `None` when the operands are not so, when that would not pay, or when it fails: an entry
/// that no row has may not make the query fail.
pub(crate) fn by_entry(
    operands: &[Register],
    strict: bool,
    compute: impl Fn(&[Register], usize) -> Result<Register>,
) -> Result<Option<Register>> {
    let mut columns = operands.iter().enumerate().filter(|(_, operand)| !operand.is_constant());
    let (Some((index, Register::Column(column))), None) = (columns.next(), columns.next()) else {
        return Ok(None);
    };
    if !is_text(column.data_type()) {
        return Ok(None);
    }
    let dictionary = column.as_any_dictionary();
    // A NULL code has no entry to compute with; only a strict operation gives NULL for it.
    if dictionary.values().len() >= column.len() || (!strict && dictionary.keys().null_count() > 0) {
        return Ok(None);
    }
    let mut entries = operands.to_vec();
    entries[index] = Register::Column(dictionary.values().clone());
    match compute(&entries, dictionary.values().len()) {
        Ok(Register::Constant(array)) => Ok(Some(Register::Constant(array))),
        Ok(Register::Column(results)) => Ok(Some(Register::Column(spread(dictionary, results)?))),
        Err(_) => Ok(None),
    }
}

/// As [`by_entry`], but on no entry that no row has: the operation counts its failures.
///
/// # Errors
/// Those of the operation.
pub(crate) fn by_used_entry(
    operands: &[Register],
    strict: bool,
    compute: impl Fn(&[Register], usize) -> Result<Register>,
) -> Result<Option<Register>> {
    let mut columns = operands.iter().enumerate().filter(|(_, operand)| !operand.is_constant());
    let (Some((index, Register::Column(column))), None) = (columns.next(), columns.next()) else {
        return Ok(None);
    };
    if !is_text(column.data_type()) || column.is_empty() {
        return Ok(None);
    }
    let dictionary = column.as_any_dictionary();
    let nulls = dictionary.keys().nulls();
    if dictionary.values().is_empty() || (!strict && dictionary.keys().null_count() > 0) {
        return Ok(None);
    }
    let codes = dictionary.normalized_keys();
    let mut places: Vec<Option<u32>> = vec![None; dictionary.values().len()];
    let mut used: Vec<u32> = vec![];
    for (row, &code) in codes.iter().enumerate() {
        if nulls.is_none_or(|nulls| nulls.is_valid(row)) && places[code].is_none() {
            places[code] = Some(used.len() as u32);
            used.push(code as u32);
        }
    }
    if used.is_empty() || used.len() >= column.len() {
        return Ok(None);
    }
    let rows = codes.iter().enumerate().map(|(row, &code)| match nulls {
        Some(nulls) if nulls.is_null(row) => None,
        _ => places[code],
    });
    let rows: UInt32Array = rows.collect();
    let count = used.len();
    let mut entries = operands.to_vec();
    entries[index] = Register::Column(take(dictionary.values(), &UInt32Array::from(used), None)?);
    let results = compute(&entries, count)?.into_column(count)?;
    Ok(Some(Register::Column(take(&results, &rows, None)?)))
}

/// From one result an entry to one a row.
fn spread(dictionary: &dyn AnyDictionaryArray, results: ArrayRef) -> Result<ArrayRef> {
    match dictionary.keys().data_type() {
        DataType::UInt8 => spread_by::<UInt8Type>(dictionary, results),
        DataType::UInt16 => spread_by::<UInt16Type>(dictionary, results),
        _ => spread_by::<UInt32Type>(dictionary, results),
    }
}

fn spread_by<K: ArrowDictionaryKeyType>(
    dictionary: &dyn AnyDictionaryArray,
    results: ArrayRef,
) -> Result<ArrayRef> {
    let codes: &PrimitiveArray<K> = dictionary.keys().as_primitive::<K>();
    match results.data_type() {
        DataType::Utf8View => Ok(Arc::new(DictionaryArray::<K>::try_new(codes.clone(), results)?)),
        DataType::Boolean => Ok(Arc::new(spread_boolean(codes, results.as_boolean()))),
        _ => Ok(take(&results, codes, None)?),
    }
}

/// Through a table of bytes, which is faster than reading single bits.
fn spread_boolean<K: ArrowPrimitiveType>(codes: &PrimitiveArray<K>, results: &BooleanArray) -> BooleanArray {
    let look_up = |bits: &BooleanBuffer| {
        // Codes under NULL may be anything; the table has an entry for every one that can be valid.
        let table: Vec<bool> = bits.iter().collect();
        let codes = codes.values();
        BooleanBuffer::collect_bool(codes.len(), |row| {
            table.get(codes[row].as_usize()).copied().unwrap_or(false)
        })
    };
    let values = look_up(results.values());
    let nulls = results.nulls().filter(|nulls| nulls.null_count() > 0);
    let spread_nulls = nulls.map(|nulls| NullBuffer::new(look_up(nulls.inner())));
    BooleanArray::new(values, NullBuffer::union(spread_nulls.as_ref(), codes.nulls()))
}

/// As plain values.
///
/// # Errors
/// None for well-formed arrays.
pub(crate) fn unpacked(register: Register) -> Result<Register> {
    match register.data_type() {
        DataType::Dictionary(_, value) => {
            let value = value.as_ref().clone();
            register.map(|array| cast_array(array, &value, false))
        }
        _ => Ok(register),
    }
}
