//! Files of the data folder: what goes wrong with them, and how a change of them is made to last.

use std::fs::{self, File, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::path::Path;
use std::time::Duration;

use nyala_schema::{Error, ErrorCode, Result};

/// How long a folder that is locked is waited for: half a second. A lock outlives its holder for a moment.
pub(crate) const LOCK_ATTEMPTS: u32 = 20;
pub(crate) const LOCK_WAIT: Duration = Duration::from_millis(25);
const LOCK_FILE: &str = "catalog.lock";

/// What an I/O error at a path is for who asked.
pub(crate) fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    let code = code_of(error);
    let hint = match code {
        ErrorCode::DiskFull => {
            "make room on that disk; nothing has changed, and work goes on as soon as there is room"
        }
        ErrorCode::ReadOnly => {
            "see that the data folder is on a disk that can be written and belongs to this user"
        }
        _ => "see that the data folder is there, on a disk that works, and belongs to this user",
    };
    Error::new(code, format!("{} cannot be {verb}: {error}", path.display())).with_hint(hint)
}

pub(crate) fn code_of(error: &io::Error) -> ErrorCode {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => ErrorCode::DiskFull,
        ErrorKind::ReadOnlyFilesystem | ErrorKind::PermissionDenied => ErrorCode::ReadOnly,
        _ => ErrorCode::Store,
    }
}

/// What was created, renamed or removed in a folder lasts when this returns.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Beside the target, then renamed: a file of the final name is always whole.
pub(crate) fn write_whole(folder: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let beside = folder.join(format!("{name}.new"));
    let written = File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()
    });
    if let Err(error) = written {
        // Half a file only takes room.
        let _ = fs::remove_file(&beside);
        return Err(error);
    }
    fs::rename(&beside, folder.join(name))?;
    sync_folder(folder)
}

/// Makes this process the only one that uses the folder, as long as the file is open.
pub(crate) fn lock(folder: &Path) -> Result<File> {
    let path = folder.join(LOCK_FILE);
    let file =
        File::options().create(true).append(true).open(&path).map_err(|e| failed("opened", &path, &e))?;
    for _ in 0..LOCK_ATTEMPTS {
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => std::thread::sleep(LOCK_WAIT),
            Err(TryLockError::Error(error)) => return Err(failed("locked", &path, &error)),
        }
    }
    Err(Error::new(ErrorCode::Store, format!("another process uses {}", folder.display()))
        .with_hint("stop it, or give another --data folder"))
}
