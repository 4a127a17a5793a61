//! What a data folder has after whatever happened to it: sled's part and the plain files are read and compared, and the
//! newest state of which every entry is there is taken.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use nyala_schema::{Error, ErrorCode, Result};

use super::database::{Database, Opened};
use super::journal_file::{self, Journal};
use super::snapshot_files;
use crate::parts::image::Image;
use crate::parts::{Pair, Part};
use crate::store::Kept;

pub(super) const FOLDER: &str = "catalog.sled";
/// Of the folder that takes its place.
const NEW: &str = "catalog.sled.new";
const OLD: &str = "catalog.sled.old";
/// Written by versions before there were parts.
const OLD_SNAPSHOT_FILE: &str = "catalog.snapshot";
/// Folders of damaged stores that are kept apart from each other.
const ASIDE_MAX: u32 = 1000;

/// A store that is whole again.
pub(super) struct Recovered {
    pub database: Database,
    pub journal: Journal,
    pub kept: Kept,
    /// Of the last entry.
    pub newest: u64,
}

/// A snapshot that entries can lead on from.
struct Base {
    version: u64,
    parts: Vec<Pair>,
    is_database: bool,
}

pub(super) fn recover(folder: &Path) -> Result<Recovered> {
    refuse_old(folder)?;
    finish_rewrite(folder)?;
    let path = folder.join(FOLDER);
    let (database, stored) = match Database::open(&path)? {
        Opened::Whole(database, version, kept) => (database, version.map(|version| (version, kept))),
        Opened::Damaged(damage) => {
            put_aside(folder, &path, &damage)?;
            match Database::open(&path)? {
                Opened::Whole(database, ..) => (database, None),
                Opened::Damaged(damage) => return Err(hopeless(&damage)),
            }
        }
    };
    let stored_entries: BTreeMap<u64, Vec<u8>> =
        stored.iter().flat_map(|(_, kept)| kept.entries.iter().cloned()).collect();
    // What sled has in its snapshot need not be read again, unless a snapshot file has to take its place.
    let stored_version = stored.as_ref().map(|(version, _)| *version);
    let mut journals = Journals::read(folder, stored_version.unwrap_or(0))?;
    let mut entries = stored_entries.clone();
    entries.extend(journals.after(stored_version.unwrap_or(0)));
    let snapshots = snapshot_files::snapshots(folder)?;
    if !stored_version.is_some_and(|version| is_current(version, &entries, &snapshots)) {
        journals = Journals::read(folder, 0)?;
        entries.extend(journals.after(0));
    }
    let stored = stored.map(|(version, kept)| (version, kept.parts));
    let (base, entries) = choose(&snapshots, stored, entries)?;
    let newest = base.version + entries.len() as u64;
    let kept = Kept { parts: base.parts, entries };
    if !base.is_database {
        let all = kept.parts.iter().map(|(key, value)| Part { key: key.clone(), value: Some(value.clone()) });
        if !kept.parts.is_empty() {
            database.save(None, base.version, &all.collect::<Vec<_>>())?;
        }
    }
    let missing = kept.entries.iter().filter(|(version, bytes)| {
        !base.is_database || stored_entries.get(version).is_none_or(|stored| stored != bytes)
    });
    let missing: Vec<_> = missing.cloned().collect();
    if !missing.is_empty() {
        database.append(&missing)?;
    }
    let journal = journals.resume(folder, base.version, &kept)?;
    Ok(Recovered { database, journal, kept, newest })
}

/// Whether entries lead on from one version to another without a gap.
fn leads_on(version: u64, newest: u64, entries: &BTreeMap<u64, Vec<u8>>) -> bool {
    (version + 1..=newest).all(|next| entries.contains_key(&next))
}

/// Whether sled's snapshot of a version leads, with these entries, to the newest state that anything knows of.
fn is_current(version: u64, entries: &BTreeMap<u64, Vec<u8>>, snapshots: &[(u64, PathBuf)]) -> bool {
    let newest = entries.keys().next_back().map_or(version, |last| version.max(*last));
    leads_on(version, newest, entries) && snapshots.last().is_none_or(|(file, _)| *file <= newest)
}

