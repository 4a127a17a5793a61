//! Errors of CSV files, told in terms of the file.

use nyala_schema::{Error, ErrorCode};

/// Makes an error of the CSV parser's message; `lines_before` lines of the file came before what it counts.
pub fn csv_error(path: &str, lines_before: u64, message: &str) -> Error {
    let plain = message.strip_prefix("Csv error: ").unwrap_or(message);
    match wrong_shape(plain) {
        Some((line, expected, got)) => Error::new(
            ErrorCode::InvalidText,
            format!("'{path}', line {}: expected {expected} fields, found {got}", line + lines_before),
        )
        .with_hint("check the delimiter, and the quotes around fields that contain it"),
        None if plain.contains("UTF-8") => {
            Error::new(ErrorCode::InvalidText, format!("'{path}' is not UTF-8 text: {plain}"))
        }
        None => Error::new(ErrorCode::InvalidText, format!("'{path}' cannot be read as CSV: {plain}")),
    }
}

/// Reads `incorrect number of fields for line 5, expected 3 got 2`.
fn wrong_shape(message: &str) -> Option<(u64, &str, &str)> {
    let rest = message.strip_prefix("incorrect number of fields for line ")?;
    let (line, rest) = rest.split_once(", expected ")?;
    let (expected, got) = rest.split_once(" got ")?;
    Some((line.parse().ok()?, expected, got))
}

pub fn value_error(path: &str, line: u64, column: &str, value: &str, wanted: &str) -> Error {
    /// Longer values are cut in messages, bytes.
    const SHOWN_MAX: usize = 60;
    let shown = match value.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}…", &value[..end]),
        None => value.to_owned(),
    };
    Error::new(
        ErrorCode::InvalidText,
        format!("'{path}', line {line}, column '{column}': '{shown}' is not {wanted}"),
    )
    .with_hint("declare the column as TEXT, or say which text stands for NULL")
}
