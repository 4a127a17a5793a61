//! Hot functions of text.

use std::sync::Arc;

use arrow::array::{Array, AsArray, StringViewArray, StringViewBuilder};
use arrow::datatypes::{DataType, Int64Type};
use nyala_schema::{Error, Result};

use crate::register::Register;

/// # Errors
/// Internal when an operand is no `Utf8View`.
pub(crate) fn concatenate(left: &Register, right: &Register) -> Result<Register> {
    if left.is_null_constant() || right.is_null_constant() {
        return Ok(Register::null(&DataType::Utf8View));
    }
    let (Some(l), Some(r)) = (left.array().as_string_view_opt(), right.array().as_string_view_opt()) else {
        let message = format!("|| over {} and {}", left.data_type(), right.data_type());
        return Err(Error::internal(message));
    };
    let at = |register: &Register, row| if register.is_constant() { 0 } else { row };
    let rows = if left.is_constant() { r.len() } else { l.len() };
    let mut builder = StringViewBuilder::with_capacity(rows);
    let mut text = String::new();
    for row in 0..rows {
        let (i, j) = (at(left, row), at(right, row));
        if l.is_null(i) || r.is_null(j) {
            builder.append_null();
            continue;
        }
        text.clear();
        text.push_str(l.value(i));
        text.push_str(r.value(j));
        builder.append_value(&text);
    }
    Ok(Register::new(Arc::new(builder.finish()), left.is_constant() && right.is_constant()))
}

/// `substr(text, start, length)` with constant numbers, as most queries have it. `None` for anything else.
pub(crate) fn substring(arguments: &[Register]) -> Option<Register> {
    let [input, start, length] = arguments else {
        return None;
    };
    let texts = input.array().as_string_view_opt()?;
    let (start, length) = (constant(start)?, constant(length)?);
    if length < 0 {
        return None;
    }
    // Positions before the first character use up length.
    let end = start.checked_add(length)?;
    let from = usize::try_from(start.max(1) - 1).ok()?;
    let count = usize::try_from((end - start.max(1)).max(0)).ok()?;
    Some(Register::new(Arc::new(cut(texts, from, count)), input.is_constant()))
}

fn constant(register: &Register) -> Option<i64> {
    match register {
        Register::Constant(array) if array.is_valid(0) => {
            array.as_primitive_opt::<Int64Type>().map(|array| array.value(0))
        }
        _ => None,
    }
}

/// `count` characters from the one at `from`, counted from 0.
fn cut(texts: &StringViewArray, from: usize, count: usize) -> StringViewArray {
    let mut builder = StringViewBuilder::with_capacity(texts.len());
    for row in 0..texts.len() {
        if texts.is_null(row) {
            builder.append_null();
            continue;
        }
        let text = texts.value(row);
        let window = text.len().min(from.saturating_add(count));
        // Where the bytes up to the end are ASCII, characters are bytes.
        if text.as_bytes()[..window].is_ascii() {
            builder.append_value(text.get(from.min(window)..window).unwrap_or_default());
        } else {
            builder.append_value(characters(text, from, count));
        }
    }
    builder.finish()
}

fn characters(text: &str, from: usize, count: usize) -> &str {
    let mut starts = text.char_indices().map(|(at, _)| at).chain([text.len()]);
    let Some(begin) = starts.by_ref().nth(from) else {
        return "";
    };
    if count == 0 {
        return "";
    }
    let end = starts.nth(count - 1).unwrap_or(text.len());
    &text[begin..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, Int64Array};

    fn substr(text: &str, start: i64, length: i64) -> String {
        let number = |value| Register::Constant(Arc::new(Int64Array::from(vec![value])) as ArrayRef);
        let texts = Register::Column(Arc::new(StringViewArray::from(vec![text])));
        let result = substring(&[texts, number(start), number(length)]).unwrap();
        result.array().as_string_view().value(0).to_owned()
    }

    #[test]
    fn substring_counts_characters_from_one() {
        assert_eq!(substr("13-702", 1, 2), "13");
        assert_eq!(substr("süßer", 2, 2), "üß");
        assert_eq!(substr("abc", 0, 2), "a");
        assert_eq!(substr("abc", -5, 2), "");
        assert_eq!(substr("abc", 3, 100), "c");
        assert_eq!(substr("abc", 9, 1), "");
        assert_eq!(substr("aß", 2, 1), "ß");
    }
}
