//! The columns of one row group: from the cache, or decoded from the file when they are first asked for.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_schema::scan::physical_type;
use nyala_schema::{Error, ErrorCode, Result};
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;

use crate::column_cache::CachedGroup;
use crate::file::FileHandle;
use crate::layout::conform;
use crate::resolve::normalised_type;
use crate::row_reader::{Column, ColumnStream, OpenColumns, Wanted, chosen};

use super::chunk::ChunkPages;
use super::codec::Codec;
use super::column::ColumnReader;
use super::damage::Place;
use super::fallback::FallbackReader;
use super::file::{ColumnSource, ParquetFile};
use super::footer::ParquetFooter;
use super::pool::BufferPool;
use super::values::decoder;

/// The file of a row group, read as far as columns are not cached.
pub trait GroupFile: Send {
    /// With its footer.
    ///
    /// # Errors
    /// FileAccess, CorruptFile.
    fn parquet(&self) -> Result<Arc<ParquetFile>>;

    /// # Errors
    /// FileAccess.
    fn open(&self) -> Result<FileHandle>;
}

pub struct RowGroupColumns {
    file: Box<dyn GroupFile>,
    handle: Option<FileHandle>,
    group: usize,
    rows: usize,
    cached: Option<CachedGroup>,
    pool: Arc<BufferPool>,
}

impl RowGroupColumns {
    /// Row group `group`, of `rows` rows.
    pub fn new(
        file: Box<dyn GroupFile>,
        group: usize,
        rows: usize,
        cached: Option<CachedGroup>,
        pool: Arc<BufferPool>,
    ) -> Self {
        Self { file, handle: None, group, rows, cached, pool }
    }

    fn parquet(&self) -> Result<Arc<ParquetFile>> {
        let parquet = self.file.parquet()?;
        let rows = parquet.rows(self.group);
        if rows == self.rows {
            return Ok(parquet);
        }
        let message = format!(
            "'{}', row group {}, has {rows} rows where the catalog has {}",
            parquet.footer.path, self.group, self.rows
        );
        Err(Error::new(ErrorCode::CorruptFile, message))
    }

    fn stored(
        &mut self,
        footer: &Arc<ParquetFooter>,
        index: usize,
        (root, physical): (usize, &DataType),
        wanted: Wanted,
    ) -> Result<Column> {
        let handle = match &self.handle {
            Some(handle) => handle,
            None => self.handle.insert(self.file.open()?),
        };
        let group = RowGroup { footer, handle, group: self.group, rows: self.rows };
        let chunk = footer.chunk(self.group, root);
        let bytes = chunk.map_or(usize::MAX, |chunk| decoded_bytes(chunk, physical));
        let cached = self.cached.as_ref().filter(|cached| cached.wants(index, wanted, bytes));
        let Some(cached) = cached else {
            return Ok(Column::Stream(group.open(root, physical, &self.pool)?));
        };
        // Text keeps the pages that it points into: they must be no larger than it needs.
        let pool = if physical == &DataType::Utf8View { Arc::default() } else { Arc::clone(&self.pool) };
        let whole = group.open(root, physical, &pool)?.read(0, self.rows, None)?;
        cached.put(index, &whole);
        Ok(Column::Whole(whole))
    }
}

impl OpenColumns for RowGroupColumns {
    fn open(&mut self, index: usize, wanted: Wanted) -> Result<Column> {
        if let Some(column) = self.cached.as_ref().and_then(|cached| cached.get(index))
            && column.len() == self.rows
        {
            return Ok(Column::Whole(column));
        }
        let parquet = self.parquet()?;
        let source = parquet
            .sources
            .get(index)
            .ok_or_else(|| Error::internal(format!("a scan has no output column {index}")))?;
        match source {
            ColumnSource::Constant(constant) => Ok(Column::Constant(constant.clone())),
            ColumnSource::Position => Ok(Column::Positions(parquet.first_row(self.group))),
            ColumnSource::Stored { root, physical } => {
                self.stored(&parquet.footer, index, (*root, physical), wanted)
            }
        }
    }
}

/// About what a column takes when it is decoded, bytes.
fn decoded_bytes(chunk: &ColumnChunkMetaData, physical: &DataType) -> usize {
    let values = usize::try_from(chunk.num_values()).unwrap_or(usize::MAX);
    match physical.primitive_width() {
        Some(width) => values.saturating_mul(width),
        None => usize::try_from(chunk.uncompressed_size()).unwrap_or(usize::MAX).saturating_add(values),
    }
}

/// A chunk that our own decoder reads.
struct OwnStream {
    reader: ColumnReader,
    physical: DataType,
    place: Place,
}

impl ColumnStream for OwnStream {
    fn read(&mut self, start: usize, rows: usize, selection: Option<&[u32]>) -> Result<ArrayRef> {
        let column = self.reader.read(start, rows, selection).map_err(|damage| self.place.error(&damage))?;
        conform(column, &self.physical)
    }
}

impl ColumnStream for FallbackReader {
    fn read(&mut self, start: usize, rows: usize, selection: Option<&[u32]>) -> Result<ArrayRef> {
        let column = self.rows(start, rows)?;
        selection.map_or_else(|| Ok(Arc::clone(&column)), |selection| chosen(&column, selection))
    }
}

/// A row group that can be read.
struct RowGroup<'a> {
    footer: &'a Arc<ParquetFooter>,
    handle: &'a FileHandle,
    group: usize,
    rows: usize,
}

impl RowGroup<'_> {
    fn open(
        &self,
        root: usize,
        physical: &DataType,
        pool: &Arc<BufferPool>,
    ) -> Result<Box<dyn ColumnStream>> {
        let (footer, group) = (self.footer, self.group);
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
            if chunk.num_values() != self.rows as i64 {
                return Err(
                    place.error(&"a column chunk and its row group disagree on the number of rows".into())
                );
            }
            let bytes = read_chunk(self.handle, chunk, pool).map_err(|error| error.context(place.clone()))?;
            let uncompressed = usize::try_from(chunk.uncompressed_size()).unwrap_or(0);
            let pages = ChunkPages::new(bytes, codec, uncompressed, Arc::clone(pool));
            let optional = chunk.column_descr().max_def_level() > 0;
            let reader = ColumnReader::new(pages, values, optional, self.rows);
            return Ok(Box::new(OwnStream { reader, physical: physical.clone(), place }));
        }
        Ok(Box::new(FallbackReader::open(footer, self.handle, group, root, physical)?))
    }
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
