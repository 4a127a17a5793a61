//! A store that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use nyala_schema::Result;

use crate::parts::{Pair, Part};
use crate::store::{Kept, Store};

#[derive(Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    parts: BTreeMap<Vec<u8>, Vec<u8>>,
    entries: BTreeMap<u64, Vec<u8>>,
}

impl MemoryStore {
    fn contents(&self) -> MutexGuard<'_, Contents> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Kept> {
        let contents = self.contents();
        Ok(Kept {
            parts: contents.parts.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            entries: contents.entries.iter().map(|(version, bytes)| (*version, bytes.clone())).collect(),
        })
    }

    fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<()> {
        self.contents().entries.extend(entries.iter().cloned());
        Ok(())
    }

    fn save_snapshot(&self, base: Option<u64>, version: u64, parts: &[Part]) -> Result<()> {
        let mut contents = self.contents();
        if base.is_none() {
            contents.parts.clear();
        }
        for part in parts {
            match &part.value {
                Some(value) => contents.parts.insert(part.key.clone(), value.clone()),
                None => contents.parts.remove(&part.key),
            };
        }
        contents.entries.retain(|kept, _| *kept > version);
        Ok(())
    }

    /// Nothing outlives this store.
    fn wants_checkpoint(&self, _now_ms: i64) -> bool {
        false
    }

    fn checkpoint(&self, _version: u64, _now_ms: i64, _parts: Vec<Pair>) -> Result<()> {
        Ok(())
    }
}
