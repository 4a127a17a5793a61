//! The parts and entries in sled, in one tree, so that a batch over both is atomic.
//!
//! Every value has a checksum over its key and itself. A seal says how many parts there are and adds up their checksums: a
//! part that is gone, or is an older one, is noticed too.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use nyala_schema::{Error, ErrorCode, Result};

use crate::disk::{self, LOCK_ATTEMPTS, LOCK_WAIT};
use crate::parts::image::checksum;
use crate::parts::{FORMAT_VERSION, Part};
use crate::store::Kept;

/// sled's page cache; a catalog is read once.
const CACHE_BYTES: u64 = 16 << 20;
const CHECKSUM_BYTES: usize = 4;
const SEAL_KEY: &[u8] = b"seal";
const PART: u8 = b'p';
const ENTRY: u8 = b'e';
/// Of stores before there were parts.
const OLD_SNAPSHOT_KEY: &[u8] = b"snapshot";

pub(super) struct Database(sled::Db);

/// What opening can come to.
pub(super) enum Opened {
    /// With what it keeps, and the version of its parts; `None` when it keeps nothing.
    Whole(Database, Option<u64>, Kept),
    /// Why it cannot be used.
    Damaged(String),
}

/// Of all parts: their version, how many, and the sum of their checksums.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Seal {
    version: u64,
    parts: u64,
    sum: u64,
}

impl Database {
    /// Opens or creates the folder and reads and verifies everything.
    ///
    /// # Errors
    /// When the folder cannot be used, or is of a format that this version does not know.
    pub fn open(path: &Path) -> Result<Opened> {
        // sled asserts what it reads: a panic is a finding about the files, not about us.
        let opened = catch_unwind(AssertUnwindSafe(|| open_patiently(path)));
        let database = match opened {
            Ok(Ok(database)) => Database(database),
            Ok(Err(sled::Error::Io(error))) if !is_damage(&error) => {
                return Err(disk::failed("opened", path, &error));
            }
            Ok(Err(damage)) => return Ok(Opened::Damaged(damage.to_string())),
            Err(_) => return Ok(Opened::Damaged("sled panicked while it opened".to_owned())),
        };
        match catch_unwind(AssertUnwindSafe(|| database.read_all())) {
            Ok(Ok((version, kept))) => Ok(Opened::Whole(database, version, kept)),
            Ok(Err(error)) if error.hint().is_some() => Err(error),
            Ok(Err(damage)) => Ok(Opened::Damaged(damage.message().to_owned())),
            Err(_) => Ok(Opened::Damaged("sled panicked while it was read".to_owned())),
        }
    }

    fn read_all(&self) -> Result<(Option<u64>, Kept)> {
        if self.0.contains_key(OLD_SNAPSHOT_KEY).map_err(|e| store_error(&e))? {
            return Err(unknown_format("an older format"));
        }
        let mut kept = Kept::default();
        let mut found = Seal::default();
        let mut seal = None;
        for pair in self.0.iter() {
            let (key, sealed) = pair.map_err(|e| store_error(&e))?;
            if key.as_ref() == SEAL_KEY {
                seal = Some(read_seal(unseal(&key, &sealed)?)?);
                continue;
            }
            match key.split_first() {
                Some((&PART, part)) => {
                    found.parts += 1;
                    found.sum = found.sum.wrapping_add(contribution(&sealed)?);
                    kept.parts.push((part.to_vec(), unseal(&key, &sealed)?.to_vec()));
                }
                Some((&ENTRY, version)) => {
                    let version = version.try_into().map(u64::from_be_bytes);
                    let version = version.map_err(|_| damaged("has an entry without a version"))?;
                    kept.entries.push((version, unseal(&key, &sealed)?.to_vec()));
                }
                _ => return Err(damaged("has a key that nothing has")),
            }
        }
        let Some(seal) = seal else {
            return if kept == Kept::default() {
                Ok((None, kept))
            } else if found.parts == 0 {
                Ok((Some(0), kept))
            } else {
                Err(damaged("has no seal"))
            };
        };
        if (seal.parts, seal.sum) != (found.parts, found.sum) {
            return Err(damaged("lacks values, or has old ones"));
        }
        Ok((Some(seal.version), kept))
    }

    /// Keeps entries; they are on disk when this returns.
    pub fn append(&self, entries: &[(u64, Vec<u8>)]) -> Result<()> {
        let mut batch = sled::Batch::default();
        for (version, bytes) in entries {
            let key = entry_key(*version);
            let sealed = seal_value(&key, bytes);
            batch.insert(key, sealed);
        }
        self.apply(batch)
    }

    /// Changes the parts from those of version `base`, all of them where that is `None`, and forgets entries up to `version`.
    pub fn save(&self, base: Option<u64>, version: u64, parts: &[Part]) -> Result<()> {
        let mut seal = match base {
            Some(base) => {
                let seal = self.seal()?.unwrap_or_default();
                if seal.version != base {
                    return Err(damaged(&format!("is of version {} and not of {base}", seal.version)));
                }
                seal
            }
            None => Seal::default(),
        };
        let mut batch = sled::Batch::default();
        if base.is_none() {
            for key in self.0.scan_prefix([PART]).keys() {
                batch.remove(key.map_err(|e| store_error(&e))?);
            }
        }
        for part in parts {
            let key = part_key(&part.key);
            if base.is_some()
                && let Some(old) = self.0.get(&key).map_err(|e| store_error(&e))?
            {
                seal.parts -= 1;
                seal.sum = seal.sum.wrapping_sub(contribution(&old)?);
            }
            match &part.value {
                Some(value) => {
                    let sealed = seal_value(&key, value);
                    seal.parts += 1;
                    seal.sum = seal.sum.wrapping_add(contribution(&sealed)?);
                    batch.insert(key, sealed);
                }
                None => batch.remove(key),
            }
        }
        for key in self.0.range(entry_key(0)..=entry_key(version)).keys() {
            batch.remove(key.map_err(|e| store_error(&e))?);
        }
        seal.version = version;
        batch.insert(SEAL_KEY, seal_value(SEAL_KEY, &write_seal(seal)));
        self.apply(batch)
    }

