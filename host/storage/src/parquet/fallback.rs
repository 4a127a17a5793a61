//! Columns that our own decoder does not read: nested ones, rare encodings and codecs.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;
use nyala_schema::{Error, ErrorCode, Result};
use parquet::arrow::ProjectionMask;
use parquet::arrow::arrow_reader::{ParquetRecordBatchReader, ParquetRecordBatchReaderBuilder};

use crate::file::FileHandle;
use crate::layout::conform;

use super::footer::{ParquetFooter, PositionedFile, guarded};

/// Rows that the `parquet` crate decodes at a time.
const BATCH_ROWS: usize = 8192;

/// One column of one row group, read in order.
pub struct FallbackReader {
    path: String,
    group: usize,
    reader: ParquetRecordBatchReader,
    physical: DataType,
    /// Decoded but not handed out.
    pending: Option<ArrayRef>,
    /// The next row to hand out.
    position: usize,
}

impl FallbackReader {
    pub fn open(
        footer: &ParquetFooter,
        file: &FileHandle,
        group: usize,
        root: usize,
        physical: &DataType,
    ) -> Result<Self> {
        let mask = ProjectionMask::roots(footer.reading.parquet_schema(), [root]);
        let builder = ParquetRecordBatchReaderBuilder::new_with_metadata(
            PositionedFile(file.clone()),
            footer.reading.clone(),
        )
        .with_projection(mask)
        .with_row_groups(vec![group])
        .with_batch_size(BATCH_ROWS);
        let reader = guarded(&footer.path, || builder.build())?;
        Ok(Self {
            path: footer.path.clone(),
            group,
            reader,
            physical: physical.clone(),
            pending: None,
            position: 0,
        })
    }

    /// Rows `start..start + rows`; `start` never goes back.
    pub fn rows(&mut self, start: usize, rows: usize) -> Result<ArrayRef> {
        let mut skip = start - self.position;
        while skip > 0 {
            skip -= self.pull(skip)?.len();
        }
        let mut parts = Vec::new();
        let mut left = rows;
        while left > 0 {
            let part = self.pull(left)?;
            left -= part.len();
            parts.push(part);
        }
        self.position = start + rows;
        let column = match parts.as_slice() {
            [only] => Arc::clone(only),
            _ => {
                let parts: Vec<&dyn Array> = parts.iter().map(AsRef::as_ref).collect();
                arrow::compute::concat(&parts)?
            }
        };
        conform(column, &self.physical)
    }

    /// The next rows, at least one and at most `rows_max`.
    fn pull(&mut self, rows_max: usize) -> Result<ArrayRef> {
        let column = match self.pending.take() {
            Some(column) => column,
            None => self.decode()?,
        };
        if column.len() <= rows_max {
            return Ok(column);
        }
        self.pending = Some(column.slice(rows_max, column.len() - rows_max));
        Ok(column.slice(0, rows_max))
    }

    fn decode(&mut self) -> Result<ArrayRef> {
        let reader = &mut self.reader;
        let batch = guarded(&self.path, || reader.next().transpose().map_err(Into::into))
            .map_err(|error| error.context(format!("row group {}", self.group)))?;
        match batch {
            Some(batch) if batch.num_rows() > 0 && batch.num_columns() == 1 => {
                Ok(Arc::clone(batch.column(0)))
            }
            _ => Err(Error::new(
                ErrorCode::CorruptFile,
                format!("'{}', row group {}: a column has fewer rows than announced", self.path, self.group),
            )),
        }
    }
}
