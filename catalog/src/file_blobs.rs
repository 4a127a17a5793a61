//! Blobs as files: `blobs/ab/abcdef…`, named by the hash of their bytes.

use std::collections::BTreeSet;
use std::fs;
use std::io::{self, ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};

use crate::blob::{Blobs, hash};

const FOLDER: &str = "blobs";
/// Of a file that is being written, or was when the process ended.
const UNFINISHED: &str = ".new";
/// Digits of the hash that name the folder of a blob, so that no folder gets long.
const FOLDER_DIGITS: usize = 2;

pub struct FileBlobs {
    folder: PathBuf,
    /// One change at a time: a file that is being written is not taken for one that a crash left.
    changing: Mutex<()>,
}

impl FileBlobs {
    /// Opens or creates the folder `blobs` in the data folder, which only this process may use.
    ///
    /// # Errors
    /// `Store` when the folder cannot be used.
    pub fn open(data_folder: &Path) -> Result<Self> {
        let folder = data_folder.join(FOLDER);
        fs::create_dir_all(&folder)
            .and_then(|()| sync_folder(data_folder))
            .map_err(|e| failed("created", &folder, &e))?;
        Ok(Self { folder, changing: Mutex::new(()) })
    }

    /// Where the bytes of that hash are, if they are kept.
    pub fn path(&self, hash: ModuleHash) -> PathBuf {
        let name = hash.to_string();
        self.folder.join(&name[..FOLDER_DIGITS]).join(name)
    }

    /// Beside the target, then renamed: a file of the final name is always whole.
    fn write(&self, target: &Path, bytes: &[u8]) -> io::Result<()> {
        let parent = target.parent().unwrap_or(&self.folder);
        fs::create_dir_all(parent)?;
        sync_folder(&self.folder)?;
        let beside = target.with_extension(UNFINISHED.trim_start_matches('.'));
        let mut file = fs::File::create(&beside)?;
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&beside, target)?;
        sync_folder(parent)
    }

    /// Removes files of one folder that are not in use; what has no name of ours is left alone.
    fn retain_in(folder: &Path, in_use: &BTreeSet<ModuleHash>) -> io::Result<()> {
        let mut removed = false;
        for entry in fs::read_dir(folder)? {
            let entry = entry?;
            let name = entry.file_name();
            let Some(name) = name.to_str() else { continue };
            let (digits, unfinished) = match name.strip_suffix(UNFINISHED) {
                Some(digits) => (digits, true),
                None => (name, false),
            };
            let Some(hash) = ModuleHash::parse(digits) else { continue };
            if unfinished || !in_use.contains(&hash) {
                fs::remove_file(entry.path())?;
                removed = true;
            }
        }
        // Every start looks for what is not needed: it waits for the disk only where there was something.
        if removed { sync_folder(folder) } else { Ok(()) }
    }
}

impl Blobs for FileBlobs {
    fn put(&self, bytes: &[u8]) -> Result<ModuleHash> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let hash = hash(bytes);
        let path = self.path(hash);
        // A damaged file is written again.
        if !fs::read(&path).is_ok_and(|kept| kept == bytes) {
            self.write(&path, bytes).map_err(|e| failed("written", &path, &e))?;
        }
        Ok(hash)
    }

    fn get(&self, hash: ModuleHash) -> Result<Option<Vec<u8>>> {
        let path = self.path(hash);
        let bytes = match fs::read(&path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(failed("read", &path, &error)),
        };
        if crate::blob::hash(&bytes) != hash {
            let message =
                format!("the module file {} is damaged: its bytes do not match its name", path.display());
            return Err(Error::new(ErrorCode::Store, message)
                .with_hint("create the module or function again from the same file: that writes it anew"));
        }
        Ok(Some(bytes))
    }

    fn retain(&self, in_use: &BTreeSet<ModuleHash>) -> Result<()> {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let folders = fs::read_dir(&self.folder).map_err(|e| failed("read", &self.folder, &e))?;
        for folder in folders {
            let folder = folder.map_err(|e| failed("read", &self.folder, &e))?.path();
            if folder.is_dir() {
                Self::retain_in(&folder, in_use).map_err(|e| failed("cleared", &folder, &e))?;
            }
        }
        Ok(())
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    Error::new(ErrorCode::Store, format!("{} cannot be {verb}: {error}", path.display()))
        .with_hint("see that the data folder is on a disk with free space and belongs to this user")
}
