//! One column chunk as batches of a column: pages that hold no wanted row are not even decompressed.

use arrow::array::{ArrayRef, BooleanBufferBuilder};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

use super::chunk::{ChunkPages, Page};
use super::damage::{Checked, Damage};
use super::header::{DataPage, LevelLayout, PageKind};
use super::levels::Levels;
use super::values::{ValueEncoding, Values};

/// Of Thrift's `Encoding`.
const PLAIN: i32 = 0;
const PLAIN_DICTIONARY: i32 = 2;
const RLE: i32 = 3;
const RLE_DICTIONARY: i32 = 8;

/// Declared so that what points into pages is dropped before them, and their memory can be used again.
pub struct ColumnReader {
    page: Option<OpenPage>,
    values: Box<dyn Values>,
    pages: ChunkPages,
    /// Whether rows may be NULL: the column has definition levels.
    optional: bool,
    /// Of the row group.
    rows: usize,
    /// The next row to read.
    position: usize,
    /// Rows of the pages met so far.
    rows_met: usize,
}

/// The page that holds the next row.
struct OpenPage {
    page: Page,
    data: DataPage,
    /// Rows of it that are done with.
    consumed: usize,
    /// `None` until a row of it is wanted.
    levels: Option<Levels>,
    /// What levels and values were read from.
    body: Option<Buffer>,
}

/// Which rows of a batch are NULL, noted only once there is one.
#[derive(Default)]
struct Nulls {
    bits: Option<BooleanBufferBuilder>,
    rows: usize,
}

impl Nulls {
    fn valid(&mut self, rows: usize) {
        if let Some(bits) = &mut self.bits {
            bits.append_n(rows, true);
        }
        self.rows += rows;
    }

    fn some(&mut self, valid: &BooleanBuffer) {
        let rows = self.rows;
        let bits = self.bits.get_or_insert_with(|| {
            let mut bits = BooleanBufferBuilder::new(rows + valid.len());
            bits.append_n(rows, true);
            bits
        });
        bits.append_buffer(valid);
        self.rows += valid.len();
    }

    fn finish(self) -> Option<NullBuffer> {
        let mut bits = self.bits?;
        Some(NullBuffer::new(bits.finish())).filter(|nulls| nulls.null_count() > 0)
    }
}

impl ColumnReader {
    pub fn new(pages: ChunkPages, values: Box<dyn Values>, optional: bool, rows: usize) -> Self {
        Self { pages, values, optional, rows, position: 0, rows_met: 0, page: None }
    }

    /// Rows `start..start + rows` of the row group, or of these the rows that `selection` names, counted from
    /// `start`. `start` never goes back.
    pub fn read(&mut self, start: usize, rows: usize, selection: Option<&[u32]>) -> Checked<ArrayRef> {
        self.skip_rows(start - self.position)?;
        let (mut done, mut next) = (0, 0);
        let mut nulls = Nulls::default();
        // The first page is opened before the batch, for what the batch is made of depends on its dictionary.
        if rows > 0 {
            self.next_page()?;
        }
        self.values.begin(selection.map_or(rows, <[u32]>::len));
        while done < rows {
            let count = self.next_page()?.min(rows - done);
            match selection {
                None => self.take(count, &mut nulls)?,
                Some(selection) => {
                    let end = done + count;
                    let stop = next + selection[next..].partition_point(|&row| (row as usize) < end);
                    self.take_selected(count, &selection[next..stop], done, &mut nulls)?;
                    next = stop;
                }
            }
            done += count;
        }
        self.position += rows;
        self.values.finish(nulls.finish())
    }

    fn skip_rows(&mut self, count: usize) -> Checked<()> {
        let mut left = count;
        while left > 0 {
            let count = self.next_page()?.min(left);
            self.pass(count)?;
            left -= count;
        }
        self.position += count;
        Ok(())
    }

    /// Makes sure that the current page has rows left; gives how many.
    fn next_page(&mut self) -> Checked<usize> {
        loop {
            if let Some(open) = &self.page {
                let left = open.data.values - open.consumed;
                if left > 0 {
                    return Ok(left);
                }
                self.close_page();
            }
            let page = self.pages.next_page()?.ok_or("a column chunk has fewer rows than its row group")?;
            match page.header.kind {
                PageKind::Data(data) => {
                    self.rows_met = self
                        .rows_met
                        .checked_add(data.values)
                        .filter(|rows| *rows <= self.rows)
                        .ok_or("a column chunk has more rows than its row group")?;
                    self.page = Some(OpenPage { page, data, consumed: 0, levels: None, body: None });
                }
                PageKind::Dictionary { values, encoding } => self.read_dictionary(&page, values, encoding)?,
                PageKind::Other => {}
            }
        }
    }

