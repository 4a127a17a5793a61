//! Everything that the catalog knows of a managed table.

use std::sync::Arc;

use imbl::OrdMap;

use super::data_file::DataFile;
use super::file_list::FileList;
use super::property::TableProperties;
use super::shape::TableShape;
use super::summary::TableSummary;
use super::version::TableVersion;
use crate::id::{FileId, TableId};

/// Cheap to copy: everything large in it is shared.
#[derive(Debug, Clone)]
pub struct ManagedTable {
    /// Chosen by who creates it, never used again; names its folder in the warehouse.
    pub id: TableId,
    pub shape: Arc<TableShape>,
    pub properties: Arc<TableProperties>,
    /// The newest version.
    pub version: u64,
    pub files: FileList,
    /// Files that older versions have, by the version in which they went.
    pub retired: OrdMap<(u64, FileId), Arc<DataFile>>,
    /// The versions that are kept.
    pub history: OrdMap<u64, Arc<TableVersion>>,
    pub next_file: u64,
    pub summary: Arc<TableSummary>,
}

impl ManagedTable {
    /// Without rows; its first version comes when it is created in a catalog.
    pub fn new(id: TableId, shape: TableShape, properties: TableProperties) -> Self {
        Self {
            id,
            shape: Arc::new(shape),
            properties: Arc::new(properties),
            version: 0,
            files: FileList::default(),
            retired: OrdMap::new(),
            history: OrdMap::new(),
            next_file: 1,
            summary: Arc::new(TableSummary::default()),
        }
    }

    /// The files that the table had at a version; `None` when that is not kept.
    pub fn files_at(&self, version: u64) -> Option<FileList> {
        self.history.get(&version)?;
        let mut files = self.files.clone();
        for file in self.files.iter().filter(|file| file.added_in > version) {
            files.remove(file.id);
        }
        let later = self.retired.range((version + 1, FileId(0))..);
        for (_, file) in later.filter(|(_, file)| file.added_in <= version) {
            files.insert(Arc::clone(file));
        }
        Some(files)
    }
}

/// What two share is not looked at.
impl PartialEq for ManagedTable {
    fn eq(&self, other: &Self) -> bool {
        fn same<T: PartialEq>(one: &Arc<T>, other: &Arc<T>) -> bool {
            Arc::ptr_eq(one, other) || one == other
        }
        self.id == other.id
            && self.version == other.version
            && self.next_file == other.next_file
            && same(&self.shape, &other.shape)
            && same(&self.properties, &other.properties)
            && same(&self.summary, &other.summary)
            && self.files == other.files
            && self.retired == other.retired
            && self.history == other.history
    }
}
