//! Constants that are none of their column's type, found where they are written.

use std::sync::Arc;

use arrow::array::{ArrayRef, StringArray};
use arrow::compute::{CastOptions, can_cast_types, cast_with_options};
use arrow::datatypes::DataType;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::{Expr, Spanned, UnaryOperator, Value};

use crate::diagnose::at;
use crate::locate::position_of;
use crate::suggest::quoted;
use crate::types::sql_name;

/// # Errors
/// `InvalidText`, `InvalidDatetime`, `NumericOverflow` or `DatatypeMismatch`, with the column's name and the place.
pub(crate) fn check(column: &str, data_type: &DataType, value: &Expr) -> Result<()> {
    let wrong = match literal(value) {
        Some(Literal::Text(text)) => wrong_text(&text, data_type),
        Some(Literal::Number(text)) => wrong_number(&text, data_type),
        Some(Literal::Boolean) if is_time(data_type) => Some(ErrorCode::DatatypeMismatch),
        _ => None,
    };
    let Some(code) = wrong else { return Ok(()) };
    let message = format!("column {} is {}: {value} is none", quoted(column), sql_name(data_type));
    Err(at(Error::new(code, message), position_of(value.span().start)))
}

enum Literal {
    Text(String),
    /// With its sign.
    Number(String),
    Boolean,
}

fn literal(value: &Expr) -> Option<Literal> {
    match value {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(Literal::Text(text.clone())),
            Value::Number(text, _) => Some(Literal::Number(text.clone())),
            Value::Boolean(_) => Some(Literal::Boolean),
            _ => None,
        },
        Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match literal(expr)? {
            Literal::Number(text) => Some(Literal::Number(format!("-{text}"))),
            _ => None,
        },
        Expr::Nested(inner) => literal(inner),
        _ => None,
    }
}

fn is_time(data_type: &DataType) -> bool {
    matches!(
        data_type,
        DataType::Date32
            | DataType::Date64
            | DataType::Timestamp(..)
            | DataType::Time32(_)
            | DataType::Time64(_)
    )
}

fn wrong_text(text: &str, data_type: &DataType) -> Option<ErrorCode> {
    if !can_cast_types(&DataType::Utf8, data_type) {
        return None;
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let reads = |text: &str| {
        let array: ArrayRef = Arc::new(StringArray::from(vec![text]));
        cast_with_options(&array, data_type, &options).is_ok()
    };
    if reads(text) || reads(text.trim()) {
        return None;
    }
    Some(if is_time(data_type) { ErrorCode::InvalidDatetime } else { ErrorCode::InvalidText })
}

fn wrong_number(text: &str, data_type: &DataType) -> Option<ErrorCode> {
    let (min, max): (i128, i128) = match data_type {
        DataType::Int8 => (i8::MIN.into(), i8::MAX.into()),
        DataType::Int16 => (i16::MIN.into(), i16::MAX.into()),
        DataType::Int32 => (i32::MIN.into(), i32::MAX.into()),
        DataType::Int64 => (i64::MIN.into(), i64::MAX.into()),
        DataType::UInt8 => (0, u8::MAX.into()),
        DataType::UInt16 => (0, u16::MAX.into()),
        DataType::UInt32 => (0, u32::MAX.into()),
        DataType::UInt64 => (0, u64::MAX.into()),
        data_type if is_time(data_type) => return Some(ErrorCode::DatatypeMismatch),
        _ => return None,
    };
    let number: i128 = text.parse().ok()?;
    (!(min..=max).contains(&number)).then_some(ErrorCode::NumericOverflow)
}
