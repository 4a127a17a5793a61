//! How an executor reads a table: a scan is cut into morsels, each read by one worker at a time.

use arrow::array::ArrayRef;
use nyala_schema::Result;

/// A part of a scan: a row group of a Parquet file, a piece of a text file, batches in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Morsel {
    /// Meaningful to the scanner that made it.
    pub index: usize,
    /// Rows, exact or estimated; for progress.
    pub rows: u64,
}

/// One scan of one query.
pub trait Scanner: Send + Sync {
    /// Those that the scan's filters do not rule out by statistics.
    fn morsels(&self) -> &[Morsel];

    /// Whether rows of `morsel` may have a value of output column `column` in `min..=max`, by statistics;
    /// integers, dates, timestamps and decimals (unscaled) only. `true` when nothing is known.
    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool;

    /// Opens a morsel. Blocking I/O happens here and in the reader: call both on worker threads.
    ///
    /// # Errors
    /// FileAccess, CorruptFile: file, row group, column.
    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>>;

    /// Bytes read from files so far, as stored (compressed).
    fn bytes_read(&self) -> u64;
}

/// A cursor over a morsel's batches whose columns are decoded only when they are asked for.
pub trait MorselReader: Send {
    /// Goes to the next batch and returns its rows, at most `rows_max`; 0 at the end. What was not asked for in
    /// the batch before is skipped without being decoded where the format allows.
    ///
    /// # Errors
    /// CorruptFile, FileAccess; InvalidText with file, line, column and value for a bad CSV or JSON value.
    fn next_batch(&mut self, rows_max: usize) -> Result<usize>;

    /// Output column `index` of the current batch, in its physical type (`nyala_schema::scan::physical_type`), text
    /// as `Utf8View` or as a dictionary of views. May be called once per column and batch.
    ///
    /// # Errors
    /// As `next_batch`.
    fn column(&mut self, index: usize) -> Result<ArrayRef>;

    /// Like [`column`](Self::column), but only the rows that `selection` names (ascending) need to be right: the
    /// result holds just those, in order. Readers that can do better than taking from the whole column override it.
    ///
    /// # Errors
    /// As `next_batch`.
    fn column_selected(&mut self, index: usize, selection: &[u32]) -> Result<ArrayRef> {
        let column = self.column(index)?;
        let indices = arrow::array::UInt32Array::from(selection.to_vec());
        Ok(arrow::compute::take(&column, &indices, None)?)
    }
}
