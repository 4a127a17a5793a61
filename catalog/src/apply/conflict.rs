//! What a commit in between may have changed under a statement.

use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};

use crate::snapshot::Snapshot;

/// Refuses to touch another table than the one that the statement was planned on.
pub(super) fn require_same_table(snapshot: &Snapshot, name: &str, id: TableId) -> Result<()> {
    let what = match snapshot.managed(name) {
        Some(table) if table.id == id => return Ok(()),
        Some(_) => "another table has this name now",
        None => "it was dropped or renamed",
    };
    Err(conflict(format!("the table \"{name}\" is not the one that the statement read: {what}")))
}

/// The statement can be run again on what is there now.
pub(super) fn conflict(message: String) -> Error {
    Error::new(ErrorCode::SerializationFailure, message)
        .with_hint("run the statement again, or the transaction: it then sees what has changed")
}
