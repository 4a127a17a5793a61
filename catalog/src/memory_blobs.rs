//! Blobs that end with the process.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use nyala_schema::Result;
use nyala_schema::guest::ModuleHash;

use crate::blob::{Blobs, hash};

#[derive(Default)]
pub struct MemoryBlobs(Mutex<BTreeMap<ModuleHash, Vec<u8>>>);

impl Blobs for MemoryBlobs {
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        let hash = hash(bytes);
        let mut blobs = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        blobs.entry(hash).or_insert_with(|| bytes.to_vec());
        Ok(hash)
    }

    fn get(&self, hash: ModuleHash) -> Result<Option<Vec<u8>>> {
        Ok(self.0.lock().unwrap_or_else(PoisonError::into_inner).get(&hash).cloned())
    }

    fn retain(&self, in_use: &BTreeSet<ModuleHash>) -> Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|hash, _| in_use.contains(hash));
        Ok(())
    }
}
