//! The batches of one row group, each column read from the file when it is first asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::datatypes::DataType;
use nyala_schema::scan::physical_type;
use nyala_schema::{Error, ErrorCode, Result};
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

use crate::file::FileHandle;
use crate::layout::{Constant, conform};
use crate::resolve::normalised_type;
use crate::scanner::MorselReader;

use super::chunk::ChunkPages;
use super::codec::Codec;
use super::column::ColumnReader;
use super::fallback::FallbackReader;
use super::footer::ParquetFooter;
use super::pool::BufferPool;
use super::values::decoder;

/// Where an output column of one file comes from.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// Not in the file: NULL, or a partition's value.
    Constant(Constant),
    Stored {
        /// Position among the file's columns.
        root: usize,
        /// As it is handed out.
        physical: DataType,
    },
}

enum Column {
    Unopened(ColumnSource),
    Constant(Constant),
    Own { reader: Box<ColumnReader>, root: usize, physical: DataType },
    Fallback(Box<FallbackReader>),
}

pub struct RowGroupReader {
    footer: Arc<ParquetFooter>,
    file: FileHandle,
    group: usize,
    rows: usize,
    /// The rows that are wanted, the next ones last.
    ranges: Vec<Range<usize>>,
    start: usize,
    length: usize,
    columns: Vec<Column>,
    pool: Arc<BufferPool>,
}

impl RowGroupReader {
    /// `ranges`: the rows that are wanted, ascending; rows between them are passed over.
    pub fn new(
        footer: Arc<ParquetFooter>,
        file: FileHandle,
        group: usize,
        mut ranges: Vec<Range<usize>>,
        sources: &[ColumnSource],
        pool: Arc<BufferPool>,
    ) -> Self {
        let rows = footer.metadata.row_groups().get(group).map_or(0, |group| group.num_rows());
        let columns = sources.iter().cloned().map(Column::Unopened).collect();
        let rows = usize::try_from(rows).unwrap_or(0);
        ranges.reverse();
        Self { footer, file, group, rows, ranges, start: 0, length: 0, columns, pool }
    }

    fn opened(&mut self, index: usize) -> Result<&mut Column> {
        let (footer, file, group, pool) = (&self.footer, &self.file, self.group, &self.pool);
        let column = self
            .columns
            .get_mut(index)
            .ok_or_else(|| Error::internal(format!("a scan has no output column {index}")))?;
        if let Column::Unopened(source) = column {
            *column = match source {
                ColumnSource::Constant(constant) => Column::Constant(constant.clone()),
                ColumnSource::Stored { root, physical } => {
                    open(footer, file, group, *root, physical, self.rows, pool)?
                }
            };
        }
        Ok(column)
    }

    fn read(&mut self, index: usize, selection: Option<&[u32]>) -> Result<ArrayRef> {
        let (start, length, group) = (self.start, self.length, self.group);
        let footer = Arc::clone(&self.footer);
        match self.opened(index)? {
            Column::Unopened(_) => Err(Error::internal("a column was not opened")),
            Column::Constant(constant) => constant.repeat(selection.map_or(length, <[u32]>::len)),
            Column::Own { reader, root, physical } => {
                let column = reader
                    .read(start, length, selection)
                    .map_err(|damage| footer.place(group, *root).error(&damage))?;
                conform(column, physical)
            }
            Column::Fallback(reader) => {
                let column = reader.read(start, length)?;
                match selection {
                    None => Ok(column),
                    Some(selection) => {
                        let indices = UInt32Array::from(selection.to_vec());
                        Ok(arrow::compute::take(&column, &indices, None)?)
                    }
                }
            }
        }
    }
}

