//! What a statement is about to do to one table, and its commit.

use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_schema::command::Command;
use nyala_schema::id::{FileId, TableId};
use nyala_schema::managed::version::TableOperation;
use nyala_schema::managed::{DataFile, Deletions, DeletionsPlace, FileList, Requirement, TableChange};
use nyala_schema::{Error, Result};
use nyala_storage::managed::{Warehouse, Written, delete_rows, deleted_rows};
use roaring::RoaringBitmap;

use super::checked::CheckedWriter;
use super::gone::GoneRows;
use super::target::{Target, WithTable};
use super::{fold, stream};
use crate::query;
use crate::session::Session;
use crate::transaction::Uncommitted;
use crate::writing::WritingTable;

/// A file of which more than one row in so many is gone is written anew without them: reading around many deleted rows
/// costs every later query more than that.
const REWRITE_SHARE: u64 = 3;
/// The name under which a statement reads files that it chose.
const CHOSEN: &str = "$chosen";

/// Dropped before its commit it takes back everything that it wrote.
pub struct PendingChange<'a> {
    session: &'a Session,
    target: &'a Target,
    change: TableChange,
    writer: Option<CheckedWriter>,
    rows_written: u64,
    new: NewFiles,
    /// There as soon as something is written.
    mark: Option<WritingTable>,
}

