//! Errors of DataFusion's functions as our own.

use datafusion_common::DataFusionError;
use nyala_schema::{Error, ErrorCode};

/// Finds the cause under wrappers and gives it the code that fits.
pub(crate) fn from_datafusion(error: DataFusionError) -> Error {
    match error {
        DataFusionError::ArrowError(inner, _) => Error::from(*inner),
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => from_datafusion(*inner),
        DataFusionError::Execution(message) => Error::new(code_of(&message), message),
        DataFusionError::Plan(message) => Error::new(ErrorCode::DatatypeMismatch, message),
        DataFusionError::NotImplemented(message) => Error::unsupported(message),
        DataFusionError::ResourcesExhausted(message) => Error::new(ErrorCode::OutOfMemory, message),
        DataFusionError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::new(code_of(&other.to_string()), other.to_string()),
        },
        other => Error::internal(first_line(&other.to_string())),
    }
}

/// Functions report most failures as text only.
fn code_of(message: &str) -> ErrorCode {
    let lower = message.to_lowercase();
    if lower.contains("overflow") || lower.contains("out of range") || lower.contains("too large") {
        ErrorCode::NumericOverflow
    } else if lower.contains("divide by zero") || lower.contains("division by zero") {
        ErrorCode::DivisionByZero
    } else if lower.contains("pars") && (lower.contains("timestamp") || lower.contains("date")) {
        ErrorCode::InvalidDatetime
    } else {
        ErrorCode::InvalidParameter
    }
}

/// Internal errors carry advice for DataFusion's own users after the first line.
fn first_line(message: &str) -> String {
    message.lines().next().unwrap_or_default().to_owned()
}
