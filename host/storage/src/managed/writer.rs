//! Rows to data files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use nyala_schema::id::TableId;
use nyala_schema::managed::{ColumnSketch, DataFile, TableProperties, TableShape};
use nyala_schema::{Error, Result};

use crate::Storage;

/// How a statement writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Threads that encode.
    pub threads: usize,
    /// Bytes of rows that may wait or be encoded, about.
    pub memory_bytes: usize,
    /// Rows that a statement may keep in the catalog, at most.
    pub inline_rows: usize,
    /// Bytes of such rows, at most.
    pub inline_bytes: usize,
}

pub struct TableWriter {}

/// What a statement wrote. Dropped without [`keep`](Self::keep), it removes the files again.
#[derive(Debug)]
pub struct Written {
    /// In the order in which they were begun; without ids.
    pub files: Vec<DataFile>,
    /// Of the files, one for each column; none for few rows.
    pub sketches: Vec<ColumnSketch>,
    pub rows: u64,
}

impl TableWriter {
    pub fn new(
        _storage: &Storage,
        _table: TableId,
        _shape: Arc<TableShape>,
        _properties: &TableProperties,
        _options: WriteOptions,
    ) -> Result<Self> {
        Err(Error::unsupported("tables are not written yet"))
    }

    pub fn write(&mut self, _batch: &RecordBatch) -> Result<()> {
        Ok(())
    }

    pub fn finish(self) -> Result<Written> {
        Err(Error::unsupported("tables are not written yet"))
    }
}

impl Written {
    pub fn keep(self) {}
}
