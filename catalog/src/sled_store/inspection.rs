//! Every copy of the catalog in a folder, looked at and not mended.

use std::path::{Path, PathBuf};

use nyala_schema::Result;

use super::database::{Database, Opened};
use super::recovery::FOLDER;
use super::{journal_file, snapshot_files};
use crate::catalog::replay;
use crate::check::{Report, check_snapshot};
use crate::snapshot::Snapshot;

/// The snapshot files of a folder with their versions, oldest first.
///
/// # Errors
/// When the folder cannot be read.
pub fn snapshot_paths(folder: &Path) -> Result<Vec<(u64, PathBuf)>> {
    snapshot_files::snapshots(folder)
}

pub(crate) fn check_journals(folder: &Path, report: &mut Report) -> Result<()> {
    let mut expected = None;
    for (first, path) in snapshot_files::journals(folder)? {
        let place = path.display().to_string();
        let read = journal_file::read(&path)?;
        if read.is_damaged {
            report.add(&place, "an entry does not match its checksum".to_owned());
        }
        if let Some(expected) = expected.filter(|expected| *expected != first) {
            report.add(&place, format!("entries {expected} to {} before it are missing", first - 1));
        }
        let mut next = first;
        for (version, _) in &read.entries {
            if *version != next {
                report.add(&place, format!("entry {version} stands where {next} must"));
            }
            next = version + 1;
        }
        report.looked_at.push(format!("{place}: {} entries from version {first} on", read.entries.len()));
        expected = Some(next);
    }
    Ok(())
}

pub(crate) fn check_database(folder: &Path, report: &mut Report) -> Result<()> {
    let path = folder.join(FOLDER);
    let place = path.display().to_string();
    if !path.exists() {
        return Ok(());
    }
    let kept = match Database::open(&path)? {
        Opened::Damaged(damage) => {
            report.add(&place, damage);
            return Ok(());
        }
        Opened::Whole(_, _, kept) => kept,
    };
    let count = (kept.parts.len(), kept.entries.len());
    let saved = match kept.parts.is_empty() {
        true => Ok(Snapshot::default()),
        false => Snapshot::from_parts(kept.parts),
    };
    match saved.and_then(|saved| replay(saved, kept.entries)) {
        Err(error) => report.add(&place, error.message().to_owned()),
        Ok(snapshot) => {
            let (parts, entries) = count;
            let version = snapshot.version;
            report.looked_at.push(format!("{place}: version {version}, {parts} parts, {entries} entries"));
            report.problems.extend(check_snapshot(&snapshot).into_iter().map(|p| p.inside(&place)));
            let newest = snapshot_files::journals(folder)?.pop();
            if let Some((first, path)) = newest {
                let entries = journal_file::read(&path)?.entries;
                let last = entries.last().map_or(first - 1, |(version, _)| *version);
                if last != version {
                    report.add(&place, format!("it is of version {version}, the journal of version {last}"));
                }
            }
        }
    }
    Ok(())
}
