//! Which tables this process writes files for: what a killed process left is found again without looking everywhere.
//!
//! Before the first file of a table is written, an empty file named by the table's id is put into the folder `writing` of the
//! data folder. When the engine ends in order they go; what is there at a start names the tables whose folders are to be
//! compared with the catalog. Only those: a warehouse may be shared with others. Of the files in them, only those that this node
//! began are its own to remove.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nyala_catalog::Snapshot;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::Warehouse;

const FOLDER: &str = "writing";

/// `None` keeps no files, or nothing outlives the process.
pub struct Writing {
    folder: Option<PathBuf>,
    tables: Mutex<BTreeMap<TableId, usize>>,
    /// Files were left that a commit may or may not have named.
    has_left: AtomicBool,
}

/// Held while a statement has files that no commit names yet.
pub struct WritingTable {
    writing: Arc<Writing>,
    table: TableId,
}

impl Writing {
    /// Removes what an earlier process left, then starts anew. Only for who alone has the data folder.
    ///
    /// # Errors
    /// `Store` when the folder cannot be used; those of the warehouse.
    pub fn open(data: Option<&Path>, warehouse: &Warehouse, snapshot: &Snapshot) -> Result<Self> {
        let folder = data.filter(|_| warehouse.keeps_files()).map(|data| data.join(FOLDER));
        if let Some(folder) = &folder {
            collect(folder, warehouse, snapshot)?;
        }
        Ok(Self { folder, tables: Mutex::default(), has_left: AtomicBool::new(false) })
    }

    /// Of a node: what an earlier run left is for [`collect`](Self::collect), once the catalog is known to be new.
    pub fn of_node(data: &Path, warehouse: &Warehouse) -> Self {
        let folder = Some(data.join(FOLDER)).filter(|_| warehouse.keeps_files());
        Self { folder, tables: Mutex::default(), has_left: AtomicBool::new(false) }
    }

    /// Removes what an earlier run of this node left. Before the first statement.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn collect(&self, warehouse: &Warehouse, snapshot: &Snapshot) -> Result<()> {
        self.folder.as_ref().map_or(Ok(()), |folder| collect(folder, warehouse, snapshot))
    }

    /// To be called before the first file of a statement, and held until its commit.
    ///
    /// # Errors
    /// `Store`, `DiskFull`.
    pub fn table(self: &Arc<Self>, table: TableId) -> Result<WritingTable> {
        let mut tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let (Some(folder), None) = (&self.folder, tables.get(&table)) {
            mark(folder, table).map_err(|error| failed("written", folder, &error))?;
        }
        *tables.entry(table).or_default() += 1;
        Ok(WritingTable { writing: Arc::clone(self), table })
    }

    /// The next start looks for files that no version names, also after this process has ended in order.
    pub fn leave_marks(&self) {
        self.has_left.store(true, Ordering::Relaxed);
    }

    /// Tables for which statements are writing now: their folders may have files that no commit names yet.
    pub fn now(&self) -> BTreeSet<TableId> {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        tables.iter().filter(|(_, statements)| **statements > 0).map(|(table, _)| *table).collect()
    }
}

impl Drop for WritingTable {
    fn drop(&mut self) {
        let mut tables = self.writing.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(statements) = tables.get_mut(&self.table) {
            *statements -= 1;
        }
    }
}

/// In order: nobody writes any more.
impl Drop for Writing {
    fn drop(&mut self) {
        let tables = self.tables.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(folder) = &self.folder
            && !tables.is_empty()
            && !self.has_left.load(Ordering::Relaxed)
        {
            // What stays is looked through once more at the next start.
            let _ = fs::remove_dir_all(folder);
        }
    }
}

fn mark(folder: &Path, table: TableId) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::File::create(folder.join(table.to_string()))?;
    fs::File::open(folder)?.sync_all()
}

/// Removes the files that no kept version names, of the tables that were being written.
fn collect(folder: &Path, warehouse: &Warehouse, snapshot: &Snapshot) -> Result<()> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(failed("read", folder, &error)),
    };
    let mut named = None;
    for entry in entries {
        let entry = entry.map_err(|error| failed("read", folder, &error))?;
        let name = entry.file_name();
        let Some(id) = name.to_str().and_then(|name| u128::from_str_radix(name, 16).ok()) else { continue };
        let named = named.get_or_insert_with(|| snapshot.warehouse_files());
        let removed = remove_unnamed(warehouse, TableId(id), named.get(&TableId(id)))?;
        if removed > 0 {
            tracing::info!(table = %TableId(id), removed, "files of statements that were cut off are gone");
        }
    }
    fs::remove_dir_all(folder).map_err(|error| failed("cleared", folder, &error))
}

fn remove_unnamed(
    warehouse: &Warehouse,
    table: TableId,
    named: Option<&BTreeSet<Arc<str>>>,
) -> Result<usize> {
    let files = warehouse.files(table)?;
    let all = files.len();
    let is_named = |path: &str| named.is_some_and(|named| named.contains(path));
    let mut removed = 0;
    for file in files.iter().filter(|file| warehouse.owns(&file.path) && !is_named(&file.path)) {
        warehouse.remove(table, &file.path)?;
        removed += 1;
    }
    if named.is_none() && removed == all {
        warehouse.remove_table(table)?;
    }
    Ok(removed)
}

fn failed(verb: &str, path: &Path, error: &io::Error) -> Error {
    let full = error.kind() == io::ErrorKind::StorageFull;
    let code = if full { ErrorCode::DiskFull } else { ErrorCode::Store };
    Error::new(code, format!("{} cannot be {verb}: {error}", path.display()))
        .with_hint("see that the data folder is on a disk with free space and belongs to this user")
}
