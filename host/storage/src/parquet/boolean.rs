//! Booleans: one bit each, or run-length encoded.

use arrow::array::{ArrayRef, BooleanArray};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};

use super::damage::Checked;
use super::hybrid::Hybrid;
use super::values::{ValueEncoding, Values, compact, shared};

#[derive(Default)]
pub struct BooleanValues {
    page: Page,
    /// 0 or 1 for each row.
    output: Vec<u8>,
}

#[derive(Default)]
enum Page {
    #[default]
    None,
    Plain {
        bits: BooleanBuffer,
        position: usize,
    },
    Runs(Hybrid),
}

impl Values for BooleanValues {
    fn dictionary(&mut self, _bytes: Buffer, _entries: usize) -> Checked<()> {
        Err("Booleans have no dictionary".into())
    }

    fn page(&mut self, bytes: Buffer, encoding: ValueEncoding, values: usize) -> Checked<()> {
        self.page = match encoding {
            ValueEncoding::Plain => {
                if values.div_ceil(8) > bytes.len() {
                    return Err("a page is too short for its values".into());
                }
                Page::Plain { bits: BooleanBuffer::new(bytes, 0, values), position: 0 }
            }
            ValueEncoding::Rle if values == 0 => Page::None,
            ValueEncoding::Rle => {
                let length = bytes.first_chunk::<4>().ok_or("a page of Booleans is cut off")?;
                let length = u32::from_le_bytes(*length) as usize;
                if length > bytes.len() - 4 {
                    return Err("a page of Booleans is cut off".into());
                }
                Page::Runs(Hybrid::new(bytes.slice_with_length(4, length), 1)?)
            }
            ValueEncoding::Dictionary => return Err("Booleans have no dictionary".into()),
        };
        Ok(())
    }

    fn end_page(&mut self) {
        self.page = Page::None;
    }

    fn begin(&mut self, rows: usize) {
        self.output = Vec::with_capacity(rows);
    }

    fn skip(&mut self, count: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { position, .. } => *position += count,
            Page::Runs(runs) => runs.skip(count)?,
            Page::None if count == 0 => {}
            Page::None => return Err("a page has too few values".into()),
        }
        Ok(())
    }

    fn append(&mut self, count: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { bits, position } => {
                if count > bits.len().saturating_sub(*position) {
                    return Err("a page has too few values".into());
                }
                self.output.extend(bits.slice(*position, count).iter().map(u8::from));
                *position += count;
            }
            Page::Runs(runs) => {
                let from = self.output.len();
                self.output.resize(from + count, 0);
                runs.fill(&mut self.output[from..])?;
            }
            Page::None if count == 0 => {}
            Page::None => return Err("a page has too few values".into()),
        }
        Ok(())
    }

    fn append_nulls(&mut self, count: usize) {
        self.output.resize(self.output.len() + count, 0);
    }

    fn compact(&mut self, from: usize, selection: &[u32], base: usize) {
        compact(&mut self.output, from, selection, base);
    }

    fn len(&self) -> usize {
        self.output.len()
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Checked<ArrayRef> {
        let output = std::mem::take(&mut self.output);
        let bits = BooleanBuffer::collect_bool(output.len(), |row| output[row] != 0);
        Ok(shared(BooleanArray::new(bits, nulls)))
    }
}