/// Files that no commit names yet; removed when they are dropped.
pub struct NewFiles {
    written: Option<Written>,
    warehouse: Warehouse,
    table: TableId,
    /// Bitmaps of deleted rows.
    deletions: Vec<Arc<str>>,
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
        let warehouse = session.engine.storage.warehouse().clone();
        let new = NewFiles { written: None, warehouse, table: table.id, deletions: Vec::new() };
        Self { session, target, change, writer: None, rows_written: 0, new, mark: None }
    }

    /// Where the rows go that the change adds.
    ///
    /// # Errors
    /// Those of the warehouse.
    pub fn rows(&mut self) -> Result<&mut CheckedWriter> {
        if self.writer.is_none() {
            self.mark()?;
        }
        let may_inline = self.change.operation != TableOperation::Optimize;
        match &mut self.writer {
            Some(writer) => Ok(writer),
            none => Ok(none.insert(CheckedWriter::new(self.session, self.target, may_inline)?)),
        }
    }

    pub fn rows_written(&self) -> u64 {
        self.rows_written + self.writer.as_ref().map_or(0, |writer| writer.rows)
    }

    /// Ends the writing of rows. Gives the files that they are in.
    ///
    /// # Errors
    /// Those of writing.
    pub fn finish_rows(&mut self) -> Result<&[DataFile]> {
        if let Some(writer) = self.writer.take() {
            self.rows_written += writer.rows;
            let mut written = writer.finish()?;
            // They stay in `written` too, which removes them unless they are kept.
            self.change.add.extend(written.files.iter().cloned());
            self.change.sketches.append(&mut written.sketches);
            self.new.written = Some(written);
        }
        Ok(&self.change.add)
    }

    /// Gives up the rows that were written so far.
    pub fn discard_rows(&mut self) {
        self.writer = None;
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
    pub fn take_away(&mut self, gone: &GoneRows) -> Result<()> {
        let mut rewritten = FileList::default();
        for (id, rows) in &gone.files {
            let file = self.file(*id)?;
            let going = rows.len() + (file.rows - file.live_rows());
            if going >= file.rows {
                self.change.remove.push(*id);
            } else if going * REWRITE_SHARE > file.rows {
                self.change.remove.push(*id);
                let deletions = Some(self.passing(&file, rows)?);
                rewritten.insert(Arc::new(DataFile { deletions, ..DataFile::clone(&file) }));
            } else {
                let deletions = self.delete(&file, rows)?;
                self.change.delete.push((*id, deletions));
            }
        }
        self.require_files();
        if rewritten.is_empty() { Ok(()) } else { self.copy_rows(rewritten, None) }
    }

    /// Writes the rows that are left of some files once more, in an order that is given as ORDER BY has it.
    ///
    /// # Errors
    /// Those of reading and writing the warehouse.
    pub fn copy_rows(&mut self, files: FileList, order: Option<&str>) -> Result<()> {
        let order = order.map_or_else(String::new, |order| format!(" ORDER BY {order}"));
        let (sql, query) = query::parsed(format!("SELECT * FROM \"{CHOSEN}\"{order}"))?;
        let tables = self.session.tables();
        let world = WithTable { world: &tables, table: self.target.resolved(CHOSEN, files) };
        let session = self.session;
        let writer = self.rows()?;
        stream::each_batch(session, &world, &sql, &query, |batch| writer.write_unchecked(batch.columns()))
    }

    /// Makes the change, and puts a table in shape that has become one of many small commits. Nothing happens when there
    /// is nothing to change.
    ///
    /// # Errors
    /// `SerializationFailure` when a commit in between was in its way; those of the store.
    pub fn commit(self) -> Result<Option<Arc<Snapshot>>> {
        let (session, target) = (self.session, self.target);
        let Some((change, files)) = self.into_parts()? else { return Ok(None) };
        let snapshot = session.commit_files(&Command::ChangeTable(change), files)?;
        fold::after_commit(session, &snapshot, target);
        Ok(Some(snapshot))
    }

    /// The change, with its new files, for a commit of more than this; `None` when there is nothing to change.
    ///
    /// # Errors
    /// Those of writing; `Cancelled`.
    #[allow(clippy::type_complexity, reason = "it is what a session's commit takes")]
    pub fn into_parts(mut self) -> Result<Option<(TableChange, Vec<(Box<dyn Uncommitted>, WritingTable)>)>> {
        self.finish_rows()?;
        self.session.check_cancelled()?;
        let change = self.change;
        if change.add.is_empty() && change.remove.is_empty() && change.delete.is_empty() {
            return Ok(None);
        }
        let new: Box<dyn Uncommitted> = Box::new(self.new);
        Ok(Some((change, self.mark.map(|mark| (new, mark)).into_iter().collect())))
    }

    fn require_files(&mut self) {
        if self.change.requirement == Requirement::Nothing {
            self.change.requirement = Requirement::Files;
        }
    }

    fn file(&self, id: FileId) -> Result<Arc<DataFile>> {
        let file = self.target.table().files.get(id).cloned();
        file.ok_or_else(|| {
            Error::internal(format!("a row is said to be in file {}, which is not there", id.0))
        })
    }

    fn delete(&mut self, file: &DataFile, rows: &RoaringBitmap) -> Result<Deletions> {
        self.mark()?;
        let deletions = delete_rows(&self.new.warehouse, self.new.table, file, rows)?;
        if let DeletionsPlace::File { path, .. } = &deletions.place {
            self.new.deletions.push(Arc::clone(path));
        }
        Ok(deletions)
    }

    /// As [`delete`](Self::delete), for nobody but this statement.
    fn passing(&self, file: &DataFile, rows: &RoaringBitmap) -> Result<Deletions> {
        let all = match &file.deletions {
            Some(deletions) => deleted_rows(&self.new.warehouse, self.new.table, deletions)? | rows,
            None => rows.clone(),
        };
        let mut bytes = Vec::with_capacity(all.serialized_size());
        all.serialize_into(&mut bytes)
            .map_err(|error| Error::internal(format!("a bitmap cannot be written to memory: {error}")))?;
        Ok(Deletions { rows: all.len(), place: DeletionsPlace::Inline(bytes.into()) })
    }

    fn mark(&mut self) -> Result<()> {
        if self.mark.is_none() {
            self.mark = Some(self.session.engine.writing.table(self.target.table().id)?);
        }
        Ok(())
    }
}

impl Uncommitted for NewFiles {
    fn keep(mut self: Box<Self>) {
        self.deletions.clear();
        if let Some(written) = self.written.take() {
            written.keep();
        }
    }
}

impl Drop for NewFiles {
    fn drop(&mut self) {
        for path in &self.deletions {
            // What cannot be removed now is collected later.
            let _ = self.warehouse.remove(self.table, path);
        }
    }
}