    /// Forgets entries after a version: those of which nobody was told.
    pub fn forget_after(&self, version: u64) -> Result<()> {
        let mut batch = sled::Batch::default();
        for key in self.0.range(entry_key(version.saturating_add(1))..=entry_key(u64::MAX)).keys() {
            batch.remove(key.map_err(|e| store_error(&e))?);
        }
        self.apply(batch)
    }

    fn seal(&self) -> Result<Option<Seal>> {
        let sealed = self.0.get(SEAL_KEY).map_err(|e| store_error(&e))?;
        sealed.map(|sealed| read_seal(unseal(SEAL_KEY, &sealed)?)).transpose()
    }

    fn apply(&self, batch: sled::Batch) -> Result<()> {
        self.0.apply_batch(batch).map_err(|e| store_error(&e))?;
        self.0.flush().map_err(|e| store_error(&e))?;
        Ok(())
    }

    pub fn size_on_disk(&self) -> Result<u64> {
        self.0.size_on_disk().map_err(|e| store_error(&e))
    }
}

/// sled's threads end after the database, and hold its lock until then.
fn open_patiently(path: &Path) -> sled::Result<sled::Db> {
    // The one flusher is the commit.
    let config = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
    let mut opened = config.open();
    for _ in 0..LOCK_ATTEMPTS {
        match &opened {
            Err(sled::Error::Io(error)) if is_held(error) => std::thread::sleep(LOCK_WAIT),
            _ => return opened,
        }
        opened = config.open();
    }
    opened
}

/// sled may report its lock as an I/O error of kind `Other` with this text.
fn is_held(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("lock")
}

/// sled reports some damage as an I/O error.
fn is_damage(error: &std::io::Error) -> bool {
    use std::io::ErrorKind as K;
    matches!(error.kind(), K::InvalidData | K::InvalidInput | K::UnexpectedEof)
        || error.kind() == K::Other && !is_held(error)
}

fn entry_key(version: u64) -> Vec<u8> {
    let mut key = vec![ENTRY];
    key.extend_from_slice(&version.to_be_bytes());
    key
}

fn part_key(part: &[u8]) -> Vec<u8> {
    let mut key = vec![PART];
    key.extend_from_slice(part);
    key
}

fn seal_value(key: &[u8], value: &[u8]) -> Vec<u8> {
    let mut sealed = checksum(key, value).to_be_bytes().to_vec();
    sealed.extend_from_slice(value);
    sealed
}

fn unseal<'a>(key: &[u8], sealed: &'a [u8]) -> Result<&'a [u8]> {
    let short = || damaged("has a value that is too short");
    let (expected, value) = sealed.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(short)?;
    if checksum(key, value) == u32::from_be_bytes(*expected) {
        Ok(value)
    } else {
        Err(damaged("has a value that does not match its checksum"))
    }
}

/// What one value adds to the seal: its checksum, spread over 64 bits (the finalizer of SplitMix64).
fn contribution(sealed: &[u8]) -> Result<u64> {
    let checksum =
        sealed.first_chunk::<CHECKSUM_BYTES>().ok_or_else(|| damaged("has a value without checksum"))?;
    let mut mixed = u64::from(u32::from_be_bytes(*checksum)).wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    Ok(mixed ^ (mixed >> 31))
}

fn write_seal(seal: Seal) -> Vec<u8> {
    let mut bytes = FORMAT_VERSION.to_be_bytes().to_vec();
    for number in [seal.version, seal.parts, seal.sum] {
        bytes.extend_from_slice(&number.to_be_bytes());
    }
    bytes
}

fn read_seal(bytes: &[u8]) -> Result<Seal> {
    let short = || damaged("has a seal that is too short");
    let (format, rest) = bytes.split_first_chunk().ok_or_else(short)?;
    let format = u32::from_be_bytes(*format);
    if format != FORMAT_VERSION {
        return Err(unknown_format(&format!("format {format}")));
    }
    let mut numbers = rest.as_chunks::<8>().0.iter().map(|number| u64::from_be_bytes(*number));
    match (numbers.next(), numbers.next(), numbers.next()) {
        (Some(version), Some(parts), Some(sum)) => Ok(Seal { version, parts, sum }),
        _ => Err(short()),
    }
}

fn unknown_format(format: &str) -> Error {
    let message = format!("the catalog's store is of {format}, this version knows format {FORMAT_VERSION}");
    Error::new(ErrorCode::Store, message)
        .with_hint("use the version of Nyala that wrote it, or another --data folder")
}

/// Without a hint: the store is put aside and rebuilt.
fn damaged(how: &str) -> Error {
    Error::new(ErrorCode::Store, format!("the catalog's store {how}"))
}

fn store_error(error: &sled::Error) -> Error {
    let message = format!("the catalog's store failed: {error}");
    match error {
        sled::Error::Io(error) => Error::new(disk::code_of(error), message),
        _ => Error::new(ErrorCode::Store, message),
    }
}
