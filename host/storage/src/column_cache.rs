//! Decoded columns of row groups, kept between queries.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use nyala_schema::id::TableId;

use crate::clock_cache::ClockCache;
use crate::file::Stamp;
use crate::row_reader::Wanted;

/// Rounds of the clock for a column whose values are taken as they are stored, and for one that costs more to decode.
const WORTH_PLAIN: u8 = 1;
const WORTH_CODED: u8 = 2;

/// A file, for as long as its content is the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum CachedFile {
    External { path: String, stamp: Stamp },
    Managed { table: TableId, path: Arc<str> },
}

/// One column of one row group in the type in which a scan hands it out.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct ColumnKey {
    file: Arc<CachedFile>,
    group: u32,
    /// Position in an external file; the id of a managed table's column.
    column: u32,
    physical: DataType,
}

/// Whole columns by file, row group and column; bounded in bytes.
pub struct ColumnCache(ClockCache<ColumnKey, ArrayRef>);

impl Default for ColumnCache {
    /// Keeps nothing.
    fn default() -> Self {
        Self(ClockCache::new(0))
    }
}

impl ColumnCache {
    /// Bytes of all columns, at most; 0 switches the cache off.
    pub fn set_bytes_max(&self, bytes_max: usize) {
        self.0.set_bytes_max(bytes_max);
    }

    pub fn bytes_max(&self) -> usize {
        self.0.bytes_max()
    }

    pub fn bytes(&self) -> usize {
        self.0.bytes()
    }
}

/// How a scan's output column is known to the cache.
#[derive(Debug, Clone)]
pub struct CachedColumn {
    /// As in `ColumnKey`.
    pub column: u32,
    pub physical: DataType,
}

/// The cached columns of one row group.
#[derive(Clone)]
pub struct CachedGroup {
    pub cache: Arc<ColumnCache>,
    pub file: Arc<CachedFile>,
    pub group: usize,
    /// For each output column; `None` for those that are not stored.
    pub columns: Arc<[Option<CachedColumn>]>,
    /// Whether the scan wants most of the row group's rows.
    pub wants_most: bool,
}

impl CachedGroup {
    fn key(&self, index: usize) -> Option<ColumnKey> {
        let column = self.columns.get(index)?.as_ref()?;
        Some(ColumnKey {
            file: Arc::clone(&self.file),
            group: u32::try_from(self.group).ok()?,
            column: column.column,
            physical: column.physical.clone(),
        })
    }

    pub fn get(&self, index: usize) -> Option<ArrayRef> {
        self.cache.0.get(&self.key(index)?)
    }

    /// Whether all columns of the scan are there.
    pub fn has_all(&self) -> bool {
        (0..self.columns.len()).all(|index| self.key(index).is_none_or(|key| self.cache.0.contains(&key)))
    }

    /// Whether a column that is not there should be decoded as a whole: at once when most of it is wanted, the second
    /// time when few rows are. `bytes`: about what it takes.
    pub fn wants(&self, index: usize, wanted: Wanted, bytes: usize) -> bool {
        let Some(key) = self.key(index) else { return false };
        /// Of a cache, so that one column does not evict all others.
        const PART_MAX: usize = 64;
        bytes <= self.cache.bytes_max() / PART_MAX
            && (wanted == Wanted::Most && self.wants_most || self.cache.0.was_seen(&key))
    }

    pub fn put(&self, index: usize, column: &ArrayRef) {
        let Some(key) = self.key(index) else { return };
        let coded = matches!(column.data_type(), DataType::Dictionary(..) | DataType::Utf8View);
        let worth = if coded { WORTH_CODED } else { WORTH_PLAIN };
        self.cache.0.put(key, Arc::clone(column), column.get_array_memory_size(), worth);
    }
}