impl MorselReader for RowGroupReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        (self.start, self.length) = (self.start + self.length, 0);
        if self.ranges.last().is_some_and(|range| range.end <= self.start) {
            self.ranges.pop();
        }
        if let Some(range) = self.ranges.last() {
            self.start = self.start.max(range.start);
            self.length = rows_max.min(range.end.min(self.rows).saturating_sub(self.start));
        }
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        self.read(index, None)
    }

    fn column_selected(&mut self, index: usize, selection: &[u32]) -> Result<ArrayRef> {
        if selection.len() == self.length {
            return self.read(index, None);
        }
        if selection.last().is_some_and(|&row| row as usize >= self.length) {
            return Err(Error::internal("a selection reaches past its batch"));
        }
        self.read(index, Some(selection))
    }
}

fn open(
    footer: &Arc<ParquetFooter>,
    file: &FileHandle,
    group: usize,
    root: usize,
    physical: &DataType,
    rows: usize,
    pool: &Arc<BufferPool>,
) -> Result<Column> {
    let own = footer
        .schema
        .fields()
        .get(root)
        .map(|field| physical_type(&normalised_for_reading(field.data_type())));
    if let (Some(chunk), Some(stored)) = (footer.chunk(group, root), own)
        && let Some(codec) = Codec::of(chunk.compression())
        && encodings_are_ours(chunk)
        && let Some(values) = decoder(chunk.column_type(), chunk.column_descr().type_length(), &stored)
    {
        let place = footer.place(group, root);
        if chunk.num_values() != rows as i64 {
            return Err(
                place.error(&"a column chunk and its row group disagree on the number of rows".into())
            );
        }
        let bytes = read_chunk(file, chunk, pool).map_err(|error| error.context(place))?;
        let uncompressed = usize::try_from(chunk.uncompressed_size()).unwrap_or(0);
        let pages = ChunkPages::new(bytes, codec, uncompressed, Arc::clone(pool));
        let optional = chunk.column_descr().max_def_level() > 0;
        let reader = Box::new(ColumnReader::new(pages, values, optional, rows));
        return Ok(Column::Own { reader, root, physical: physical.clone() });
    }
    let reader = FallbackReader::open(footer, file, group, root, physical)?;
    Ok(Column::Fallback(Box::new(reader)))
}

/// The type in which our decoder gives a column: that of the file, text and decimals in their physical types.
fn normalised_for_reading(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Timestamp(..) | DataType::Date64 => data_type.clone(),
        other => normalised_type(other),
    }
}

fn encodings_are_ours(chunk: &ColumnChunkMetaData) -> bool {
    chunk.encodings().all(|encoding| match encoding {
        Encoding::PLAIN | Encoding::PLAIN_DICTIONARY | Encoding::RLE_DICTIONARY | Encoding::RLE => true,
        // Old writers name it for levels that do not exist; a page that uses it is refused when it is met.
        #[allow(deprecated)]
        Encoding::BIT_PACKED => chunk.column_descr().max_def_level() == 0,
        Encoding::DELTA_BINARY_PACKED
        | Encoding::DELTA_LENGTH_BYTE_ARRAY
        | Encoding::DELTA_BYTE_ARRAY
        | Encoding::BYTE_STREAM_SPLIT => false,
    })
}

fn read_chunk(file: &FileHandle, chunk: &ColumnChunkMetaData, pool: &BufferPool) -> Result<Vec<u8>> {
    let damaged = || Error::new(ErrorCode::CorruptFile, "the footer places a column chunk outside the file");
    let start = chunk.dictionary_page_offset().unwrap_or_else(|| chunk.data_page_offset());
    let start = start.min(chunk.data_page_offset());
    let (start, length) = match (u64::try_from(start), u64::try_from(chunk.compressed_size())) {
        (Ok(start), Ok(length)) => (start, length),
        _ => return Err(damaged()),
    };
    if start.checked_add(length).is_none_or(|end| end > file.size()) {
        return Err(damaged());
    }
    let mut bytes = pool.take(usize::try_from(length).map_err(|_| damaged())?);
    file.read_at(start, &mut bytes)?;
    Ok(bytes)
}
