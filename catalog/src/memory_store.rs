//! A store that ends with the process.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use nyala_schema::Result;

use crate::store::{Kept, Store};

#[derive(Default)]
pub struct MemoryStore(Mutex<Contents>);

#[derive(Default)]
struct Contents {
    snapshot: Option<Vec<u8>>,
    commands: BTreeMap<u64, Vec<u8>>,
}

impl Store for MemoryStore {
    fn load(&self) -> Result<Kept> {
        let contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let commands = contents.commands.iter().map(|(version, bytes)| (*version, bytes.clone()));
        Ok((contents.snapshot.clone(), commands.collect()))
    }

    fn append(&self, version: u64, command: &[u8]) -> Result<()> {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.commands.insert(version, command.to_vec());
        Ok(())
    }

    fn save_snapshot(&self, version: u64, snapshot: &[u8]) -> Result<()> {
        let mut contents = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        contents.snapshot = Some(snapshot.to_vec());
        contents.commands.retain(|kept, _| *kept > version);
        Ok(())
    }
}
