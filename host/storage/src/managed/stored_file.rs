//! Opening the files of a table in its warehouse.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use bytes::Bytes;
use nyala_schema::id::TableId;
use nyala_schema::{Error, ErrorCode, Result};

use super::warehouse::Warehouse;
use crate::file::{FileHandle, ReadRange};

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

/// Opens a file of `size` bytes, as the catalog has it.
///
/// # Errors
/// FileAccess; CorruptFile when a file of a folder has another size.
pub fn open_stored(
    warehouse: &Warehouse,
    table: TableId,
    path: &Arc<str>,
    size: u64,
    bytes_read: &Arc<AtomicU64>,
) -> Result<FileHandle> {
    let Some(local) = warehouse.local_path(table, path)? else {
        let name = format!("{}/{table}/{path}", warehouse.location());
        let object = StoredObject { warehouse: warehouse.clone(), table, path: Arc::clone(path) };
        return Ok(FileHandle::remote(Arc::new(object), &name, size, bytes_read));
    };
    let (handle, stamp) = FileHandle::open(&local.to_string_lossy(), bytes_read)?;
    if stamp.size == size {
        return Ok(handle);
    }
    let message =
        format!("'{}' has {} bytes where the catalog has {size}", local.display(), stamp.size);
    Err(Error::new(ErrorCode::CorruptFile, message).with_hint("files of the warehouse must not be changed"))
}
