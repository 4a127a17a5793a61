//! A warehouse in a folder: a file is there whole and for good, or not at all.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};

use super::warehouse::StoredFile;

/// One folder for each table, by its id; made with the table's first file.
#[derive(Debug)]
pub struct Folder {
    root: PathBuf,
}

impl Folder {
    /// Makes the folder when it is missing.
    ///
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull.
    pub fn open(root: &Path) -> Result<Self> {
        fs::create_dir_all(root).map_err(|error| write_error(root, &error))?;
        let root = fs::canonicalize(root).map_err(|error| access_error(root, &error))?;
        Ok(Self { root })
    }

    pub fn table(&self, table: TableId) -> PathBuf {
        self.root.join(table.to_string())
    }

    pub fn path(&self, table: TableId, path: &str) -> PathBuf {
        self.table(table).join(path)
    }

    /// Files of a table, those that are being written included: their names begin with a dot.
    pub fn files(&self, table: TableId) -> Result<Vec<StoredFile>> {
        let folder = self.table(table);
        let failed = |error: io::Error| access_error(&folder, &error);
        let entries = match fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound && self.root.is_dir() => return Ok(vec![]),
            Err(error) => return Err(failed(error)),
        };
        let mut files = Vec::new();
        for entry in entries {
            let entry = entry.map_err(failed)?;
            let metadata = match entry.metadata() {
                Ok(metadata) => metadata,
                // Finished or removed since it was listed.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(failed(error)),
            };
            let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
            if metadata.is_file() {
                files.push(StoredFile {
                    path: entry.file_name().to_string_lossy().into_owned(),
                    bytes: metadata.len(),
                    modified_ms: modified.and_then(|age| i64::try_from(age.as_millis()).ok()).unwrap_or(0),
                });
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    pub fn tables(&self) -> Result<Vec<TableId>> {
        let failed = |error: io::Error| access_error(&self.root, &error);
        let mut tables = Vec::new();
        for entry in fs::read_dir(&self.root).map_err(failed)? {
            let name = entry.map_err(failed)?.file_name();
            tables.extend(name.to_str().and_then(super::warehouse::table_of_name));
        }
        tables.sort_unstable();
        Ok(tables)
    }

    pub fn read(&self, table: TableId, path: &str) -> Result<Bytes> {
        let full = self.path(table, path);
        fs::read(&full).map(Bytes::from).map_err(|error| access_error(&full, &error))
    }

    pub fn read_range(&self, table: TableId, path: &str, range: Range<u64>) -> Result<Bytes> {
        let full = self.path(table, path);
        let read = || {
            let mut file = File::open(&full)?;
            file.seek(io::SeekFrom::Start(range.start))?;
            let mut bytes = vec![0; (range.end - range.start) as usize];
            file.read_exact(&mut bytes)?;
            Ok(bytes.into())
        };
        read().map_err(|error| access_error(&full, &error))
    }

    pub fn create(&self, table: TableId, path: &str) -> Result<FolderFile> {
        let folder = self.table(table);
        self.make_table_folder(&folder)?;
        let target = folder.join(path);
        let temporary = folder.join(format!(".{path}.part"));
        let file = File::create(&temporary).map_err(|error| write_error(&target, &error))?;
        Ok(FolderFile { file: Some(file), temporary, target })
    }

    /// Not the root: one that is gone (a disk that is not mounted) must not come again empty.
    fn make_table_folder(&self, folder: &Path) -> Result<()> {
        match fs::create_dir(folder) {
            Ok(()) => sync_folder(&self.root).map_err(|error| write_error(&self.root, &error)),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(gone_error(&self.root)),
            Err(error) => Err(write_error(folder, &error)),
        }
    }

    /// A file that is gone already is no error.
    pub fn remove(&self, table: TableId, path: &str) -> Result<()> {
        let full = self.path(table, path);
        match fs::remove_file(&full) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(remove_error(&full, &error)),
            _ => Ok(()),
        }
    }

    pub fn remove_table(&self, table: TableId) -> Result<()> {
        let folder = self.table(table);
        match fs::remove_dir_all(&folder) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(remove_error(&folder, &error)),
            _ => Ok(()),
        }
    }
}

/// A file that is being written under a hidden name; removed when it is dropped before `finish`.
#[derive(Debug)]
pub struct FolderFile {
    /// `None` when it is finished.
    file: Option<File>,
    temporary: PathBuf,
    target: PathBuf,
}

impl FolderFile {
    pub fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.file {
            Some(file) => file.write_all(bytes),
            None => Err(io::Error::other("the file is finished")),
        }
    }

    /// Contents first, then the name, then the folder: after a crash there is all of it or nothing.
    pub fn finish(mut self) -> Result<()> {
        let Some(file) = self.file.take() else { return Ok(()) };
        let place = || {
            file.sync_data()?;
            fs::rename(&self.temporary, &self.target)?;
            self.target.parent().map_or(Ok(()), sync_folder)
        };
        place().map_err(|error| {
            let _ = fs::remove_file(&self.temporary);
            self.error(&error)
        })
    }

    pub fn error(&self, error: &io::Error) -> Error {
        write_error(&self.target, error)
    }
}

impl Drop for FolderFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Nobody is left to tell; VACUUM removes what stays.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

fn gone_error(root: &Path) -> Error {
    let message = format!("the warehouse '{}' is gone", root.display());
    Error::new(ErrorCode::FileAccess, message)
        .with_hint("mount or restore the folder, then run the statement again")
}

pub fn access_error(path: &Path, error: &io::Error) -> Error {
    let shown = path.display();
    match error.kind() {
        io::ErrorKind::NotFound => Error::new(ErrorCode::FileAccess, format!("there is no file '{shown}'"))
            .with_hint("the warehouse is gone or lost a file: mount it, or restore it from a backup"),
        io::ErrorKind::PermissionDenied => {
            let message = format!("'{shown}' may not be read: permission denied");
            Error::new(ErrorCode::FileAccess, message)
                .with_hint("let the user that Nyala runs as read the warehouse")
        }
        io::ErrorKind::UnexpectedEof => {
            Error::new(ErrorCode::CorruptFile, format!("'{shown}' is shorter than when it was written"))
                .with_hint("restore the file from a backup")
        }
        _ => Error::new(ErrorCode::FileAccess, format!("'{shown}': {error}")),
    }
}

fn remove_error(path: &Path, error: &io::Error) -> Error {
    write_failure(&format!("'{}' cannot be removed", path.display()), error)
}

pub fn write_error(path: &Path, error: &io::Error) -> Error {
    write_failure(&format!("'{}' cannot be written", path.display()), error)
}

/// What a person can do depends on what the system says.
pub fn write_failure(what: &str, error: &io::Error) -> Error {
    let new = |code, why: &str| Error::new(code, format!("{what}: {why}"));
    match error.kind() {
        io::ErrorKind::NotFound => new(ErrorCode::FileAccess, "there is no such folder")
            .with_hint("the warehouse is gone: mount or restore it, then run the statement again"),
        io::ErrorKind::PermissionDenied => new(ErrorCode::ReadOnly, "permission denied")
            .with_hint("let the user that Nyala runs as write the warehouse"),
        io::ErrorKind::ReadOnlyFilesystem => new(ErrorCode::ReadOnly, "the file system is read-only")
            .with_hint("mount it for writing, or choose another warehouse"),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            new(ErrorCode::DiskFull, "the disk is full")
                .with_hint("free space, for instance with VACUUM, then run the statement again")
        }
        _ => new(ErrorCode::FileAccess, &error.to_string()),
    }
}
