//! Names that may be given, and names in SQL text.

use nyala_schema::table::{MAIN_SCHEMA, split_name};
use nyala_schema::{Error, ErrorCode, Result};

use crate::near_miss::with_near_miss;
use crate::snapshot::Snapshot;

/// Refuses a name of a schema, or a part of a name, that could not be told from others.
pub(super) fn require_plain(name: &str, noun: &str) -> Result<()> {
    let reason = if name.is_empty() {
        "is empty"
    } else if name.contains('.') {
        "has a dot"
    } else {
        return Ok(());
    };
    Err(Error::new(ErrorCode::InvalidParameter, format!("the name \"{name}\" of a {noun} {reason}"))
        .with_hint("choose a name without dots: a dot stands between schema and table"))
}

/// Refuses a table name that cannot be, or whose schema is not there.
pub(super) fn require_table_name(snapshot: &Snapshot, name: &str) -> Result<()> {
    let (schema, table) = split_name(name);
    require_plain(table, "table")?;
    if schema == MAIN_SCHEMA && name.contains('.') {
        let message = format!("\"{name}\" is to be written \"{table}\" in the catalog");
        return Err(Error::internal(message));
    }
    require_schema(snapshot, schema)
}

pub(super) fn require_schema(snapshot: &Snapshot, schema: &str) -> Result<()> {
    if snapshot.schemas.contains_key(schema) {
        return Ok(());
    }
    let error = Error::new(ErrorCode::UndefinedSchema, format!("there is no schema \"{schema}\""))
        .with_hint(format!("create it first: CREATE SCHEMA {schema}"));
    Err(with_near_miss(error, schema, snapshot.schemas.keys()))
}

/// Whether SQL text names something: as an identifier in any case, or quoted exactly. A name inside a string does not count.
pub(super) fn mentions(sql: &str, name: &str) -> bool {
    let mut rest = sql;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '\'' => quoted_length(rest, '\''),
            '"' => {
                let length = quoted_length(rest, '"');
                let inner = rest[..length].trim_start_matches('"').trim_end_matches('"');
                if inner.replace("\"\"", "\"") == name {
                    return true;
                }
                length
            }
            c if is_word(c) => {
                let length = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
                if rest[..length].to_lowercase() == name.to_lowercase() {
                    return true;
                }
                length
            }
            c => c.len_utf8(),
        };
        rest = &rest[length..];
    }
    false
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_' || c == '$'
}

/// Bytes of quoted text at the start, both quotes included; all of it when it does not end.
fn quoted_length(text: &str, quote: char) -> usize {
    let mut at = quote.len_utf8();
    while let Some(end) = text[at..].find(quote) {
        at += end + quote.len_utf8();
        if !text[at..].starts_with(quote) {
            return at;
        }
        at += quote.len_utf8();
    }
    text.len()
}
