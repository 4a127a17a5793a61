//! Whole snapshots in files, `catalog.snapshot-V` of version V: the newest ones are kept, with the journal files that
//! lead on from the oldest of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use nyala_schema::Result;

use super::journal_file::JOURNAL;
use crate::disk;
use crate::parts::Pair;
use crate::parts::image::Image;

const SNAPSHOT: &str = "catalog.snapshot-";
/// Snapshot files that are kept.
const GENERATIONS: usize = 3;
const DAMAGED: &str = ".damaged";

/// What is known of the newest snapshot file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Newest {
    pub bytes: u64,
    /// When it was written, milliseconds since 1970.
    pub written_ms: i64,
}

/// Files of a kind with the version in their names, ascending.
pub(super) fn list(folder: &Path, prefix: &str) -> Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    let entries = fs::read_dir(folder).map_err(|e| disk::failed("read", folder, &e))?;
    for entry in entries {
        let entry = entry.map_err(|e| disk::failed("read", folder, &e))?;
        let name = entry.file_name();
        let digits = name.to_str().and_then(|name| name.strip_prefix(prefix));
        if let Some(version) = digits.and_then(|digits| digits.parse().ok()) {
            found.push((version, entry.path()));
        }
    }
    found.sort();
    Ok(found)
}

pub(super) fn snapshots(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    list(folder, SNAPSHOT)
}

pub(super) fn journals(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    list(folder, JOURNAL)
}

pub(super) fn newest(folder: &Path) -> Option<Newest> {
    let (_, path) = snapshots(folder).ok()?.pop()?;
    let metadata = fs::metadata(path).ok()?;
    let written = metadata.modified().ok()?.duration_since(UNIX_EPOCH).ok()?;
    Some(Newest { bytes: metadata.len(), written_ms: i64::try_from(written.as_millis()).unwrap_or(i64::MAX) })
}

/// Writes a snapshot file; its size in bytes.
pub(super) fn write(folder: &Path, version: u64, parts: Vec<Pair>) -> Result<u64> {
    let bytes = Image { version, parts }.to_bytes();
    let name = format!("{SNAPSHOT}{version:020}");
    disk::write_whole(folder, &name, &bytes).map_err(|e| disk::failed("written", &folder.join(&name), &e))?;
    Ok(bytes.len() as u64)
}

/// Removes snapshot files beyond those that are kept, and journal files that none of these needs.
pub(super) fn remove_old(folder: &Path) -> Result<()> {
    let snapshots = snapshots(folder)?;
    let kept_from = snapshots.len().saturating_sub(GENERATIONS);
    let remove = |path: &Path| fs::remove_file(path).map_err(|e| disk::failed("removed", path, &e));
    for (_, path) in &snapshots[..kept_from] {
        remove(path)?;
    }
    let journals = journals(folder)?;
    // The first generations lead on from nothing.
    let oldest = if snapshots.len() < GENERATIONS { 0 } else { snapshots[kept_from].0 };
    for pair in journals.windows(2) {
        // All of its entries come before the next file's first.
        if pair[1].0 <= oldest + 1 {
            remove(&pair[0].1)?;
        }
    }
    Ok(())
}

/// Removes all snapshot files but that of a version, and all journal files.
pub(super) fn remove_all_but(folder: &Path, version: u64) -> Result<()> {
    let others = snapshots(folder)?.into_iter().filter(|(of, _)| *of != version);
    for (_, path) in others.chain(journals(folder)?) {
        fs::remove_file(&path).map_err(|e| disk::failed("removed", &path, &e))?;
    }
    Ok(())
}

/// Gives a damaged file another name: it is neither used nor lost.
pub(super) fn put_aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(DAMAGED);
    let aside = PathBuf::from(name);
    if let Err(error) = fs::rename(path, &aside) {
        tracing::warn!(%error, file = %path.display(), "a damaged file could not be put aside");
    }
    aside
}
