//! OPTIMIZE: small files become large ones, rows from the catalog too, deleted rows go for good, and the rows of a partition
//! are in the order of SORTED BY over all of its files.

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::sync::Arc;

use nyala_frontend::PartitionValue;
use nyala_schema::bound::Bound;
use nyala_schema::id::{ColumnId, FileId};
use nyala_schema::managed::file_statistics::TEXT_BOUND_BYTES;
use nyala_schema::managed::version::TableOperation;
use nyala_schema::managed::{DataFile, FileContent, FileList, ManagedTable};
use nyala_schema::{Error, ErrorCode, Result};

use super::partition::{self, PartitionFilter};
use super::pending::PendingChange;
use super::target::Target;
use crate::answer::Answer;
use crate::session::Session;

/// A file of less than three quarters of the wanted size is small.
const SMALL_NUMERATOR: u64 = 3;
const SMALL_DENOMINATOR: u64 = 4;
/// Rows that the catalog keeps in one piece, at most.
const PIECE_ROWS: u64 = 122_880;
/// Files that are rewritten in one commit, in wanted sizes: what a conflict costs, and what a sort holds.
const COMMIT_FILES: u64 = 8;

pub fn run(session: &Session, sql: &str, table: &str, partition: &[PartitionValue]) -> Result<Answer> {
    let mut done = Done::default();
    for group in groups(session, sql, table, partition)? {
        session.retrying(|_| optimize_group(session, table, &group, &mut done))?;
    }
    Ok(Answer::Done(done.to_string()))
}

#[derive(Default)]
struct Done {
    files: usize,
    into: usize,
    rows: u64,
}

impl std::fmt::Display for Done {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.files {
            0 => f.write_str("OPTIMIZE 0 files"),
            files => write!(f, "OPTIMIZE {files} files into {}, {} rows", self.into, self.rows),
        }
    }
}

/// The partitions that are meant, and of each what is worth writing anew, cut into parts that are committed one by one.
fn groups(session: &Session, sql: &str, table: &str, values: &[PartitionValue]) -> Result<Vec<Vec<FileId>>> {
    let target = Target::find(session, table)?;
    let filter = PartitionFilter::new(session, sql, &target, values)?;
    filter.check_exists(&target)?;
    let mut partitions = BTreeMap::<String, Vec<&Arc<DataFile>>>::new();
    for file in target.table().files.iter().filter(|file| filter.matches(file)) {
        partitions.entry(partition::key(&file.partition)).or_default().push(file);
    }
    let keeps_files = session.engine.storage.warehouse().keeps_files();
    let rule = Rule { table: target.table(), keeps_files };
    Ok(partitions.into_values().flat_map(|files| rule.worth_rewriting(&files)).collect())
}

/// What of a partition is to be written anew.
struct Rule<'a> {
    table: &'a ManagedTable,
    keeps_files: bool,
}

impl Rule<'_> {
    /// Parts that are committed one by one.
    fn worth_rewriting(&self, files: &[&Arc<DataFile>]) -> Vec<Vec<FileId>> {
        let runs = match self.sorted_by() {
            Some(column) => self.sorted_runs(files, column),
            None => vec![
                files.iter().copied().filter(|file| self.is_dirty(file) || self.is_small(file)).collect(),
            ],
        };
        let worth = runs.into_iter().filter(|run| self.is_worth(run));
        let parts = worth.flat_map(|run| if self.sorted_by().is_some() { vec![run] } else { self.cut(run) });
        parts.map(|files| files.into_iter().map(|file| file.id).collect()).collect()
    }

    fn sorted_by(&self) -> Option<ColumnId> {
        self.table.shape.sort_by.first().map(|field| field.column)
    }

    /// Neighbours in the order of a column, up to files that are well as they are.
    fn sorted_runs<'f>(&self, files: &[&'f Arc<DataFile>], column: ColumnId) -> Vec<Vec<&'f Arc<DataFile>>> {
        let mut runs = vec![Vec::new()];
        for part in overlapping(files, column) {
            match part.as_slice() {
                [file] if !self.is_dirty(file) && !self.is_small(file) => runs.push(Vec::new()),
                _ => runs.last_mut().into_iter().for_each(|run: &mut Vec<_>| run.extend(&part)),
            }
        }
        runs
    }

    fn is_worth(&self, run: &[&Arc<DataFile>]) -> bool {
        let size: u64 = run.iter().map(|file| self.size(file)).sum();
        let needed = size.div_ceil(self.wanted_size()).max(1);
        let is_mixed = self.sorted_by().is_some_and(|column| overlapping(run, column).len() < run.len());
        is_mixed || run.iter().any(|file| self.is_dirty(file)) || run.len() as u64 > needed
    }

    fn is_dirty(&self, file: &DataFile) -> bool {
        file.deletions.is_some() || self.keeps_files && matches!(file.content, FileContent::Rows(_))
    }

    fn is_small(&self, file: &DataFile) -> bool {
        self.size(file) < self.wanted_size() * SMALL_NUMERATOR / SMALL_DENOMINATOR
    }

    /// In bytes, or in rows where the catalog keeps them.
    fn size(&self, file: &DataFile) -> u64 {
        if self.keeps_files { file.bytes() } else { file.rows }
    }

    fn wanted_size(&self) -> u64 {
        if self.keeps_files { self.table.properties.file_bytes } else { PIECE_ROWS }
    }

    /// Neighbours together, so many that a commit is not too large.
    fn cut<'f>(&self, files: Vec<&'f Arc<DataFile>>) -> Vec<Vec<&'f Arc<DataFile>>> {
        let limit = self.wanted_size().saturating_mul(COMMIT_FILES);
        let mut parts: Vec<Vec<&Arc<DataFile>>> = Vec::new();
        let mut size = 0;
        for file in files {
            if size == 0 || size + self.size(file) > limit {
                parts.push(Vec::new());
                size = 0;
            }
            size += self.size(file).max(1);
            if let Some(part) = parts.last_mut() {
                part.push(file);
            }
        }
        parts
    }
}

