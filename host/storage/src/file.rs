//! An open file that is read by position, so that threads never share a cursor.

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::UNIX_EPOCH;

use bytes::Bytes;
use nyala_schema::scan::FileEntry;
use nyala_schema::{Error, ErrorCode, Result};

/// A file opened for one morsel; counts what is read from it.
#[derive(Debug, Clone)]
pub struct FileHandle {
    content: Content,
    path: Arc<str>,
    size: u64,
    bytes_read: Arc<AtomicU64>,
}

#[derive(Debug, Clone)]
enum Content {
    Local(Arc<File>),
    Remote(Arc<dyn ReadRange>),
}

/// Content that is not in a file system.
pub trait ReadRange: fmt::Debug + Send + Sync {
    /// # Errors
    /// FileAccess; CorruptFile when the content ends before.
    fn read_range(&self, range: Range<u64>) -> Result<Bytes>;
}

/// What a file system says of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970.
    pub modified_ns: i64,
}

impl Stamp {
    pub fn of(metadata: &std::fs::Metadata) -> Self {
        let modified_ns = metadata
            .modified()
            .ok()
            .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
            .and_then(|age| i64::try_from(age.as_nanos()).ok())
            .unwrap_or(0);
        Self { size: metadata.len(), modified_ns }
    }

    pub fn of_entry(entry: &FileEntry) -> Self {
        Self { size: entry.size, modified_ns: entry.modified_ns }
    }
}

impl FileHandle {
    /// # Errors
    /// FileAccess when the file is missing or unreadable.
    pub fn open(path: &str, bytes_read: &Arc<AtomicU64>) -> Result<(Self, Stamp)> {
        let file = File::open(path).map_err(|error| access_error(path, &error))?;
        let metadata = file.metadata().map_err(|error| access_error(path, &error))?;
        if metadata.is_dir() {
            return Err(Error::new(ErrorCode::FileAccess, format!("'{path}' is a directory, not a file")));
        }
        let stamp = Stamp::of(&metadata);
        let handle = Self {
            content: Content::Local(Arc::new(file)),
            path: path.into(),
            size: stamp.size,
            bytes_read: Arc::clone(bytes_read),
        };
        Ok((handle, stamp))
    }

    /// Opens a file that a plan names, and makes sure that it is still the one that was planned with.
    ///
    /// # Errors
    /// FileAccess when it is missing, unreadable, or was replaced since.
    pub fn open_entry(entry: &FileEntry, bytes_read: &Arc<AtomicU64>) -> Result<Self> {
        let (handle, stamp) = Self::open(&entry.path, bytes_read)?;
        if stamp != Stamp::of_entry(entry) {
            return Err(changed_error(&entry.path));
        }
        Ok(handle)
    }

    /// Content of `size` bytes that `path` names for people.
    pub fn remote(content: Arc<dyn ReadRange>, path: &str, size: u64, bytes_read: &Arc<AtomicU64>) -> Self {
        let content = Content::Remote(content);
        Self { content, path: path.into(), size, bytes_read: Arc::clone(bytes_read) }
    }

    pub fn path(&self) -> &str {
        &self.path
    }

    /// Bytes.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Fills `target` from byte `offset` on.
    ///
    /// # Errors
    /// FileAccess; CorruptFile when the file ends before `target` is full.
    pub fn read_at(&self, offset: u64, target: &mut [u8]) -> Result<()> {
        let within = offset.checked_add(target.len() as u64).is_some_and(|end| end <= self.size);
        if !within {
            return Err(Error::new(
                ErrorCode::CorruptFile,
                format!("'{}' ends before byte {}", self.path, offset.saturating_add(target.len() as u64)),
            ));
        }
        match &self.content {
            Content::Local(file) => {
                file.read_exact_at(target, offset).map_err(|error| access_error(&self.path, &error))?;
            }
            Content::Remote(content) => read_remote(content.as_ref(), offset, target)?,
        }
        self.bytes_read.fetch_add(target.len() as u64, Ordering::Relaxed);
        Ok(())
    }

    /// Reads at most `target.len()` bytes from `offset` on; 0 at the end of the file.
    pub fn read_some_at(&self, offset: u64, target: &mut [u8]) -> io::Result<usize> {
        let read = match &self.content {
            Content::Local(file) => file.read_at(target, offset)?,
            Content::Remote(content) => {
                let left = usize::try_from(self.size.saturating_sub(offset)).unwrap_or(usize::MAX);
                let length = target.len().min(left);
                read_remote(content.as_ref(), offset, &mut target[..length]).map_err(io::Error::other)?;
                length
            }
        };
        self.bytes_read.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }

    /// A cursor of its own over the whole file.
    pub fn cursor(&self) -> FileCursor {
        FileCursor { handle: self.clone(), position: 0, end: self.size }
    }

    /// A cursor of its own over `start..end`.
    pub fn cursor_over(&self, start: u64, end: u64) -> FileCursor {
        FileCursor { handle: self.clone(), position: start, end: end.min(self.size) }
    }
}

fn read_remote(content: &dyn ReadRange, offset: u64, target: &mut [u8]) -> Result<()> {
    let bytes = content.read_range(offset..offset + target.len() as u64)?;
    if bytes.len() != target.len() {
        let message = format!("{} bytes came where {} were asked for", bytes.len(), target.len());
        return Err(Error::new(ErrorCode::CorruptFile, message));
    }
    target.copy_from_slice(&bytes);
    Ok(())
}

/// Sequential reading of a part of a file.
#[derive(Debug)]
pub struct FileCursor {
    handle: FileHandle,
    position: u64,
    end: u64,
}

impl io::Read for FileCursor {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.position)).unwrap_or(usize::MAX);
        let wanted = target.len().min(left);
        let read = self.handle.read_some_at(self.position, &mut target[..wanted])?;
        self.position += read as u64;
        Ok(read)
    }
}

impl io::Seek for FileCursor {
    fn seek(&mut self, to: io::SeekFrom) -> io::Result<u64> {
        let target = match to {
            io::SeekFrom::Start(offset) => Some(offset),
            io::SeekFrom::End(offset) => self.end.checked_add_signed(offset),
            io::SeekFrom::Current(offset) => self.position.checked_add_signed(offset),
        };
        self.position = target.ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
        Ok(self.position)
    }
}

pub fn access_error(path: &str, error: &io::Error) -> Error {
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("there is no file '{path}'"),
        io::ErrorKind::PermissionDenied => format!("'{path}' may not be read: permission denied"),
        _ => format!("'{path}': {error}"),
    };
    Error::new(ErrorCode::FileAccess, message)
}

pub fn changed_error(path: &str) -> Error {
    Error::new(ErrorCode::FileAccess, format!("'{path}' was changed while the query was running"))
        .with_hint("run the statement again to read the file as it is now")
}