/// The newest base from which entries lead on without a gap to the newest that there is.
fn choose(
    snapshots: &[(u64, PathBuf)],
    stored: Option<(u64, Vec<Pair>)>,
    entries: BTreeMap<u64, Vec<u8>>,
) -> Result<(Base, Vec<(u64, Vec<u8>)>)> {
    let newest = entries.keys().next_back().copied().unwrap_or(0);
    let newest = newest.max(stored.as_ref().map_or(0, |(version, _)| *version));
    let after = |version: u64| entries.range(version + 1..).map(|(v, bytes)| (*v, bytes.clone())).collect();
    let stored_version = stored.as_ref().map(|(version, _)| *version);
    if let Some((version, parts)) = stored
        && is_current(version, &entries, snapshots)
    {
        return Ok((Base { version, parts, is_database: true }, after(version)));
    }
    let mut newest_file = None;
    for (version, path) in snapshots.iter().rev() {
        let Some(parts) = read_snapshot(path, *version)? else { continue };
        newest_file = newest_file.or(Some(*version));
        if leads_on(*version, newest, &entries) {
            if stored_version.is_some() {
                tracing::warn!(
                    version,
                    "the catalog's store lacks entries and is filled from a snapshot file"
                );
            } else {
                tracing::warn!(version, "the catalog's store is filled from a snapshot file and the journal");
            }
            return Ok((Base { version: *version, parts, is_database: false }, after(*version)));
        }
    }
    // From the very beginning.
    if leads_on(0, newest, &entries)
        && newest_file.is_none_or(|file| file <= newest)
        && (snapshots.is_empty() || newest > 0)
    {
        return Ok((Base { version: 0, parts: Vec::new(), is_database: false }, after(0)));
    }
    Err(hopeless(&format!("entries before version {newest} are missing")))
}

/// `None` for a damaged file, which is put aside.
fn read_snapshot(path: &Path, version: u64) -> Result<Option<Vec<Pair>>> {
    let bytes = fs::read(path).map_err(|e| crate::disk::failed("read", path, &e))?;
    match Image::from_bytes(&bytes) {
        Ok(image) if image.version == version => Ok(Some(image.parts)),
        Ok(_) => {
            snapshot_files::put_aside(path);
            Ok(None)
        }
        Err(error) if error.hint().is_some() => Err(error),
        Err(error) => {
            let aside = snapshot_files::put_aside(path);
            tracing::warn!(%error, aside = %aside.display(), "a snapshot file was damaged and has been put aside");
            Ok(None)
        }
    }
}

/// All journal files.
struct Journals {
    entries: BTreeMap<u64, Vec<u8>>,
    /// The version that the first file begins with.
    first: Option<u64>,
    /// The file to go on with.
    last: Option<(PathBuf, journal_file::Read)>,
    is_damaged: bool,
}

impl Journals {
    /// Of the files that may have entries after a version, and of the last in any case.
    fn read(folder: &Path, after: u64) -> Result<Self> {
        let mut journals = Self { entries: BTreeMap::new(), first: None, last: None, is_damaged: false };
        let files = snapshot_files::journals(folder)?;
        let passed = files.windows(2).take_while(|pair| pair[1].0 <= after + 1).count();
        for (first, path) in files.into_iter().skip(passed) {
            let mut read = journal_file::read(&path)?;
            if read.is_damaged {
                tracing::warn!(file = %path.display(), "the catalog's journal is damaged");
                journals.is_damaged = true;
            }
            journals.entries.extend(std::mem::take(&mut read.entries));
            journals.first = journals.first.or(Some(first));
            journals.last = Some((path, read));
        }
        Ok(journals)
    }

    /// The entries after a version.
    fn after(&self, version: u64) -> impl Iterator<Item = (u64, Vec<u8>)> {
        self.entries.range(version + 1..).map(|(version, bytes)| (*version, bytes.clone()))
    }

