//! Where kernels get modules and keep compiled code.

use std::sync::Arc;

use nyala_schema::Result;
use nyala_schema::guest::ModuleHash;

/// The bytes of modules.
pub trait Modules: Send + Sync {
    /// The binary form of a module.
    ///
    /// # Errors
    /// `InvalidModule` when it is not there.
    fn bytes(&self, module: ModuleHash) -> Result<Arc<[u8]>>;
}

/// Compiled kernels kept beyond the process. What `get` gives is run as machine code: only what `put` was given on
/// this machine, or by somebody trusted as much, may come back.
pub trait KernelArtefacts: Send + Sync {
    fn get(&self, key: [u8; 32]) -> Option<Vec<u8>>;

    /// May keep nothing.
    fn put(&self, key: [u8; 32], code: &[u8]);
}
