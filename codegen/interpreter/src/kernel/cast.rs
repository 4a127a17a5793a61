//! `Op::Cast`.

use arrow::array::ArrayRef;
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::{
    DataType, Int8Type, Int16Type, Int32Type, Int64Type, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow::error::ArrowError;
use arrow::util::display::FormatOptions;
use nyala_schema::{Error, ErrorCode, Result};

use super::decimal;
use crate::register::Register;

/// Decimals to integers are truncated, as the optimizer does when it folds constants.
///
/// # Errors
/// InvalidText, InvalidDatetime and NumericOverflow by the types involved, unless `safe`: then NULL.
pub(crate) fn cast(input: &Register, target: &DataType, safe: bool) -> Result<Register> {
    if input.data_type() == target {
        return Ok(input.clone());
    }
    input.map(|array| cast_array(array, target, safe))
}

/// # Errors
/// As for [`cast`].
pub(crate) fn cast_array(array: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef> {
    let source = array.data_type();
    if source == target {
        return Ok(array.clone());
    }
    if matches!(target, DataType::Decimal64(..) | DataType::Decimal128(..)) {
        match source {
            DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => {
                return decimal::rescale(array, target, safe);
            }
            DataType::Int8 => return decimal::from_integers::<Int8Type>(array, target, safe),
            DataType::Int16 => return decimal::from_integers::<Int16Type>(array, target, safe),
            DataType::Int32 => return decimal::from_integers::<Int32Type>(array, target, safe),
            DataType::Int64 => return decimal::from_integers::<Int64Type>(array, target, safe),
            DataType::UInt8 => return decimal::from_integers::<UInt8Type>(array, target, safe),
            DataType::UInt16 => return decimal::from_integers::<UInt16Type>(array, target, safe),
            DataType::UInt32 => return decimal::from_integers::<UInt32Type>(array, target, safe),
            DataType::UInt64 => return decimal::from_integers::<UInt64Type>(array, target, safe),
            _ => {}
        }
    }
    through_arrow(array, target, safe)
}

/// Arrow lacks a few pairs with the newer types; they go by way of an older one.
fn through_arrow(array: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef> {
    let source = array.data_type();
    let detour = match (source, target) {
        (DataType::Utf8View, _) if !can_cast_types(source, target) => Some(DataType::Utf8),
        (_, DataType::Utf8View) if !can_cast_types(source, target) => Some(DataType::Utf8),
        _ => None,
    };
    if let Some(between) = detour {
        let array = arrow_cast(array, &between, safe)?;
        return cast_array(&array, target, safe);
    }
    arrow_cast(array, target, safe)
}

fn arrow_cast(array: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef> {
    let options = CastOptions { safe, format_options: FormatOptions::default() };
    cast_with_options(array, target, &options).map_err(|error| failure(error, array.data_type(), target))
}

/// Arrow says what failed in words only; which kind of failure it is follows from the types.
fn failure(error: ArrowError, source: &DataType, target: &DataType) -> Error {
    let textual = matches!(source, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    match error {
        ArrowError::CastError(message) | ArrowError::ParseError(message) => {
            let code = if textual && target.is_temporal() {
                ErrorCode::InvalidDatetime
            } else if textual {
                ErrorCode::InvalidText
            } else if can_cast_types(source, target) {
                ErrorCode::NumericOverflow
            } else {
                ErrorCode::DatatypeMismatch
            };
            Error::new(code, message).with_hint("TRY_CAST gives NULL for what cannot be converted")
        }
        other => Error::from(other),
    }
}
