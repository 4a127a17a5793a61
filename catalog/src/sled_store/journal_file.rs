//! Entries once more, in plain files: `catalog.journal-N` has those from version N on, up to where the next file begins.
//!
//! A file begins with its magic. A record is: mark, length, version, checksum over length, version and bytes; bytes.
//! Numbers are big-endian. A record that the process did not finish is cut off; a damaged one with whole ones after it
//! is damage.

use std::fs::{self, File};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nyala_schema::{Error, ErrorCode, Result};

use crate::disk;

pub(super) const JOURNAL: &str = "catalog.journal-";
const MAGIC: &[u8; 8] = b"NYALAJL2";
const MARK: [u8; 4] = [0xa7, 0x4e, 0x59, 0x0d];
const HEAD_BYTES: usize = 20;

/// The file that entries are appended to.
pub(super) struct Journal {
    path: PathBuf,
    file: File,
    /// Bytes that are whole records.
    length: u64,
    /// Whether there may be something after them.
    is_untidy: bool,
}

/// What a file has.
pub(super) struct Read {
    pub entries: Vec<(u64, Vec<u8>)>,
    /// Bytes of the whole records.
    length: u64,
    /// Whether records are damaged that were whole once.
    pub is_damaged: bool,
}

impl Journal {
    /// Begins a file with the entries from a version on.
    pub fn create(folder: &Path, first: u64) -> Result<Self> {
        let path = folder.join(format!("{JOURNAL}{first:020}"));
        let create = || {
            let mut file = File::options().create(true).truncate(true).read(true).write(true).open(&path)?;
            file.write_all(MAGIC)?;
            file.sync_all()?;
            disk::sync_folder(folder)?;
            io::Result::Ok(file)
        };
        let file = create().map_err(|e| disk::failed("written", &path, &e))?;
        Ok(Self { path, file, length: MAGIC.len() as u64, is_untidy: false })
    }

    /// Goes on with a file whose end has been looked at.
    pub fn resume(path: PathBuf, read: &Read) -> Result<Self> {
        let open = || File::options().read(true).write(true).open(&path);
        let file = open().map_err(|e| disk::failed("opened", &path, &e))?;
        let mut journal = Self { path, file, length: read.length, is_untidy: true };
        journal.tidy()?;
        if journal.length == 0 {
            let begun = journal.file.write_all(MAGIC).and_then(|()| journal.file.sync_all());
            begun.map_err(|e| disk::failed("written", &journal.path, &e))?;
            journal.length = MAGIC.len() as u64;
        }
        Ok(journal)
    }

    pub fn bytes(&self) -> u64 {
        self.length
    }

    /// Adds entries; they are on disk when this returns. None is, when it fails.
    pub fn append(&mut self, entries: &[(u64, Vec<u8>)]) -> Result<()> {
        self.require_in_place()?;
        self.tidy()?;
        let mut records = Vec::new();
        entries.iter().for_each(|(version, bytes)| put_record(&mut records, *version, bytes));
        self.is_untidy = true;
        let written = self.file.write_all(&records).and_then(|()| self.file.sync_data());
        if let Err(error) = written {
            let failed = disk::failed("written", &self.path, &error);
            // If this fails too, the next append does it.
            let _ = self.tidy();
            return Err(failed);
        }
        self.length += records.len() as u64;
        self.is_untidy = false;
        Ok(())
    }

    /// Takes back what was appended last, of this many bytes before.
    pub fn cut_back(&mut self, length: u64) {
        self.length = length;
        self.is_untidy = true;
        if let Err(error) = self.tidy() {
            tracing::warn!(%error, "the catalog's journal could not be cut back yet");
        }
    }

    /// A file without entries that another follows says nothing.
    pub fn remove_if_empty(self, next: &Self) -> Result<()> {
        if self.length > MAGIC.len() as u64 || self.path == next.path {
            return Ok(());
        }
        fs::remove_file(&self.path).map_err(|e| disk::failed("removed", &self.path, &e))
    }

    /// Cuts off what is no whole record.
    fn tidy(&mut self) -> Result<()> {
        if !self.is_untidy {
            return Ok(());
        }
        let cut = |file: &mut File, length| {
            file.set_len(length)?;
            file.seek(SeekFrom::Start(length))?;
            file.sync_all()
        };
        cut(&mut self.file, self.length).map_err(|e| disk::failed("cut", &self.path, &e))?;
        self.is_untidy = false;
        Ok(())
    }

    /// A file that was removed can still be written, and is gone with the process.
    fn require_in_place(&self) -> Result<()> {
        let here = self.file.metadata().map_err(|e| disk::failed("looked at", &self.path, &e))?;
        match fs::metadata(&self.path) {
            Ok(there) if (there.dev(), there.ino()) == (here.dev(), here.ino()) => Ok(()),
            Ok(_) => Err(Error::new(ErrorCode::Store, format!("{} was replaced", self.path.display()))
                .with_hint("no other program may write the data folder: start again")),
            Err(error) => Err(disk::failed("found", &self.path, &error)),
        }
    }
}

fn put_record(out: &mut Vec<u8>, version: u64, bytes: &[u8]) {
    out.extend_from_slice(&MARK);
    out.extend_from_slice(&(bytes.len() as u32).to_be_bytes());
    out.extend_from_slice(&version.to_be_bytes());
    out.extend_from_slice(&record_checksum(version, bytes).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn record_checksum(version: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&(bytes.len() as u32).to_be_bytes());
    hasher.update(&version.to_be_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// Reads a journal file: all its whole records.
pub(super) fn read(path: &Path) -> Result<Read> {
    let bytes = fs::read(path).map_err(|e| disk::failed("read", path, &e))?;
    let mut found = Read { entries: Vec::new(), length: MAGIC.len() as u64, is_damaged: false };
    let Some(mut rest) = bytes.strip_prefix(MAGIC) else {
        // The process ended while it made the file, or the file is damaged: records tell.
        let whole = records_in(&bytes);
        found.is_damaged = !whole.is_empty() || bytes.len() > MAGIC.len();
        found.entries = whole;
        found.length = 0;
        return Ok(found);
    };
    while let Some((version, record, after)) = take_record(rest) {
        found.entries.push((version, record.to_vec()));
        rest = after;
    }
    found.length = (bytes.len() - rest.len()) as u64;
    let later = records_in(rest);
    found.is_damaged = !later.is_empty();
    found.entries.extend(later);
    Ok(found)
}

/// The whole record at the start, and what is after it.
fn take_record(bytes: &[u8]) -> Option<(u64, &[u8], &[u8])> {
    let (head, rest) = bytes.split_at_checked(HEAD_BYTES)?;
    let number =
        |range: std::ops::Range<usize>| head[range].iter().fold(0, |n, byte| n << 8 | u64::from(*byte));
    if head[..4] != MARK {
        return None;
    }
    let (length, version) = (number(4..8) as usize, number(8..16));
    let (record, rest) = rest.split_at_checked(length)?;
    (u64::from(record_checksum(version, record)) == number(16..20)).then_some((version, record, rest))
}

/// All whole records, wherever they begin.
fn records_in(bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let mut found = Vec::new();
    let mut rest = bytes;
    while let Some(at) = rest.windows(MARK.len()).position(|window| window == MARK) {
        match take_record(&rest[at..]) {
            Some((version, record, after)) => {
                found.push((version, record.to_vec()));
                rest = after;
            }
            None => rest = &rest[at + 1..],
        }
    }
    found
}
