//! What the engines of nodes ask each other.
//!
//! Written with postcard. New requests and answers are added at the end, and nothing is ever taken out: two adjacent versions
//! of the program work together.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nyala_exchange::Service;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::statements::StatementRow;

/// Of engines; the numbers below are those of other parts.
pub const SERVICE: Service = Service(7);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Those that run there, and some that ran.
    Statements,
    Kill {
        id: u128,
    },
    Profile {
        id: u128,
    },
    /// Of the warehouse, once the catalog there is at least this new.
    FilesInUse {
        version: u64,
    },
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Answer {
    Statements(Vec<StatementRow>),
    /// Whether it ran there.
    Killed(bool),
    /// `None` when it is not known there.
    Profile(Option<String>),
    FilesInUse(FilesInUse),
}

/// What statements of one node need of the warehouse, beyond what the newest catalog there names.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct FilesInUse {
    /// Tables with files that no commit names yet.
    pub writing: BTreeSet<u128>,
    pub reading: BTreeMap<u128, BTreeSet<Arc<str>>>,
}

impl FilesInUse {
    pub fn new(writing: BTreeSet<TableId>, reading: BTreeMap<TableId, BTreeSet<Arc<str>>>) -> Self {
        Self {
            writing: writing.into_iter().map(|table| table.0).collect(),
            reading: reading.into_iter().map(|(table, files)| (table.0, files)).collect(),
        }
    }

    pub fn add(&mut self, other: Self) {
        self.writing.extend(other.writing);
        for (table, files) in other.reading {
            self.reading.entry(table).or_default().extend(files);
        }
    }

    pub fn is_writing(&self, table: TableId) -> bool {
        self.writing.contains(&table.0)
    }

    pub fn is_reading(&self, table: TableId, path: &str) -> bool {
        self.reading.get(&table.0).is_some_and(|files| files.contains(path))
    }
}

/// # Errors
/// `Internal`: none of our types fails to be written.
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>> {
    postcard::to_allocvec(message)
        .map_err(|error| Error::internal(format!("a message cannot be written: {error}")))
}

/// # Errors
/// `Connection` for bytes that are no message of this version or the one before.
pub fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let (message, rest) = postcard::take_from_bytes(bytes).map_err(|error| unreadable(&error.to_string()))?;
    if rest.is_empty() { Ok(message) } else { Err(unreadable("it is too long")) }
}

fn unreadable(why: &str) -> Error {
    Error::new(ErrorCode::Connection, format!("a message of another node cannot be read: {why}"))
        .with_hint("see that the versions of the nodes are next to each other: nyala cluster upgrade-check")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_back_and_damaged_ones_are_refused() {
        let request = Request::FilesInUse { version: u64::MAX };
        let bytes = encode(&request).unwrap();
        assert_eq!(decode::<Request>(&bytes).unwrap(), request);
        for end in 0..bytes.len() {
            assert_eq!(decode::<Request>(&bytes[..end]).unwrap_err().code(), ErrorCode::Connection);
        }
        let longer = [bytes.as_slice(), &[0]].concat();
        assert_eq!(decode::<Request>(&longer).unwrap_err().code(), ErrorCode::Connection);
        // A list that announces more than there is must not be allocated.
        assert!(decode::<Answer>(&[0, 255, 255, 255, 255, 255, 255, 255, 255, 1]).is_err());
    }
}
