//! The bytes of one column chunk, page by page.

use std::ops::Range;
use std::sync::Arc;

use arrow::buffer::Buffer;

use super::codec::{Codec, Decompressor};
use super::damage::{Checked, Damage};
use super::header::{self, LevelLayout, PageHeader};
use super::pool::BufferPool;

/// No page may be larger, whatever its header says.
const PAGE_BYTES_MAX: usize = 1 << 30;

/// A cursor over the pages of a chunk.
pub struct ChunkPages {
    bytes: Buffer,
    position: usize,
    codec: Codec,
    /// What the footer says all pages come to, bytes.
    uncompressed_bytes: usize,
    decompressor: Decompressor,
    /// The dictionary page, which decoders point into until the chunk is done.
    dictionary: Option<Buffer>,
    pool: Arc<BufferPool>,
}

/// A page that was found but not read.
#[derive(Debug, Clone)]
pub struct Page {
    pub header: PageHeader,
    body: Range<usize>,
}

impl ChunkPages {
    pub fn new(bytes: Vec<u8>, codec: Codec, uncompressed_bytes: usize, pool: Arc<BufferPool>) -> Self {
        Self {
            bytes: Buffer::from_vec(bytes),
            position: 0,
            codec,
            uncompressed_bytes,
            decompressor: Decompressor::default(),
            dictionary: None,
            pool,
        }
    }

    /// The next page; `None` at the end of the chunk. Its body is passed over without being looked at.
    pub fn next_page(&mut self) -> Checked<Option<Page>> {
        if self.position >= self.bytes.len() {
            return Ok(None);
        }
        let (header, length) = header::parse(&self.bytes[self.position..])?;
        let start = self.position + length;
        let end = start
            .checked_add(header.compressed)
            .filter(|end| *end <= self.bytes.len())
            .ok_or("a page reaches past its column chunk")?;
        self.position = end;
        Ok(Some(Page { header, body: start..end }))
    }

    /// The page's body, decompressed: for data pages of version 2 levels come apart from values.
    pub fn read(&mut self, page: &Page) -> Checked<PageBody> {
        self.check_size(page)?;
        self.check_sum(page)?;
        let (levels, values_start, compressed) = match page.header.kind {
            header::PageKind::Data(data) => match data.levels {
                LevelLayout::Before { repetition, definition, compressed } => {
                    let levels = repetition
                        .checked_add(definition)
                        .filter(|length| *length <= page.body.len() && *length <= page.header.uncompressed)
                        .ok_or("levels reach past their page")?;
                    let start = page.body.start + repetition;
                    (Some(self.bytes.slice_with_length(start, definition)), levels, compressed)
                }
                LevelLayout::Inside { .. } => (None, 0, true),
            },
            header::PageKind::Dictionary { .. } | header::PageKind::Other => (None, 0, true),
        };
        let stored = page.body.start + values_start..page.body.end;
        let length = page.header.uncompressed - values_start;
        let values = if compressed && self.codec != Codec::None {
            self.decompress(stored, length)?
        } else if stored.len() == length {
            self.bytes.slice_with_length(stored.start, length)
        } else {
            return Err("an uncompressed page has two sizes".into());
        };
        if matches!(page.header.kind, header::PageKind::Dictionary { .. }) {
            self.dictionary = Some(values.clone());
        }
        Ok(PageBody { levels, values })
    }

    /// Takes back the bytes of a page for the next one, if nothing points into them.
    pub fn recycle(&mut self, bytes: Buffer) {
        self.pool.give(bytes);
    }

    fn decompress(&mut self, stored: Range<usize>, length: usize) -> Checked<Buffer> {
        let mut target = self.pool.take(length);
        if length > 0 {
            self.decompressor.decompress(self.codec, &self.bytes[stored], &mut target)?;
        }
        Ok(Buffer::from_vec(target))
    }

    fn check_size(&self, page: &Page) -> Checked<()> {
        let size = page.header.uncompressed;
        let plausible = size <= PAGE_BYTES_MAX
            && size <= self.uncompressed_bytes
            && size <= self.codec.size_max(page.header.compressed).max(page.header.compressed);
        if plausible {
            return Ok(());
        }
        Err(Damage::from(format!(
            "a page of {} bytes announces {size} bytes of values",
            page.header.compressed
        )))
    }

    fn check_sum(&self, page: &Page) -> Checked<()> {
        match page.header.crc {
            Some(expected) if crc32fast::hash(&self.bytes[page.body.clone()]) != expected => {
                Err("the checksum of a page is wrong".into())
            }
            _ => Ok(()),
        }
    }
}

impl Drop for ChunkPages {
    fn drop(&mut self) {
        if let Some(dictionary) = self.dictionary.take() {
            self.pool.give(dictionary);
        }
        self.pool.give(std::mem::take(&mut self.bytes));
    }
}

/// A page's content.
pub struct PageBody {
    /// Definition levels, of data pages of version 2 only.
    pub levels: Option<Buffer>,
    pub values: Buffer,
}
