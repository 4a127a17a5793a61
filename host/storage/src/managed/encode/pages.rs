//! The pages of one column chunk: <https://parquet.apache.org/docs/file-format/data-pages>, version 2.

use std::ops::Range;

use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use nyala_schema::{Error, Result};
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::page::{CompressedPage, Page, PageWriter};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::file::writer::{SerializedPageWriter, TrackedWrite};
use parquet::schema::types::ColumnDescPtr;

use super::compress::Compressor;
use super::hybrid::{put_packed_head, put_run};

/// Pages that compress to more than this share of themselves are stored as they are: they are read faster.
const SHARE_MAX: f64 = 0.9;

/// Which rows of a chunk have values.
pub struct Rows {
    pub count: usize,
    /// `None` when all have.
    pub valid: Option<BooleanBuffer>,
}

/// Some rows of a chunk, and their values.
pub struct PageRows {
    pub rows: Range<usize>,
    pub values: Range<usize>,
}

pub struct ChunkWriter<'a> {
    column: ColumnDescPtr,
    rows: Rows,
    codec: Compression,
    compressor: &'a mut Compressor,
    sink: TrackedWrite<Vec<u8>>,
    column_index: ColumnIndexBuilder,
    offset_index: OffsetIndexBuilder,
    /// Whether the last page was worth compressing.
    compresses: bool,
    encodings: Vec<Encoding>,
    pages: Vec<PageEncodingStats>,
    dictionary_offset: Option<i64>,
    data_offset: Option<i64>,
    compressed: i64,
    uncompressed: i64,
}

impl Rows {
    pub fn nulls(&self) -> usize {
        self.valid.as_ref().map_or(0, |valid| valid.len() - valid.count_set_bits())
    }

    /// Pages of so many rows.
    pub fn pages(&self, step: usize) -> impl Iterator<Item = PageRows> + use<> {
        let (count, valid) = (self.count, self.valid.clone());
        let mut value = 0;
        (0..count).step_by(step).map(move |start| {
            let rows = start..count.min(start + step);
            let valid = valid.as_ref().map(|valid| valid.slice(start, rows.len()).count_set_bits());
            let values = value..value + valid.unwrap_or(rows.len());
            value = values.end;
            PageRows { rows, values }
        })
    }
}

impl<'a> ChunkWriter<'a> {
    pub fn new(
        column: &ColumnDescPtr,
        rows: Rows,
        codec: Compression,
        compressor: &'a mut Compressor,
    ) -> Self {
        Self {
            column_index: ColumnIndexBuilder::new(column.physical_type()),
            column: column.clone(),
            rows,
            codec,
            compressor,
            sink: TrackedWrite::new(Vec::new()),
            offset_index: OffsetIndexBuilder::new(),
            compresses: true,
            encodings: vec![Encoding::RLE],
            pages: Vec::new(),
            dictionary_offset: None,
            data_offset: None,
            compressed: 0,
            uncompressed: 0,
        }
    }

    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Entries in plain encoding; comes before all data pages.
    ///
    /// # Errors
    /// Internal.
    pub fn dictionary(&mut self, entries: &[u8], count: usize) -> Result<()> {
        let mut body = Vec::new();
        self.compressor.compress(self.codec, entries, &mut body)?;
        let page = Page::DictionaryPage {
            buf: body.into(),
            num_values: count as u32,
            encoding: Encoding::PLAIN,
            is_sorted: false,
        };
        let (offset, _) = self.put(page, entries.len(), Encoding::PLAIN)?;
        self.dictionary_offset = Some(offset);
        Ok(())
    }

