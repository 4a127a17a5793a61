//! The pages of one column chunk: <https://parquet.apache.org/docs/file-format/data-pages>, version 2.

use std::ops::Range;

use arrow::buffer::BooleanBuffer;
use bytes::Bytes;
use nyala_schema::{Error, Result};
use parquet::basic::{Compression, Encoding, PageType};
use parquet::column::writer::ColumnCloseResult;
use parquet::errors::ParquetError;
use parquet::file::metadata::{
    ColumnChunkMetaData, ColumnIndexBuilder, OffsetIndexBuilder, PageEncodingStats,
};
use parquet::file::statistics::Statistics;
use parquet::schema::types::ColumnDescPtr;

use super::compress::Compressor;
use super::header::{PageKind, put_header};
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
    /// All pages so far.
    pages: Vec<u8>,
    /// The body of one page.
    body: Vec<u8>,
    column_index: ColumnIndexBuilder,
    offset_index: OffsetIndexBuilder,
    /// Whether the last page was worth compressing.
    compresses: bool,
    encodings: Vec<Encoding>,
    page_counts: Vec<PageEncodingStats>,
    dictionary_offset: Option<i64>,
    data_offset: Option<i64>,
    uncompressed: usize,
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
            pages: Vec::new(),
            body: Vec::new(),
            offset_index: OffsetIndexBuilder::new(),
            compresses: true,
            encodings: vec![Encoding::RLE],
            page_counts: Vec::new(),
            dictionary_offset: None,
            data_offset: None,
            uncompressed: 0,
        }
    }

    /// Before the first page.
    pub fn set_codec(&mut self, codec: Compression) {
        self.codec = codec;
    }

    pub fn rows(&self) -> &Rows {
        &self.rows
    }

    /// Entries in plain encoding; comes before all data pages.
    ///
    /// # Errors
    /// Internal.
    pub fn dictionary(&mut self, entries: &[u8], count: usize) -> Result<()> {
        self.body.clear();
        self.compressor.compress(self.codec, entries, &mut self.body)?;
        let kind = PageKind::Dictionary { entries: count };
        let (offset, _) = self.put(&kind, entries.len(), PageType::DICTIONARY_PAGE, Encoding::PLAIN);
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
        self.body.clear();
        if self.column.max_def_level() > 0 {
            self.put_levels(page, nulls);
        }
        let levels = self.body.len();
        let mut is_compressed = false;
        if self.compresses && self.codec != Compression::UNCOMPRESSED && !values.is_empty() {
            let length = self.compressor.compress(self.codec, values, &mut self.body)?;
            is_compressed = (length as f64) < SHARE_MAX * values.len() as f64;
            self.compresses = is_compressed;
        }
        if !is_compressed {
            self.body.truncate(levels);
            self.body.extend_from_slice(values);
        }
        let kind = PageKind::Data { rows: page.rows.len(), nulls, encoding, levels, is_compressed };
        let (offset, size) = self.put(&kind, levels + values.len(), PageType::DATA_PAGE_V2, encoding);
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
    fn put_levels(&mut self, page: &PageRows, nulls: usize) {
        let body = &mut self.body;
        match &self.rows.valid {
            Some(valid) if nulls > 0 && !page.values.is_empty() => {
                put_packed_head(body, page.rows.len());
                let bits = valid.slice(page.rows.start, page.rows.len()).sliced();
                body.extend_from_slice(&bits[..page.rows.len().div_ceil(8)]);
            }
            _ => put_run(body, page.rows.len(), u32::from(nulls == 0), 1),
        }
    }

    /// Appends a page with the body that was made; gives its offset, and its size with its header.
    fn put(
        &mut self,
        kind: &PageKind,
        uncompressed: usize,
        page_type: PageType,
        encoding: Encoding,
    ) -> (i64, i32) {
        let offset = self.pages.len();
        put_header(&mut self.pages, kind, uncompressed, &self.body);
        self.uncompressed += self.pages.len() - offset + uncompressed;
        self.pages.extend_from_slice(&self.body);
        if !self.encodings.contains(&encoding) {
            self.encodings.push(encoding);
        }
        match self.page_counts.last_mut() {
            Some(last) if last.page_type == page_type && last.encoding == encoding => last.count += 1,
            _ => self.page_counts.push(PageEncodingStats { page_type, encoding, count: 1 }),
        }
        (offset as i64, (self.pages.len() - offset) as i32)
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
        let metadata = ColumnChunkMetaData::builder(self.column)
            .set_compression(self.codec)
            .set_encodings(self.encodings)
            .set_page_encoding_stats(self.page_counts)
            .set_total_compressed_size(self.pages.len() as i64)
            .set_total_uncompressed_size(self.uncompressed as i64)
            .set_num_values(self.rows.count as i64)
            .set_data_page_offset(self.data_offset.unwrap_or(0))
            .set_dictionary_page_offset(self.dictionary_offset)
            .set_statistics(statistics)
            .set_unencoded_byte_array_data_bytes(text_bytes)
            .build()
            .map_err(failed)?;
        let column_index = self.column_index.valid().then(|| self.column_index.build());
        let close = ColumnCloseResult {
            bytes_written: self.pages.len() as u64,
            rows_written: self.rows.count as u64,
            metadata,
            bloom_filter: None,
            column_index: column_index.transpose().map_err(failed)?,
            offset_index: Some(self.offset_index.build()),
        };
        Ok((self.pages.into(), close))
    }
}

fn failed(error: ParquetError) -> Error {
    Error::internal(format!("a column chunk cannot be written: {error}"))
}
