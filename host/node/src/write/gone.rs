//! The rows of a table that a statement takes away.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::Int64Type;
use nyala_schema::id::FileId;
use nyala_schema::{Error, Result};
use roaring::RoaringBitmap;

/// Positions of rows, file by file.
#[derive(Default)]
pub struct GoneRows {
    pub files: BTreeMap<FileId, RoaringBitmap>,
    /// How many were added; more than there are when one was added twice.
    added: u64,
}

impl GoneRows {
    /// Adds the rows of two columns as a scan with row identity gives them.
    ///
    /// # Errors
    /// `Internal` when the columns are not such.
    pub fn add(&mut self, files: &ArrayRef, rows: &ArrayRef) -> Result<()> {
        let (files, rows) = (int64(files)?, int64(rows)?);
        self.added += files.len() as u64;
        let mut start = 0;
        for run in files.chunk_by(|a, b| a == b) {
            let positions = &rows[start..start + run.len()];
            self.add_file(FileId(run[0] as u64), positions)?;
            start += run.len();
        }
        Ok(())
    }

    fn add_file(&mut self, file: FileId, positions: &[i64]) -> Result<()> {
        let mut positions: Vec<u32> = positions.iter().map(|row| *row as u32).collect();
        if !positions.is_sorted() {
            positions.sort_unstable();
        }
        positions.dedup();
        let batch = RoaringBitmap::from_sorted_iter(positions)
            .map_err(|error| Error::internal(format!("sorted positions are not sorted: {error}")))?;
        *self.files.entry(file).or_default() |= batch;
        Ok(())
    }

    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// How many rows go, each counted once.
    pub fn count(&self) -> u64 {
        self.files.values().map(RoaringBitmap::len).sum()
    }

    /// Whether a row was added more than once.
    pub fn has_repeated(&self) -> bool {
        self.count() < self.added
    }
}

fn int64(column: &ArrayRef) -> Result<&[i64]> {
    match column.as_primitive_opt::<Int64Type>() {
        Some(values) if values.null_count() == 0 => Ok(values.values()),
        _ => Err(Error::internal(format!("the place of a row is of type {}", column.data_type()))),
    }
}
