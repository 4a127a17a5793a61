//! What a statement is about to do to one table, and its commit.

use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_schema::command::Command;
use nyala_schema::id::FileId;
use nyala_schema::managed::version::TableOperation;
use nyala_schema::managed::{
    DataFile, Deletions, DeletionsPlace, FileList, Requirement, TableChange,
};
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::{Written, delete_rows};
use roaring::RoaringBitmap;

use super::checked::CheckedWriter;
use super::gone::GoneRows;
use super::target::{Target, WithTable};
use super::{fold, stream};
use crate::query;
use crate::session::Session;
use crate::tables::Tables;

/// A file of which more than one row in so many is gone is written anew without them: reading around many deleted rows
/// costs every later query more than that.
const REWRITE_SHARE: u64 = 3;
/// The name under which a statement reads files that it chose: no table has it.
pub const CHOSEN_FILES: &str = "$files";

/// Dropped before its commit it takes back everything that it wrote.
pub struct PendingChange<'a> {
    session: &'a Session,
    target: &'a Target,
    change: TableChange,
    writer: Option<CheckedWriter>,
    /// Bitmaps that were written for this change.
    markers: Markers<'a>,
}

/// Files with positions of deleted rows; removed when they are dropped.
struct Markers<'a> {
    session: &'a Session,
    target: &'a Target,
    paths: Vec<Arc<str>>,
}

impl<'a> PendingChange<'a> {
    pub fn new(session: &'a Session, target: &'a Target, operation: TableOperation) -> Self {
        let table = target.table();
        let change = TableChange {
            table: target.name.clone(),
            id: table.id,
            base: table.version,
            operation,
            add: Vec::new(),
            remove: Vec::new(),
            delete: Vec::new(),
            requirement: Requirement::Nothing,
            sketches: Vec::new(),
        };
        let markers = Markers { session, target, paths: Vec::new() };
        Self { session, target, change, writer: None, markers }
    }

    /// Where the rows go that the change adds.
    ///
    /// # Errors
    /// Those of the warehouse.
    pub fn rows(&mut self) -> Result<&mut CheckedWriter> {
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(CheckedWriter::new(self.session, self.target)?)),
        }
    }

    /// The change holds only of the very version that the statement read.
    pub fn require_version(&mut self) {
        self.change.requirement = Requirement::Version;
    }

    /// Takes whole files away. Gives their rows.
    pub fn remove<'f>(&mut self, files: impl IntoIterator<Item = &'f Arc<DataFile>>) -> u64 {
        let mut rows = 0;
        for file in files {
            rows += file.live_rows();
            self.change.remove.push(file.id);
        }
        self.require_files();
        rows
    }

    /// Takes rows away: marks them where few of a file go, writes the rest of the file anew where many do, and removes
    /// a file that has none left.
    ///
    /// # Errors
    /// Those of reading and writing the warehouse.
    pub fn take_away(&mut self, tables: &Tables, gone: &GoneRows) -> Result<()> {
        let mut rewritten = FileList::default();
        for (id, rows) in &gone.files {
            let file = self.file(*id)?;
            let going = rows.len() + (file.rows - file.live_rows());
            if going >= file.rows {
                self.change.remove.push(*id);
            } else if going * REWRITE_SHARE > file.rows {
                self.change.remove.push(*id);
                rewritten.insert(Arc::new(self.without(&file, rows)?));
            } else {
                let deletions = self.mark(&file, rows)?;
                self.change.delete.push((*id, deletions));
            }
        }
        self.require_files();
        if rewritten.is_empty() { Ok(()) } else { self.copy_rows(tables, rewritten, None) }
    }

    /// Writes the rows that are left of some files once more.
    ///
    /// # Errors
    /// Those of reading and writing the warehouse.
    pub fn copy_rows(&mut self, tables: &Tables, files: FileList, order: Option<&str>) -> Result<()> {
        let table = self.target.resolved(CHOSEN_FILES, files, false);
        let world = WithTable { world: tables, table };
        let (text, query) = query::select_all_query(CHOSEN_FILES, order)?;
        let session = self.session;
        let writer = self.rows()?;
        stream::each_batch(session, &world, &text, &query, |batch| writer.write_unchecked(batch.columns()))
    }

    /// Makes the change, and puts a table in shape that has become one of many small commits. Nothing happens when there
    /// is nothing to change.
    ///
    /// # Errors
    /// `SerializationFailure` when a commit in between was in its way; those of the store.
    pub fn commit(mut self) -> Result<Option<Arc<Snapshot>>> {
        let written = self.writer.take().map(CheckedWriter::finish).transpose()?;
        let written = written.map(|written| self.name_files(written));
        let change = &self.change;
        if change.add.is_empty() && change.remove.is_empty() && change.delete.is_empty() {
            return Ok(None);
        }
        self.session.check_cancelled()?;
        let committed = self.session.commit(&Command::ChangeTable(self.change));
        if committed.as_ref().map_or_else(is_in_doubt, |_| true) {
            written.into_iter().for_each(Written::keep);
            self.markers.paths.clear();
        }
        let snapshot = committed?;
        fold::after_commit(self.session, &snapshot, self.target);
        Ok(Some(snapshot))
    }

    /// Ends writing, for a change that is part of a greater one: the change, and what takes its files back when it is
    /// dropped.
    ///
    /// # Errors
    /// Those of writing.
    pub fn into_parts(mut self) -> Result<(TableChange, Option<Written>)> {
        let written = self.writer.take().map(CheckedWriter::finish).transpose()?;
        let written = written.map(|written| self.name_files(written));
        self.markers.paths.clear();
        Ok((self.change, written))
    }

    fn name_files(&mut self, mut written: Written) -> Written {
        self.change.add.append(&mut written.files);
        self.change.sketches.append(&mut written.sketches);
        written
    }

    fn require_files(&mut self) {
        if self.change.requirement == Requirement::Nothing {
            self.change.requirement = Requirement::Files;
        }
    }

    fn file(&self, id: FileId) -> Result<Arc<DataFile>> {
        let file = self.target.table().files.get(id).cloned();
        file.ok_or_else(|| Error::internal(format!("a row is said to be in file {}, which is not there", id.0)))
    }

    fn mark(&mut self, file: &DataFile, rows: &RoaringBitmap) -> Result<Deletions> {
        let warehouse = self.session.engine.storage.warehouse();
        let deletions = delete_rows(warehouse, self.target.table().id, file, rows)?;
        if let DeletionsPlace::File { path, .. } = &deletions.place {
            self.markers.paths.push(Arc::clone(path));
        }
        Ok(deletions)
    }

    /// The file with more of its rows marked as deleted, for reading the others.
    fn without(&mut self, file: &DataFile, rows: &RoaringBitmap) -> Result<DataFile> {
        Ok(DataFile { deletions: Some(self.mark(file, rows)?), ..file.clone() })
    }
}

impl Drop for Markers<'_> {
    fn drop(&mut self) {
        let warehouse = self.session.engine.storage.warehouse();
        for path in &self.paths {
            // What cannot be removed now is collected by VACUUM.
            let _ = warehouse.remove(self.target.table().id, path);
        }
    }
}

/// Whether an error leaves open if the commit was made: then its files must stay.
pub fn is_in_doubt(error: &Error) -> bool {
    matches!(
        error.code(),
        ErrorCode::Store
            | ErrorCode::DiskFull
            | ErrorCode::ReadOnly
            | ErrorCode::FileAccess
            | ErrorCode::Connection
            | ErrorCode::Cancelled
            | ErrorCode::Internal
    )
}
