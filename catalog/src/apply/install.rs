//! A whole snapshot in the place of an empty one.

use nyala_schema::{Error, ErrorCode, Result};

use crate::snapshot::Snapshot;

/// # Errors
/// `InvalidParameter` for a catalog that is in use, `CorruptFile` for what is no snapshot: the same on every replica.
pub(super) fn install(before: &Snapshot, bytes: &[u8]) -> Result<Snapshot> {
    let snapshot = Snapshot::decode(bytes).map_err(|error| {
        Error::new(ErrorCode::CorruptFile, format!("the snapshot cannot be read: {}", error.message()))
    })?;
    before.must_give_way(&snapshot)?;
    Ok(snapshot)
}