    /// Values of some rows, with their bounds in plain encoding: `None` when there is no value, or no bound of them.
    ///
    /// # Errors
    /// Internal.
    pub fn data(
        &mut self,
        page: &PageRows,
        encoding: Encoding,
        values: &[u8],
        bounds: Option<(Vec<u8>, Vec<u8>)>,
    ) -> Result<()> {
        let nulls = page.rows.len() - page.values.len();
        let mut body = Vec::with_capacity(values.len() + values.len() / 8 + 256);
        if self.column.max_def_level() > 0 {
            self.put_levels(&mut body, page, nulls);
        }
        let levels = body.len();
        let mut is_compressed = false;
        if self.compresses && self.codec != Compression::UNCOMPRESSED && !values.is_empty() {
            let length = self.compressor.compress(self.codec, values, &mut body)?;
            is_compressed = (length as f64) < SHARE_MAX * values.len() as f64;
            self.compresses = is_compressed;
        }
        if !is_compressed {
            body.truncate(levels);
            body.extend_from_slice(values);
        }
        let data = Page::DataPageV2 {
            buf: body.into(),
            num_values: page.rows.len() as u32,
            encoding,
            num_nulls: nulls as u32,
            num_rows: page.rows.len() as u32,
            def_levels_byte_len: levels as u32,
            rep_levels_byte_len: 0,
            is_compressed,
            statistics: None,
        };
        let (offset, size) = self.put(data, levels + values.len(), encoding)?;
        self.data_offset.get_or_insert(offset);
        self.offset_index.append_row_count(page.rows.len() as i64);
        self.offset_index.append_offset_and_size(offset, size);
        match bounds {
            Some((min, max)) => self.column_index.append(false, min, max, nulls as i64),
            None if page.values.is_empty() => self.column_index.append(true, vec![], vec![], nulls as i64),
            None => self.column_index.to_invalid(),
        }
        Ok(())
    }

    /// One bit for each row: runs when all rows are alike, otherwise Arrow's bits as they are.
    fn put_levels(&self, body: &mut Vec<u8>, page: &PageRows, nulls: usize) {
        match &self.rows.valid {
            Some(valid) if nulls > 0 && !page.values.is_empty() => {
                put_packed_head(body, page.rows.len());
                let bits = valid.slice(page.rows.start, page.rows.len()).sliced();
                body.extend_from_slice(&bits[..page.rows.len().div_ceil(8)]);
            }
            _ => put_run(body, page.rows.len(), u32::from(nulls == 0), 1),
        }
    }

    /// Gives the page's offset, and its size with its header.
    fn put(&mut self, page: Page, uncompressed: usize, encoding: Encoding) -> Result<(i64, i32)> {
        let page_type = page.page_type();
        let page = CompressedPage::new(page, uncompressed);
        let spec = SerializedPageWriter::new(&mut self.sink).write_page(page).map_err(failed)?;
        self.compressed += spec.compressed_size as i64;
        self.uncompressed += spec.uncompressed_size as i64;
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        match self.pages.last_mut() {
            Some(last) if last.page_type == page_type && last.encoding == encoding => last.count += 1,
            _ => self.pages.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        Ok((spec.offset as i64, spec.compressed_size as i32))
    }

    /// `text_bytes` are the bytes of all texts, their lengths not counted.
    ///
    /// # Errors
    /// Internal.
    pub fn finish(
        self,
        statistics: Statistics,
        text_bytes: Option<i64>,
    ) -> Result<(Bytes, ColumnCloseResult)> {
        debug_assert!(self.pages.iter().all(|page| page.page_type != PageType::DATA_PAGE));
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.codec)
            .set_encodings(self.encodings)
            .set_page_encoding_stats(self.pages)
            .set_total_compressed_size(self.compressed)
            .set_total_uncompressed_size(self.uncompressed)
            .set_num_values(self.rows.count as i64)
            .set_data_page_offset(self.data_offset.unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_statistics(statistics)
            .set_unencoded_byte_array_data_bytes(text_bytes)
            .build()
            .map_err(failed)?;
        let column_index = self.column_index.valid().then(|| self.column_index.build());
        let close = ColumnCloseResult {
            bytes_written: self.compressed as u64,
            rows_written: self.rows.count as u64,
            metadata,
            bloom_filter: None,
            column_index: column_index.transpose().map_err(failed)?,
            offset_index: Some(self.offset_index.build()),
        };
        Ok((self.sink.into_inner().map_err(failed)?.into(), close))
    }
}

fn failed(error: ParquetError) -> Error {
    Error::internal(format!("a column chunk cannot be written: {error}"))
}