/// Files in parts such that no value of a column lies in the ranges of two parts; files of which no range is known are one
/// part with all others.
fn overlapping<'f>(files: &[&'f Arc<DataFile>], column: ColumnId) -> Vec<Vec<&'f Arc<DataFile>>> {
    let range = |file: &'f Arc<DataFile>| {
        let known = file.statistics.column(column)?;
        Some((known.min?, known.max?, file))
    };
    let Some(mut ranges) = files.iter().map(|file| range(file)).collect::<Option<Vec<_>>>() else {
        return vec![files.to_vec()];
    };
    ranges.sort_by(|a, b| order(&a.0, &b.0).then(order(&a.1, &b.1)));
    let mut parts: Vec<Vec<&Arc<DataFile>>> = Vec::new();
    let mut end: Option<Bound> = None;
    for (min, max, file) in ranges {
        let starts_anew = end.as_ref().is_none_or(|end| order(end, &min) != Ordering::Greater);
        if starts_anew {
            parts.push(Vec::new());
        }
        if let Some(part) = parts.last_mut() {
            part.push(file);
        }
        end = match end {
            Some(end) if !starts_anew && order(&end, &max) == Ordering::Greater => Some(end),
            _ => Some(max),
        };
    }
    parts
}

/// Long texts by what is kept of them, less the character that may have been made greater.
fn order(one: &Bound, other: &Bound) -> Ordering {
    match (one, other) {
        (Bound::Text(one), Bound::Text(other)) => {
            let kept = |text: &'_ Vec<u8>| text.len().min(TEXT_BOUND_BYTES - 1);
            one[..kept(one)].cmp(&other[..kept(other)])
        }
        _ => one.partial_cmp(other).unwrap_or(Ordering::Equal),
    }
}

fn optimize_group(session: &Session, table: &str, group: &[FileId], done: &mut Done) -> Result<()> {
    let target = Target::find(session, table)?;
    // Files that went meanwhile need no care any more; those of which rows went are there under another id.
    let files: FileList =
        group.iter().filter_map(|id| target.table().files.get(*id)).map(Arc::clone).collect();
    if files.is_empty() {
        return Ok(());
    }
    let count = files.len();
    let (into, rows) = rewrite(session, &target, files)?;
    done.files += count;
    done.into += into;
    done.rows += rows;
    Ok(())
}

/// Writes the rows of some files of one partition anew, in order. Gives how many files they are now, and rows.
///
/// # Errors
/// `SerializationFailure` when some of the rows have gone meanwhile; those of reading and writing.
pub fn rewrite(session: &Session, target: &Target, files: FileList) -> Result<(usize, u64)> {
    let mut change = PendingChange::new(session, target, TableOperation::Optimize);
    let rows = change.remove(files.iter());
    let written = change.copy_rows(files.clone(), order_by(target.table()).as_deref());
    match written {
        // Rows of each file are in order then, and the files are not among each other.
        Err(error) if error.code() == ErrorCode::OutOfMemory => {
            change.discard_rows();
            change.copy_rows(files, None)?;
        }
        other => other?,
    }
    let into = change.finish_rows()?.len();
    if rows != change.rows_written() {
        return Err(Error::internal(format!("{rows} rows became {}", change.rows_written())));
    }
    change.commit()?;
    Ok((into, rows))
}

/// SORTED BY as ORDER BY has it.
fn order_by(table: &ManagedTable) -> Option<String> {
    let terms = table.shape.sort_by.iter().filter_map(|field| {
        let column = table.shape.column_by_id(field.column)?;
        let direction = if field.descending { "DESC" } else { "ASC" };
        let nulls = if field.nulls_first { "FIRST" } else { "LAST" };
        Some(format!("\"{}\" {direction} NULLS {nulls}", column.name.replace('"', "\"\"")))
    });
    let terms: Vec<String> = terms.collect();
    (!terms.is_empty()).then(|| terms.join(", "))
}
