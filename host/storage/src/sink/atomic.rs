//! A file that appears under its name only when it is complete.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use nyala_schema::{Error, ErrorCode, Result};

/// Written under a hidden name in the target's directory; removed when it is dropped before `commit`.
#[derive(Debug)]
pub struct AtomicFile {
    /// `None` after `commit`.
    file: Option<BufWriter<File>>,
    temporary: PathBuf,
    target: PathBuf,
}

impl AtomicFile {
    /// # Errors
    /// FileAccess when the directory is missing or may not be written.
    pub fn create(path: &str) -> Result<Self> {
        static COUNTER: AtomicU64 = AtomicU64::new(0);
        let target = PathBuf::from(path);
        let name = target.file_name().map(|name| name.to_string_lossy().into_owned());
        let name = name.filter(|_| !path.ends_with('/') && !target.is_dir()).ok_or_else(|| {
            Error::new(ErrorCode::FileAccess, format!("'{path}' is not the name of a file"))
        })?;
        let number = COUNTER.fetch_add(1, Ordering::Relaxed);
        let temporary = target.with_file_name(format!(".{name}.{}.{number}.part", std::process::id()));
        let file = File::create(&temporary).map_err(|error| write_error(&target, &error))?;
        Ok(Self { file: Some(BufWriter::with_capacity(1 << 20, file)), temporary, target })
    }

    /// Puts the file in its place; gives its size in bytes.
    ///
    /// # Errors
    /// FileAccess.
    pub fn commit(mut self) -> Result<u64> {
        self.place().map_err(|error| write_error(&self.target, &error))
    }

    /// For errors.
    pub fn target(&self) -> &Path {
        &self.target
    }

    fn place(&mut self) -> io::Result<u64> {
        let Some(writer) = &mut self.file else { return Err(io::Error::other("written twice")) };
        writer.flush()?;
        writer.get_ref().sync_data()?;
        let size = writer.get_ref().metadata()?.len();
        fs::rename(&self.temporary, &self.target)?;
        self.file = None;
        Ok(size)
    }
}

impl Drop for AtomicFile {
    fn drop(&mut self) {
        if self.file.is_some() {
            // Nobody is left to tell: a file that stays is hidden and can be removed by hand.
            let _ = fs::remove_file(&self.temporary);
        }
    }
}

impl Write for AtomicFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.file {
            Some(file) => file.write(bytes),
            None => Err(io::Error::other("the file is finished")),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.as_mut().map_or(Ok(()), Write::flush)
    }
}

pub fn write_error(target: &Path, error: &io::Error) -> Error {
    let shown = target.display();
    let message = match error.kind() {
        io::ErrorKind::NotFound => format!("'{shown}' cannot be written: there is no such directory"),
        io::ErrorKind::PermissionDenied => format!("'{shown}' cannot be written: permission denied"),
        io::ErrorKind::StorageFull => format!("'{shown}' cannot be written: the disk is full"),
        _ => format!("'{shown}' cannot be written: {error}"),
    };
    Error::new(ErrorCode::FileAccess, message)
}
