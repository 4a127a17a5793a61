//! The files of tables in the warehouse: opening them, and what is kept of those that were read.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};

use nyala_schema::managed::{Deletions, DeletionsPlace};
use roaring::RoaringBitmap;

use super::deletions::deleted_rows;
use super::warehouse::{Warehouse, check_path};
use crate::clock_cache::ClockCache;
use crate::file::{FileHandle, ReadRange, Stamp};
use crate::parquet::footer::ParquetFooter;
use crate::storage::Storage;

/// Bytes of all bitmaps of deleted rows that are kept.
const DELETIONS_BYTES_MAX: usize = 128 << 20;

/// What is kept of files that never change.
pub struct StoredFiles {
    /// By the paths of files of deletions.
    deletions: ClockCache<(TableId, Arc<str>), Arc<RoaringBitmap>>,
}

impl Default for StoredFiles {
    fn default() -> Self {
        Self { deletions: ClockCache::new(DELETIONS_BYTES_MAX) }
    }
}

/// One Parquet file of a table, as the catalog has it.
#[derive(Debug, Clone)]
pub struct StoredPath {
    pub table: TableId,
    /// Relative to the folder of the table.
    pub path: Arc<str>,
    /// Bytes.
    pub size: u64,
}

/// One file of an object store.
#[derive(Debug)]
struct StoredObject {
    warehouse: Warehouse,
    table: TableId,
    path: Arc<str>,
}

impl ReadRange for StoredObject {
    fn read_range(&self, range: Range<u64>) -> Result<Bytes> {
        self.warehouse.read_range(self.table, &self.path, range)
    }
}

impl StoredPath {
    fn name(&self, warehouse: &Warehouse) -> String {
        format!("{}/{}/{}", warehouse.location(), self.table, self.path)
    }

    /// # Errors
    /// FileAccess; CorruptFile when a file of a folder has another size.
    pub fn open(&self, warehouse: &Warehouse, bytes_read: &Arc<AtomicU64>) -> Result<FileHandle> {
        check_path(&self.path)?;
        let Some(local) = warehouse.local_path(self.table, &self.path) else {
            let path = Arc::clone(&self.path);
            let object = StoredObject { warehouse: warehouse.clone(), table: self.table, path };
            return Ok(FileHandle::remote(Arc::new(object), &self.name(warehouse), self.size, bytes_read));
        };
        let (handle, stamp) = FileHandle::open(&local.to_string_lossy(), bytes_read)?;
        if stamp.size == self.size {
            return Ok(handle);
        }
        let message =
            format!("'{}' has {} bytes where the catalog has {}", local.display(), stamp.size, self.size);
        Err(Error::new(ErrorCode::CorruptFile, message)
            .with_hint("files of the warehouse must not be changed; restore it from a backup"))
    }

    /// The footer if it is cached.
    pub fn known_footer(&self, storage: &Storage) -> Option<Arc<ParquetFooter>> {
        storage.footer_cache().get(&self.name(storage.warehouse()), self.stamp())
    }

    /// The footer; read when it is not cached.
    ///
    /// # Errors
    /// As `open`; CorruptFile.
    pub fn footer(&self, storage: &Storage, bytes_read: &Arc<AtomicU64>) -> Result<Arc<ParquetFooter>> {
        if let Some(footer) = self.known_footer(storage) {
            return Ok(footer);
        }
        let footer = Arc::new(ParquetFooter::read(&self.open(storage.warehouse(), bytes_read)?)?);
        storage.footer_cache().put(&self.name(storage.warehouse()), self.stamp(), &footer);
        Ok(footer)
    }

    /// Such files never change.
    fn stamp(&self) -> Stamp {
        Stamp { size: self.size, modified_ns: 0 }
    }
}

/// The deleted rows of a file; those that are a file of their own are kept.
///
/// # Errors
/// As [`deleted_rows`].
pub fn kept_deletions(
    storage: &Storage,
    table: TableId,
    deletions: &Deletions,
) -> Result<Arc<RoaringBitmap>> {
    let read = || Ok(Arc::new(deleted_rows(storage.warehouse(), table, deletions)?));
    let DeletionsPlace::File { path, .. } = &deletions.place else { return read() };
    let kept = &storage.stored().deletions;
    let key = (table, Arc::clone(path));
    if let Some(rows) = kept.get(&key) {
        return Ok(rows);
    }
    let rows = read()?;
    kept.put(key, Arc::clone(&rows), rows.serialized_size() + path.len(), 1);
    Ok(rows)
}
