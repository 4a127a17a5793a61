//! Changes of a table's rows: files that come and go.

use std::collections::BTreeSet;
use std::sync::Arc;

use nyala_schema::id::FileId;
use nyala_schema::managed::{
    DataFile, Deletions, ManagedTable, Requirement, TableChange, TableOperation, TableShape,
};
use nyala_schema::{Error, Result};

use super::conflict::{conflict, require_same_table};
use super::version::Rows;
use super::{summary, table, version};
use crate::snapshot::Snapshot;

/// A change without files leaves the table's version as it is.
pub(super) fn change(next: &mut Snapshot, change: &TableChange) -> Result<()> {
    require_same_table(next, &change.table, change.id)?;
    let (catalog_version, at_ms) = (next.version, next.at_ms);
    let table = table::managed_mut(next, &change.table)?;
    require_unchanged(table, change)?;
    if change.add.is_empty() && change.remove.is_empty() && change.delete.is_empty() {
        return Ok(());
    }
    let mut edit = Edit::new(table);
    edit.remove(change)?;
    edit.delete(change)?;
    edit.add(change)?;
    let (rows, retired) = (edit.rows, edit.retired);
    version::push(table, catalog_version, at_ms, change.operation, rows);
    version::expire_some(table, at_ms, retired);
    Ok(())
}

fn require_unchanged(table: &ManagedTable, change: &TableChange) -> Result<()> {
    let name = &change.table;
    if change.requirement == Requirement::Version && change.base != table.version {
        let (base, version) = (change.base, table.version);
        return Err(conflict(format!("the table \"{name}\" has changed from version {base} to {version}")));
    }
    if change.base == table.version {
        return Ok(());
    }
    match table.history.get(&change.base) {
        Some(base) if same_shape(&base.shape, &table.shape) => Ok(()),
        Some(_) => Err(conflict(format!("the table \"{name}\" was altered while the statement ran"))),
        None => Err(conflict(format!("version {} of the table \"{name}\" is not kept", change.base))),
    }
}

fn same_shape(one: &Arc<TableShape>, other: &Arc<TableShape>) -> bool {
    Arc::ptr_eq(one, other) || one == other
}

/// What happens to a table on the way to its next version.
struct Edit<'a> {
    table: &'a mut ManagedTable,
    /// The next version.
    version: u64,
    rows: Rows,
    /// Files that went.
    retired: usize,
}

impl<'a> Edit<'a> {
    fn new(table: &'a mut ManagedTable) -> Self {
        let version = table.version + 1;
        Self { table, version, rows: Rows::default(), retired: 0 }
    }

    fn remove(&mut self, change: &TableChange) -> Result<()> {
        require_once(change)?;
        for id in &change.remove {
            let file = self.retire(change, *id)?;
            self.rows.removed = self.rows.removed.saturating_add(file.live_rows());
            summary::remove_file(Arc::make_mut(&mut self.table.summary), &file);
        }
        Ok(())
    }

    fn delete(&mut self, change: &TableChange) -> Result<()> {
        for (id, deletions) in &change.delete {
            let file = self.retire(change, *id)?;
            let gone_before = file.deletions.as_ref().map_or(0, |before| before.rows);
            if deletions.rows < gone_before || deletions.rows > file.rows {
                let message = format!("{} of {} rows of a file would be gone", deletions.rows, file.rows);
                return Err(Error::internal(message));
            }
            let gone = deletions.rows - gone_before;
            self.rows.removed = self.rows.removed.saturating_add(gone);
            if deletions.rows == file.rows {
                summary::remove_file(Arc::make_mut(&mut self.table.summary), &file);
                continue;
            }
            let summary = Arc::make_mut(&mut self.table.summary);
            summary.rows = summary.rows.saturating_sub(gone);
            self.enter(DataFile { deletions: Some(Deletions::clone(deletions)), ..DataFile::clone(&file) });
        }
        Ok(())
    }

    fn add(&mut self, change: &TableChange) -> Result<()> {
        if self.table.files.is_empty() {
            let analyzed = self.table.summary.analyzed;
            self.table.summary = Arc::new(summary::empty(&self.table.shape));
            Arc::make_mut(&mut self.table.summary).analyzed = analyzed;
        }
        let before = self.table.summary.rows;
        for file in &change.add {
            let gone = file.deletions.as_ref().map_or(0, |deletions| deletions.rows);
            if file.partition.len() != self.table.shape.partition_by.len() || gone > file.rows {
                return Err(Error::internal(format!("a file does not fit the table \"{}\"", change.table)));
            }
            self.rows.added = self.rows.added.saturating_add(file.live_rows());
            summary::add_file(Arc::make_mut(&mut self.table.summary), file);
            self.enter(file.clone());
        }
        if !change.sketches.is_empty() {
            let summary = Arc::make_mut(&mut self.table.summary);
            summary::merge_sketches(summary, &change.sketches, before, self.rows.added)?;
        }
        if change.operation == TableOperation::Optimize && self.rows.added != self.rows.removed {
            let (added, removed) = (self.rows.added, self.rows.removed);
            return Err(Error::internal(format!("OPTIMIZE would make {added} rows of {removed}")));
        }
        Ok(())
    }

    /// Takes a file out that the statement read; older versions keep it.
    fn retire(&mut self, change: &TableChange, id: FileId) -> Result<Arc<DataFile>> {
        let read = self.table.files.get(id).is_some_and(|file| file.added_in <= change.base);
        let removed = if read { self.table.files.remove(id) } else { None };
        let file = removed.ok_or_else(|| {
            conflict(format!("another commit changed rows of \"{}\" that the statement read", change.table))
        })?;
        self.table.retired.insert((self.version, id), Arc::clone(&file));
        self.retired += 1;
        Ok(file)
    }

    /// Puts a file in under the next id.
    fn enter(&mut self, mut file: DataFile) {
        file.id = FileId(self.table.next_file);
        file.added_in = self.version;
        self.table.next_file += 1;
        self.table.files.insert(Arc::new(file));
    }
}

fn require_once(change: &TableChange) -> Result<()> {
    let mut seen = BTreeSet::new();
    let mut touched = change.remove.iter().chain(change.delete.iter().map(|(id, _)| id));
    match touched.find(|id| !seen.insert(**id)) {
        None => Ok(()),
        Some(id) => {
            Err(Error::internal(format!("a change of \"{}\" touches file {} twice", change.table, id.0)))
        }
    }
}
