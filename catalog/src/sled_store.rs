//! A store in sled, with a checksum on every value.
//!
//! sled 0.34 has open reports of files that it cannot read after a crash. So every snapshot is also written as a
//! file of its own beside sled's folder, atomically; a sled folder that cannot be read is put aside, never
//! deleted, and a fresh one is filled from that file.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use nyala_schema::{Error, ErrorCode, Result};

use crate::store::{Kept, Store};

const FOLDER: &str = "catalog.sled";
const SNAPSHOT_FILE: &str = "catalog.snapshot";
const SNAPSHOT_KEY: &[u8] = b"snapshot";
const COMMANDS_TREE: &str = "commands";
/// sled's page cache; a catalog is read once.
const CACHE_BYTES: u64 = 8 << 20;
const CHECKSUM_BYTES: usize = 4;
/// How long a folder that is locked is waited for: half a second.
const LOCK_ATTEMPTS: u32 = 20;
const LOCK_WAIT: std::time::Duration = std::time::Duration::from_millis(25);
/// Folders of damaged stores that are kept apart from each other.
const ASIDE_MAX: u32 = 1000;

pub struct SledStore {
    folder: PathBuf,
    database: sled::Db,
    commands: sled::Tree,
}

impl SledStore {
    /// Opens or creates the store in `folder`, which is created when missing.
    ///
    /// # Errors
    /// `Store` when the folder cannot be used or another process holds it.
    pub fn open(folder: &Path) -> Result<Self> {
        fs::create_dir_all(folder).map_err(|e| unusable(folder, &e))?;
        let path = folder.join(FOLDER);
        match Self::try_open_patiently(folder, &path) {
            Ok(store) => Ok(store),
            Err(sled::Error::Io(error)) if is_held(&error) => {
                Err(Error::new(ErrorCode::Store, format!("another process uses {}", folder.display()))
                    .with_hint("stop it, or give another --data folder"))
            }
            Err(sled::Error::Io(error)) => Err(unusable(folder, &error)),
            Err(damage) => Self::rebuild(folder, &path, &damage.to_string()),
        }
    }

    /// A lock outlives its holder for a moment: sled's threads end after it, and so does a process between fork and exec.
    fn try_open_patiently(folder: &Path, path: &Path) -> sled::Result<Self> {
        let mut opened = Self::try_open(folder, path);
        for _ in 0..LOCK_ATTEMPTS {
            match &opened {
                Err(sled::Error::Io(error)) if is_held(error) => std::thread::sleep(LOCK_WAIT),
                _ => return opened,
            }
            opened = Self::try_open(folder, path);
        }
        opened
    }

    fn try_open(folder: &Path, path: &Path) -> sled::Result<Self> {
        let database = sled::Config::new().path(path).cache_capacity(CACHE_BYTES).open()?;
        let commands = database.open_tree(COMMANDS_TREE)?;
        let store = Self { folder: folder.to_owned(), database, commands };
        match store.read_all() {
            Ok(_) => Ok(store),
            Err(damage) => Err(sled::Error::ReportableBug(damage.message().to_owned())),
        }
    }

    /// Puts the damaged folder aside and starts again from the newest snapshot file.
    fn rebuild(folder: &Path, path: &Path, damage: &str) -> Result<Self> {
        let aside = (1..ASIDE_MAX)
            .map(|n| folder.join(format!("{FOLDER}.damaged-{n}")))
            .find(|candidate| !candidate.exists())
            .ok_or_else(|| {
                Error::new(ErrorCode::Store, format!("too many damaged stores in {}", folder.display()))
            })?;
        fs::rename(path, &aside).map_err(|e| unusable(folder, &e))?;
        tracing::warn!(damage, aside = %aside.display(), "the catalog store was damaged and has been put aside");
        let store = Self::try_open(folder, path).map_err(|e| store_error(&e))?;
        if let Ok(bytes) = fs::read(folder.join(SNAPSHOT_FILE)) {
            let snapshot = unseal(&bytes)?;
            store.database.insert(SNAPSHOT_KEY, seal(snapshot)).map_err(|e| store_error(&e))?;
            store.database.flush().map_err(|e| store_error(&e))?;
        }
        Ok(store)
    }

    fn read_all(&self) -> Result<Kept> {
        let snapshot = self.database.get(SNAPSHOT_KEY).map_err(|e| store_error(&e))?;
        let snapshot = snapshot.map(|sealed| unseal(&sealed).map(<[u8]>::to_vec)).transpose()?;
        let mut commands = Vec::new();
        for entry in &self.commands {
            let (key, sealed) = entry.map_err(|e| store_error(&e))?;
            let version = key.as_ref().try_into().map(u64::from_be_bytes).map_err(|_| damaged())?;
            commands.push((version, unseal(&sealed)?.to_vec()));
        }
        Ok((snapshot, commands))
    }

    fn write_snapshot_file(&self, snapshot: &[u8]) -> std::io::Result<()> {
        let target = self.folder.join(SNAPSHOT_FILE);
        let beside = self.folder.join(format!("{SNAPSHOT_FILE}.new"));
        let mut file = fs::File::create(&beside)?;
        file.write_all(&seal(snapshot))?;
        file.sync_all()?;
        fs::rename(&beside, &target)?;
        fs::File::open(&self.folder)?.sync_all()
    }
}

impl Store for SledStore {
    fn load(&self) -> Result<Kept> {
        self.read_all()
    }

    fn append(&self, version: u64, command: &[u8]) -> Result<()> {
        self.commands.insert(version.to_be_bytes(), seal(command)).map_err(|e| store_error(&e))?;
        self.database.flush().map_err(|e| store_error(&e))?;
        Ok(())
    }

    fn save_snapshot(&self, version: u64, snapshot: &[u8]) -> Result<()> {
        self.write_snapshot_file(snapshot).map_err(|e| unusable(&self.folder, &e))?;
        self.database.insert(SNAPSHOT_KEY, seal(snapshot)).map_err(|e| store_error(&e))?;
        self.database.flush().map_err(|e| store_error(&e))?;
        for key in self.commands.range(..=version.to_be_bytes()).keys() {
            let key = key.map_err(|e| store_error(&e))?;
            self.commands.remove(key).map_err(|e| store_error(&e))?;
        }
        self.database.flush().map_err(|e| store_error(&e))?;
        Ok(())
    }
}

fn seal(bytes: &[u8]) -> Vec<u8> {
    let mut sealed = crc32fast::hash(bytes).to_le_bytes().to_vec();
    sealed.extend_from_slice(bytes);
    sealed
}

fn unseal(sealed: &[u8]) -> Result<&[u8]> {
    let (checksum, bytes) = sealed.split_first_chunk::<CHECKSUM_BYTES>().ok_or_else(damaged)?;
    if crc32fast::hash(bytes) == u32::from_le_bytes(*checksum) { Ok(bytes) } else { Err(damaged()) }
}

fn damaged() -> Error {
    Error::new(ErrorCode::Store, "a value of the catalog store does not match its checksum")
}

fn store_error(error: &sled::Error) -> Error {
    Error::new(ErrorCode::Store, format!("the catalog store failed: {error}"))
}

fn unusable(folder: &Path, error: &std::io::Error) -> Error {
    Error::new(ErrorCode::Store, format!("the data folder {} cannot be used: {error}", folder.display()))
}

/// Whether another process, or one that just ended, has the folder. sled may report its lock as an I/O error of kind
/// `Other` with this text.
fn is_held(error: &std::io::Error) -> bool {
    error.kind() == std::io::ErrorKind::WouldBlock || error.to_string().contains("lock")
}
