//! The bytes of modules, and who may still need them.

use std::sync::Arc;

use nyala_catalog::{Blobs, Snapshot};
use nyala_sandbox::Modules;
use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};

/// Bytes go when the last statement that may need them has ended: those of a version that was dropped while a query
/// runs stay until then.
pub struct ModuleStore {
    blobs: Box<dyn Blobs>,
    users: Arc<()>,
}

/// Held by a statement while it may need a module, or has put one that the catalog does not name yet.
#[derive(Clone)]
pub struct InUse(#[allow(dead_code, reason = "it is counted, not read")] Arc<()>);

impl ModuleStore {
    pub fn new(blobs: Box<dyn Blobs>) -> Self {
        Self { blobs, users: Arc::new(()) }
    }

    /// To be taken before the snapshot that the statement works on.
    pub fn in_use(&self) -> InUse {
        InUse(self.users.clone())
    }

    /// # Errors
    /// `Store` when the bytes could not be kept.
    pub fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        self.blobs.put(bytes)
    }

    /// Gives up what `newest` does not name, unless another statement runs: then a later one does it.
    ///
    /// # Errors
    /// `Store` when something could not be removed.
    pub fn collect(&self, newest: &Snapshot) -> Result<()> {
        if Arc::strong_count(&self.users) > 1 {
            return Ok(());
        }
        self.blobs.retain(&newest.modules_in_use())
    }
}

impl Modules for ModuleStore {
    fn bytes(&self, hash: ModuleHash) -> Result<Arc<[u8]>> {
        let bytes = self.blobs.get(hash)?;
        bytes.map(Arc::from).ok_or_else(|| {
            Error::new(ErrorCode::Store, format!("the module {hash} is not in the store any more"))
                .with_hint("create it again from its file")
        })
    }
}
