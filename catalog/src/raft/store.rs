//! What a replica keeps: its vote, its log and its newest snapshot, each value with a checksum.

use std::ops::Range;

use nyala_schema::{Error, ErrorCode, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::types::{decode, encode};

const CHECKSUM_BYTES: usize = 4;

/// The name of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    /// Whose store it is.
    Owner,
    Vote,
    /// Up to where the log was known to be committed; may be older than the truth.
    Committed,
    /// Up to where the log was given up.
    Purged,
    Snapshot,
    /// An entry of the log, by its index.
    Entry(u64),
}

impl Key {
    /// In an order that keeps the entries together and sorted.
    pub fn to_bytes(self) -> [u8; 9] {
        let (kind, index) = match self {
            Key::Owner => (0, 0),
            Key::Vote => (1, 0),
            Key::Committed => (2, 0),
            Key::Purged => (3, 0),
            Key::Snapshot => (4, 0),
            Key::Entry(index) => (5, index),
        };
        let mut bytes = [kind; 9];
        bytes[1..].copy_from_slice(&u64::to_be_bytes(index));
        bytes
    }

    /// The index, if these bytes name an entry.
    pub fn index_of(bytes: &[u8]) -> Option<u64> {
        let (kind, index) = bytes.split_first()?;
        let index = u64::from_be_bytes(index.try_into().ok()?);
        (*kind == 5).then_some(index)
    }
}

/// A step of a write.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// A sealed value; see [`put`].
    Put(Key, Vec<u8>),
    RemoveEntries(Range<u64>),
}

/// A place on a disk for one replica. It holds sealed bytes and knows nothing of what they mean. Whoever opens one that was
/// there before has it [`check`]ed.
pub trait ReplicaStore: Send + Sync + 'static {
    /// # Errors
    /// `Store` when the disk cannot be read.
    fn get(&self, key: Key) -> Result<Option<Vec<u8>>>;

    /// The entries that are there, by index.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn entries(&self, range: Range<u64>) -> Result<Vec<(u64, Vec<u8>)>>;

    /// The greatest index of an entry.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    fn last_entry(&self) -> Result<Option<u64>>;

    /// All of the changes, or none. They are seen at once, and survive a crash only when a later
    /// [`flush`](Self::flush) has returned; no later write survives without the earlier ones.
    ///
    /// # Errors
    /// `Store` when it could not be written.
    fn write(&self, changes: Vec<Change>) -> Result<()>;

    /// # Errors
    /// `Store` when it is not known what is on the disk: the replica must stop.
    fn flush(&self) -> Result<()>;

    /// Whether a flush takes as long as a disk does, so that it has to be kept off the threads of the runtime.
    fn waits_for_disk(&self) -> bool;
}

/// The change that keeps a value.
///
/// # Errors
/// `Internal` when the value has no written form.
pub fn put<T: Serialize>(key: Key, value: &T) -> Result<Change> {
    Ok(Change::Put(key, seal(key, &encode(value)?)))
}

/// A value that is kept.
///
/// # Errors
/// `Store` when it is damaged or cannot be read.
pub fn read<T: DeserializeOwned>(store: &dyn ReplicaStore, key: Key) -> Result<Option<T>> {
    store.get(key)?.map(|sealed| open(key, &sealed)).transpose()
}

/// # Errors
/// `Store` when the checksum is not that of this value under this key.
pub fn open<T: DeserializeOwned>(key: Key, sealed: &[u8]) -> Result<T> {
    decode(unseal(key, sealed)?)
}

fn seal(key: Key, bytes: &[u8]) -> Vec<u8> {
    let mut sealed = checksum(key, bytes).to_le_bytes().to_vec();
    sealed.extend_from_slice(bytes);
    sealed
}

fn unseal(key: Key, sealed: &[u8]) -> Result<&[u8]> {
    let (expected, bytes) = sealed.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(|| damaged(key))?;
    if checksum(key, bytes) == u32::from_le_bytes(*expected) { Ok(bytes) } else { Err(damaged(key)) }
}

/// The key is part of it: a value that turns up under another name is damage too.
fn checksum(key: Key, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&key.to_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

fn damaged(key: Key) -> Error {
    Error::new(ErrorCode::Store, format!("{key:?} of the replica's store does not match its checksum"))
        .with_hint(
            "put the store aside, take this replica out of the cluster, and add it again under a new id: it then gets \
             all from the others",
        )
}

/// All that is kept can be read, and the log has no hole.
///
/// # Errors
/// `Store` with what is damaged.
pub fn check(store: &dyn ReplicaStore) -> Result<()> {
    for key in [Key::Owner, Key::Vote, Key::Committed, Key::Purged, Key::Snapshot] {
        if let Some(sealed) = store.get(key)? {
            unseal(key, &sealed)?;
        }
    }
    let mut expected = None;
    for (index, sealed) in store.entries(0..u64::MAX)? {
        unseal(Key::Entry(index), &sealed)?;
        if expected.is_some_and(|expected| expected != index) {
            return Err(damaged(Key::Entry(expected.unwrap_or(index))));
        }
        expected = Some(index + 1);
    }
    Ok(())
}
