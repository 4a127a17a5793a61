//! One immutable file of a table.

use std::sync::Arc;

use arrow::array::RecordBatch;
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

    /// Bytes as stored; of inline rows, in memory.
    pub fn bytes(&self) -> u64 {
        match &self.content {
            FileContent::Parquet { size, .. } => *size,
            FileContent::Rows(rows) => rows.batch.get_array_memory_size() as u64,
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
