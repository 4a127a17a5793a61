//! Errors with all that is known of them.

use super::generated::client_capnp::error_detail;
use super::optional_text;
use crate::error::{Error, ErrorCode, Position, Result};

pub(super) fn encode(value: &Error, mut builder: error_detail::Builder<'_>) {
    builder.set_sqlstate(value.code().sqlstate());
    builder.set_message(value.message());
    if let Some(position) = value.position() {
        builder.set_line(position.line);
        builder.set_column(position.column);
    }
    if let Some(hint) = value.hint() {
        builder.set_has_hint(true);
        builder.set_hint(hint);
    }
}

/// A code that this version does not know is kept in the message.
pub(super) fn decode(reader: error_detail::Reader<'_>) -> Result<Error> {
    let state = reader.get_sqlstate()?.to_str()?;
    let message = reader.get_message()?.to_str()?;
    let mut error = match ErrorCode::from_sqlstate(state) {
        Some(code) => Error::new(code, message),
        None => Error::internal(format!("{message} ({state})")),
    };
    if reader.get_line() > 0 {
        error = error.at(Position { line: reader.get_line(), column: reader.get_column() });
    }
    Ok(match optional_text(reader.get_has_hint(), || reader.get_hint())? {
        Some(hint) => error.with_hint(hint),
        None => error,
    })
}