    fn close_page(&mut self) {
        self.values.end_page();
        if let Some(body) = self.page.take().and_then(|open| open.body) {
            self.pages.recycle(body);
        }
    }

    fn read_dictionary(&mut self, page: &Page, entries: usize, encoding: i32) -> Checked<()> {
        if self.rows_met > 0 {
            return Err("a dictionary page behind data pages".into());
        }
        if !matches!(encoding, PLAIN | PLAIN_DICTIONARY) {
            return Err(format!("a dictionary of encoding {encoding}").into());
        }
        let body = self.pages.read(page)?;
        self.values.dictionary(body.values, entries)
    }

    /// Passes over rows of the current page, without opening it.
    fn pass(&mut self, count: usize) -> Checked<()> {
        let Some(open) = &mut self.page else { return Err("no page is open".into()) };
        if let Some(levels) = &open.levels {
            let valid = levels.valid(open.consumed, count);
            self.values.skip(valid)?;
        }
        open.consumed += count;
        Ok(())
    }

    fn take(&mut self, count: usize, nulls: &mut Nulls) -> Checked<()> {
        self.load()?;
        let Some(OpenPage { levels: Some(levels), consumed, .. }) = &mut self.page else {
            return Err("no page is open".into());
        };
        match levels {
            Levels::AllValid => {
                self.values.append(count)?;
                nulls.valid(count);
            }
            Levels::Some(bits) => {
                let valid = bits.slice(*consumed, count);
                append_spread(self.values.as_mut(), &valid)?;
                nulls.some(&valid);
            }
        }
        *consumed += count;
        Ok(())
    }

    fn take_selected(&mut self, count: usize, rows: &[u32], base: usize, nulls: &mut Nulls) -> Checked<()> {
        if rows.is_empty() {
            return self.pass(count);
        }
        self.load()?;
        let Some(OpenPage { levels: Some(levels), consumed, .. }) = &mut self.page else {
            return Err("no page is open".into());
        };
        match levels {
            Levels::AllValid => {
                self.values.append_selected(count, rows, base)?;
                nulls.valid(rows.len());
            }
            Levels::Some(bits) => {
                let valid = bits.slice(*consumed, count);
                let from = self.values.len();
                append_spread(self.values.as_mut(), &valid)?;
                self.values.compact(from, rows, base);
                let chosen =
                    BooleanBuffer::collect_bool(rows.len(), |slot| valid.value(rows[slot] as usize - base));
                nulls.some(&chosen);
            }
        }
        *consumed += count;
        Ok(())
    }

    /// Reads the current page, if nothing of it was wanted before.
    fn load(&mut self) -> Checked<()> {
        let Some(open) = &mut self.page else { return Err("no page is open".into()) };
        if open.levels.is_some() {
            return Ok(());
        }
        let encoding = match open.data.encoding {
            PLAIN => ValueEncoding::Plain,
            PLAIN_DICTIONARY | RLE_DICTIONARY => ValueEncoding::Dictionary,
            RLE => ValueEncoding::Rle,
            other => return Err(format!("a page of encoding {other} that was not announced").into()),
        };
        let rows = open.data.values;
        let body = self.pages.read(&open.page)?;
        open.body = Some(body.values.clone());
        let (levels, values) = match open.data.levels {
            LevelLayout::Before { .. } if self.optional => {
                (Levels::read(body.levels.ok_or("a page has no levels")?, rows)?, body.values)
            }
            LevelLayout::Inside { encoding } if self.optional => levels_inside(&body.values, encoding, rows)?,
            LevelLayout::Before { .. } | LevelLayout::Inside { .. } => (Levels::AllValid, body.values),
        };
        let valid = levels.valid(0, rows);
        let passed = levels.valid(0, open.consumed);
        open.levels = Some(levels);
        self.values.page(values, encoding, valid)?;
        self.values.skip(passed)
    }
}

/// Splits a page of version 1 into levels and values.
fn levels_inside(bytes: &Buffer, encoding: i32, rows: usize) -> Checked<(Levels, Buffer)> {
    if encoding != RLE {
        return Err(format!("definition levels of encoding {encoding}").into());
    }
    let length = bytes.first_chunk::<4>().ok_or("a page is cut off")?;
    let length = u32::from_le_bytes(*length) as usize;
    if length > bytes.len() - 4 {
        return Err(Damage::from("levels reach past their page"));
    }
    let levels = Levels::read(bytes.slice_with_length(4, length), rows)?;
    Ok((levels, bytes.slice(4 + length)))
}

/// Adds a row for every bit: the next value where it is set, NULL where not.
fn append_spread(values: &mut dyn Values, valid: &BooleanBuffer) -> Checked<()> {
    let mut done = 0;
    for (start, end) in valid.set_slices() {
        values.append_nulls(start - done);
        values.append(end - start)?;
        done = end;
    }
    values.append_nulls(valid.len() - done);
    Ok(())
}
