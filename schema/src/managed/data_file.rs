//! One immutable file of a table.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::datatypes::DataType;
use bytes::Bytes;

use super::file_statistics::FileStatistics;
use crate::id::{ColumnId, FileId};
use crate::value::Value;

/// Immutable: a delete enters the same content again under a new id with other `deletions`.
#[derive(Debug, Clone, PartialEq)]
pub struct DataFile {
    /// Given by the catalog, ascending; 0 before.
    pub id: FileId,
    /// The version of the table in which it came; given by the catalog.
    pub added_in: u64,
    pub content: FileContent,
    /// Rows that were written, deleted ones included.
    pub rows: u64,
    /// One for each field of PARTITIONED BY.
    pub partition: Vec<Value>,
    pub statistics: FileStatistics,
    pub deletions: Option<Deletions>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FileContent {
    /// `path` is relative to the folder of the table; columns are found by Parquet's field id, which is the column's.
    Parquet {
        path: Arc<str>,
        /// Bytes.
        size: u64,
        /// Rows of each row group.
        row_groups: Arc<[u32]>,
    },
    /// Few rows, or a table of an engine without a data folder: kept in the catalog itself.
    Rows(InlineRows),
}

/// Rows with the columns that they are for, in order.
#[derive(Debug, Clone, PartialEq)]
pub struct InlineRows {
    pub columns: Arc<[ColumnId]>,
    pub batch: RecordBatch,
}

/// Which rows of a file are gone.
#[derive(Debug, Clone, PartialEq)]
pub struct Deletions {
    /// How many.
    pub rows: u64,
    pub place: DeletionsPlace,
}

/// A roaring bitmap of row positions in the portable form.
#[derive(Debug, Clone, PartialEq)]
pub enum DeletionsPlace {
    Inline(Bytes),
    /// Relative to the folder of the table.
    File {
        path: Arc<str>,
        /// Bytes.
        size: u64,
    },
}

impl DataFile {
    /// Rows that are still there.
    pub fn live_rows(&self) -> u64 {
        self.rows - self.deletions.as_ref().map_or(0, |deletions| deletions.rows)
    }

    /// Bytes as stored; of inline rows, those of their values.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            FileContent::Parquet { size, .. } => *size,
            FileContent::Rows(rows) => rows.batch.columns().iter().map(value_bytes).sum(),
        }
    }

    /// Paths of what it needs in the folder of the table.
    pub fn paths(&self) -> impl Iterator<Item = &Arc<str>> {
        let content = match &self.content {
            FileContent::Parquet { path, .. } => Some(path),
            FileContent::Rows(_) => None,
        };
        let deletions = self.deletions.as_ref().and_then(|deletions| match &deletions.place {
            DeletionsPlace::File { path, .. } => Some(path),
            DeletionsPlace::Inline(_) => None,
        });
        content.into_iter().chain(deletions)
    }
}

/// Bytes of the values, the same for equal arrays wherever they came from: memory that an array holds beside its values, or
/// shares with others, does not count.
fn value_bytes(array: &ArrayRef) -> u64 {
    const OFFSET_BYTES: usize = 4;
    let offsets = (array.len() * OFFSET_BYTES) as u64;
    let lengths = |lengths: &mut dyn Iterator<Item = usize>| offsets + lengths.sum::<usize>() as u64;
    match array.data_type() {
        DataType::Boolean => array.len().div_ceil(8) as u64,
        DataType::Utf8 => lengths(&mut array.as_string::<i32>().iter().flatten().map(str::len)),
        DataType::LargeUtf8 => lengths(&mut array.as_string::<i64>().iter().flatten().map(str::len)),
        DataType::Utf8View => lengths(&mut array.as_string_view().iter().flatten().map(str::len)),
        DataType::Binary => lengths(&mut array.as_binary::<i32>().iter().flatten().map(<[u8]>::len)),
        DataType::LargeBinary => lengths(&mut array.as_binary::<i64>().iter().flatten().map(<[u8]>::len)),
        DataType::BinaryView => lengths(&mut array.as_binary_view().iter().flatten().map(<[u8]>::len)),
        DataType::List(_) => {
            offsets + array.as_list::<i32>().iter().flatten().map(|list| value_bytes(&list)).sum::<u64>()
        }
        DataType::LargeList(_) => {
            offsets + array.as_list::<i64>().iter().flatten().map(|list| value_bytes(&list)).sum::<u64>()
        }
        DataType::Struct(_) => array.as_struct().columns().iter().map(value_bytes).sum(),
        DataType::Map(..) => {
            let entries = array.as_map().iter().flatten();
            offsets
                + entries
                    .flat_map(|map| map.columns().to_vec())
                    .map(|column| value_bytes(&column))
                    .sum::<u64>()
        }
        other => (array.len() * other.primitive_width().unwrap_or(OFFSET_BYTES)) as u64,
    }
}
