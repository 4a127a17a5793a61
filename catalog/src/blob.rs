//! Where the bytes of modules are kept.

use std::collections::BTreeSet;

use nyala_schema::Result;
use nyala_schema::guest::ModuleHash;
use sha2::{Digest, Sha256};

/// Bytes by their SHA-256. They are put before a command names them, so what a catalog names is always there.
pub trait Blobs: Send + Sync {
    /// Keeps bytes; when this returns, they survive a crash. The same bytes are kept once.
    ///
    /// # Errors
    /// `Store` when they could not be written.
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash>;

    /// The bytes of that hash, or `None` when they were never put or have been given up.
    ///
    /// # Errors
    /// `Store` when they cannot be read or are not what was put.
    fn get(&self, hash: ModuleHash) -> Result<Option<Vec<u8>>>;

    /// Gives up all bytes but these. The caller sees to it that nothing has been put which a command is still about
    /// to name: that would be lost.
    ///
    /// # Errors
    /// `Store` when something could not be removed; some may be gone then.
    fn retain(&self, in_use: &BTreeSet<ModuleHash>) -> Result<()>;
}

/// The name of these bytes.
pub fn hash(bytes: &[u8]) -> ModuleHash {
    ModuleHash(Sha256::digest(bytes).into())
}
