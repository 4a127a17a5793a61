//! Where a catalog is kept.

use nyala_schema::Result;

/// What a store keeps: the last snapshot, if any, and the commands after it with their versions, in order.
pub type Kept = (Option<Vec<u8>>, Vec<(u64, Vec<u8>)>);

/// A durable place for one snapshot and the commands after it, as bytes.
pub trait Store: Send + Sync {
    /// All that is kept.
    ///
    /// # Errors
    /// `Store` when what is kept cannot be read; nothing is lost by that.
    fn load(&self) -> Result<Kept>;

    /// Keeps a command; when this returns, it survives a crash.
    ///
    /// # Errors
    /// `Store` when it could not be written: it then may or may not be kept.
    fn append(&self, version: u64, command: &[u8]) -> Result<()>;

    /// Keeps a snapshot and forgets the commands up to its version.
    ///
    /// # Errors
    /// As `append`; the commands are then still there.
    fn save_snapshot(&self, version: u64, snapshot: &[u8]) -> Result<()>;
}
