//! Where a catalog is kept.

use nyala_schema::Result;

use crate::parts::{Pair, Part};

/// What a store keeps: the parts of the last snapshot that was saved, none when there was none, and the entries after it
/// with their versions, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kept {
    pub parts: Vec<Pair>,
    pub entries: Vec<(u64, Vec<u8>)>,
}

/// A durable place for the parts of one snapshot and the entries after it, as bytes.
///
/// Errors are `DiskFull`, `ReadOnly`, or `Store` for everything else; whatever fails can be tried again.
pub trait Store: Send + Sync {
    /// All that is kept.
    ///
    /// # Errors
    /// When what is kept cannot be read; nothing is lost by that.
    fn load(&self) -> Result<Kept>;

    /// Keeps entries, all with one wait for the disk; when this returns, they survive a crash.
    ///
    /// # Errors
    /// When they could not be written: none of them is kept then, unless the process ends before it has tidied up.
    fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<()>;

    /// Changes the parts to those of the snapshot of a version, and forgets the entries up to it: both or neither. `parts` are
    /// those that differ from version `base`, or all where that is `None`; all may be of another catalog, of a version that
    /// no entry has led to.
    ///
    /// # Errors
    /// When it could not be written; the parts and entries before are then still there.
    fn save_snapshot(&self, base: Option<u64>, version: u64, parts: &[Part]) -> Result<()>;

    /// Whether it is time for [`checkpoint`](Self::checkpoint): milliseconds since 1970.
    fn wants_checkpoint(&self, now_ms: i64) -> bool;

    /// Keeps all parts of a snapshot once more, apart from everything else, for the day on which the rest cannot be read.
    ///
    /// # Errors
    /// When it could not be written; earlier ones are then still there.
    fn checkpoint(&self, version: u64, now_ms: i64, parts: Vec<Pair>) -> Result<()>;
}