    /// Goes on with the last file if the files lead to the newest entry without a gap and have what sled has; else a snapshot
    /// file and a new journal make up for what they lack.
    fn resume(self, folder: &Path, base: u64, kept: &Kept) -> Result<Journal> {
        let newest = base + kept.entries.len() as u64;
        if self.is_whole(base, newest, kept)
            && let Some((path, read)) = self.last
        {
            return Journal::resume(path, &read);
        }
        if newest > 0 {
            tracing::warn!(version = base, "the catalog's journal is begun anew, with a snapshot file");
        }
        if base > 0 {
            snapshot_files::write(folder, base, kept.parts.clone())?;
        }
        for (_, path) in snapshot_files::journals(folder)? {
            snapshot_files::put_aside(&path);
        }
        let mut journal = Journal::create(folder, base + 1)?;
        if !kept.entries.is_empty() {
            journal.append(&kept.entries)?;
        }
        Ok(journal)
    }

    fn is_whole(&self, base: u64, newest: u64, kept: &Kept) -> bool {
        let first = self.first.unwrap_or(u64::MAX);
        !self.is_damaged
            && first <= base + 1
            && (first..=newest).all(|version| self.entries.contains_key(&version))
            && self.entries.keys().next_back().is_none_or(|last| *last <= newest)
            && kept.entries.iter().all(|(version, bytes)| self.entries.get(version) == Some(bytes))
    }
}

/// Puts a damaged sled folder aside; it is never deleted.
fn put_aside(folder: &Path, path: &Path, damage: &str) -> Result<()> {
    let mut names = (1..ASIDE_MAX).map(|n| folder.join(format!("{FOLDER}.damaged-{n}")));
    let aside = names.find(|candidate| !candidate.exists()).ok_or_else(|| {
        Error::new(ErrorCode::Store, format!("there are too many damaged stores in {}", folder.display()))
            .with_hint("look at why they were damaged, then remove them")
    })?;
    fs::rename(path, &aside).map_err(|e| crate::disk::failed("put aside", path, &e))?;
    tracing::warn!(damage, aside = %aside.display(), "the catalog's store was damaged and has been put aside");
    Ok(())
}

fn hopeless(damage: &str) -> Error {
    Error::new(ErrorCode::Store, format!("the catalog cannot be read, and no copy of it is whole: {damage}"))
        .with_hint("restore a backup; `nyala catalog check` says what is left")
}

fn refuse_old(folder: &Path) -> Result<()> {
    if !folder.join(OLD_SNAPSHOT_FILE).exists() {
        return Ok(());
    }
    let message = format!("the catalog in {} is of an older format", folder.display());
    Err(Error::new(ErrorCode::Store, message)
        .with_hint("use the version of Nyala that wrote it, or another --data folder"))
}

/// A rewrite of the sled folder that the process did not finish is finished or undone.
fn finish_rewrite(folder: &Path) -> Result<()> {
    let (path, new, old) = (folder.join(FOLDER), folder.join(NEW), folder.join(OLD));
    let finish = || {
        if !path.exists() && old.exists() {
            fs::rename(&old, &path)?;
        }
        for rest in [&new, &old] {
            if rest.exists() {
                fs::remove_dir_all(rest)?;
            }
        }
        std::io::Result::Ok(())
    };
    finish().map_err(|e| crate::disk::failed("cleared", folder, &e))
}

/// Makes a small folder of a large one that keeps the same.
pub(super) fn rewrite(folder: &Path, database: Database) -> Result<Database> {
    let (path, new, old) = (folder.join(FOLDER), folder.join(NEW), folder.join(OLD));
    drop(database);
    let Opened::Whole(large, Some(version), kept) = Database::open(&path)? else {
        return Err(Error::new(ErrorCode::Store, "the catalog's store could not be read to be rewritten"));
    };
    let Opened::Whole(small, ..) = Database::open(&new)? else {
        return Err(Error::new(ErrorCode::Store, "the catalog's store could not be rewritten"));
    };
    let parts: Vec<Part> =
        kept.parts.into_iter().map(|(key, value)| Part { key, value: Some(value) }).collect();
    small.save(None, version, &parts)?;
    small.append(&kept.entries)?;
    drop((small, large));
    let exchange = || {
        fs::rename(&path, &old)?;
        fs::rename(&new, &path)?;
        crate::disk::sync_folder(folder)?;
        fs::remove_dir_all(&old)
    };
    exchange().map_err(|e| crate::disk::failed("exchanged", &path, &e))?;
    match Database::open(&path)? {
        Opened::Whole(database, ..) => Ok(database),
        Opened::Damaged(damage) => Err(Error::new(ErrorCode::Store, damage)),
    }
}
