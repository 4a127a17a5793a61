//! Text: dictionary codes are handed out as codes, plain text as views into the page.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, ByteView, DictionaryArray, PrimitiveArray, StringViewArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::datatypes::{ArrowDictionaryKeyType, UInt8Type, UInt16Type, UInt32Type};

use super::bitpack::Code;
use super::damage::{Checked, Damage};
use super::hybrid::Hybrid;
use super::values::{ValueEncoding, Values, compact, shared};

/// Text up to this length stands in the view itself.
const INLINE_BYTES: usize = 12;

#[derive(Default)]
pub struct TextValues {
    /// Views of all entries; one array for the chunk, so that its batches can be recognised by it.
    dictionary: Option<ArrayRef>,
    page: Page,
    output: Output,
    /// What the views of `output` point into.
    buffers: Vec<Buffer>,
}

#[derive(Default)]
enum Page {
    #[default]
    None,
    Plain {
        bytes: Buffer,
        position: usize,
        /// Of `bytes` among the batch's buffers, once a view points into it.
        buffer_index: Option<u32>,
    },
    Codes(Hybrid),
}

/// A batch is codes until a page without a dictionary, or NULLs without one, come in.
enum Output {
    Small(Vec<u8>),
    Medium(Vec<u16>),
    Large(Vec<u32>),
    Views(Vec<u128>),
}

impl Default for Output {
    fn default() -> Self {
        Self::Views(Vec::new())
    }
}

macro_rules! each_output {
    ($output:expr, $values:ident => $body:expr) => {
        match $output {
            Output::Small($values) => $body,
            Output::Medium($values) => $body,
            Output::Large($values) => $body,
            Output::Views($values) => $body,
        }
    };
}

impl TextValues {
    /// Replaces the codes of the batch by views.
    fn leave_codes(&mut self) -> Checked<()> {
        if self.len() == 0 {
            if !matches!(self.output, Output::Views(_)) {
                self.output = Output::Views(Vec::with_capacity(self.capacity()));
            }
            return Ok(());
        }
        let Some(dictionary) = self.dictionary.as_ref().map(|it| it.as_string_view()) else { return Ok(()) };
        let output = match &self.output {
            Output::Small(codes) => expanded(codes, dictionary)?,
            Output::Medium(codes) => expanded(codes, dictionary)?,
            Output::Large(codes) => expanded(codes, dictionary)?,
            Output::Views(_) => return Ok(()),
        };
        self.buffers = dictionary.data_buffers().to_vec();
        self.output = Output::Views(output);
        Ok(())
    }

    fn append_codes(&mut self, count: usize) -> Checked<()> {
        let Page::Codes(codes) = &mut self.page else { return Err("a page has no codes".into()) };
        match &mut self.output {
            Output::Small(output) => fill(codes, output, count),
            Output::Medium(output) => fill(codes, output, count),
            Output::Large(output) => fill(codes, output, count),
            Output::Views(output) => {
                // A page of codes after a plain one in the same batch: rare, for writers change only once.
                let dictionary =
                    self.dictionary.as_ref().ok_or("codes without a dictionary")?.as_string_view();
                let mut block = Vec::new();
                fill::<u32>(codes, &mut block, count)?;
                let first = self.buffers.len() as u32;
                self.buffers.extend(dictionary.data_buffers().iter().cloned());
                let views = expanded(&block, dictionary)?;
                output.extend(views.into_iter().map(|view| moved(view, first)));
                Ok(())
            }
        }
    }

    fn capacity(&self) -> usize {
        each_output!(&self.output, values => values.capacity())
    }

    /// Walks over `count` plain values and adds those that `wanted` says, by their number from here.
    fn walk_plain(&mut self, count: usize, mut wanted: impl FnMut(usize) -> bool) -> Checked<()> {
        let Page::Plain { bytes, position, buffer_index } = &mut self.page else {
            return Err("a page has too few values".into());
        };
        let Output::Views(output) = &mut self.output else { return Err("codes were not left".into()) };
        let index = match buffer_index {
            Some(index) => *index,
            None => {
                let index = self.buffers.len() as u32;
                self.buffers.push(bytes.clone());
                *buffer_index = Some(index);
                index
            }
        };
        let page: &[u8] = bytes;
        let mut at = *position;
        for number in 0..count {
            let (start, length) = value_at(page, at)?;
            if wanted(number) {
                output.push(view(page, start, length, index));
            }
            at = start + length;
        }
        *position = at;
        Ok(())
    }
}

/// Where the value whose length prefix stands at `at` starts, and its length.
#[inline(always)]
fn value_at(page: &[u8], at: usize) -> Checked<(usize, usize)> {
    let prefix = page.get(at..).and_then(|rest| rest.first_chunk::<4>()).ok_or("text is cut off")?;
    let length = u32::from_le_bytes(*prefix) as usize;
    let start = at + 4;
    if length > page.len() - start {
        return Err("text is cut off".into());
    }
    Ok((start, length))
}

#[inline(always)]
fn view(page: &[u8], start: usize, length: usize, buffer_index: u32) -> u128 {
    if length <= INLINE_BYTES {
        // Sixteen bytes from four before the text: one load, then all that is not text masked away.
        if let Some(window) = page[start - 4..].first_chunk::<16>() {
            let kept = u128::MAX >> (8 * (INLINE_BYTES - length));
            return u128::from_le_bytes(*window) & kept;
        }
        let mut bytes = [0u8; 16];
        bytes[..4].copy_from_slice(&(length as u32).to_le_bytes());
        bytes[4..4 + length].copy_from_slice(&page[start..start + length]);
        return u128::from_le_bytes(bytes);
    }
    let prefix = page[start..].first_chunk::<4>().copied().unwrap_or_default();
    let view = ByteView {
        length: length as u32,
        prefix: u32::from_le_bytes(prefix),
        buffer_index,
        offset: start as u32,
    };
    view.as_u128()
}

/// A view whose buffer now stands `first` places further on.
fn moved(view: u128, first: u32) -> u128 {
    if view as u32 as usize <= INLINE_BYTES {
        return view;
    }
    let view = ByteView::from(view);
    view.with_buffer_index(view.buffer_index + first).as_u128()
}

fn fill<C: Code>(codes: &mut Hybrid, output: &mut Vec<C>, count: usize) -> Checked<()> {
    let from = output.len();
    output.resize(from + count, C::default());
    codes.fill(&mut output[from..])
}

fn expanded<C: Code>(codes: &[C], dictionary: &StringViewArray) -> Checked<Vec<u128>> {
    let views = dictionary.views();
    codes
        .iter()
        .map(|code| match views.get(code.index()) {
            Some(view) => Ok(*view),
            // Codes of NULL rows are zero even when the dictionary is empty.
            None if code.index() == 0 => Ok(0),
            None => Err("a code points outside its dictionary".into()),
        })
        .collect()
}

fn encoded<K: ArrowDictionaryKeyType>(
    codes: Vec<K::Native>,
    nulls: Option<NullBuffer>,
    dictionary: &ArrayRef,
) -> Checked<ArrayRef> {
    let keys =
        PrimitiveArray::<K>::try_new(codes.into(), nulls).map_err(|error| Damage::from(error.to_string()))?;
    let array = DictionaryArray::<K>::try_new(keys, Arc::clone(dictionary))
        .map_err(|_| Damage::from("a code points outside its dictionary"))?;
    Ok(shared(array))
}

impl Values for TextValues {
    fn dictionary(&mut self, bytes: Buffer, entries: usize) -> Checked<()> {
        // Every entry has at least its length.
        if entries > bytes.len() / 4 {
            return Err("a dictionary is cut off".into());
        }
        let mut views = Vec::with_capacity(entries);
        let mut at = 0;
        for _ in 0..entries {
            let (start, length) = value_at(&bytes, at)?;
            views.push(view(&bytes, start, length, 0));
            at = start + length;
        }
        let array = StringViewArray::try_new(views.into(), vec![bytes], None).map_err(not_text)?;
        self.dictionary = Some(Arc::new(array));
        Ok(())
    }

    fn page(&mut self, bytes: Buffer, encoding: ValueEncoding, values: usize) -> Checked<()> {
        self.page = match encoding {
            ValueEncoding::Plain => {
                if values > bytes.len() / 4 {
                    return Err("a page is too short for its values".into());
                }
                if bytes.len() > u32::MAX as usize {
                    return Err("a page has more than 4 GiB".into());
                }
                Page::Plain { bytes, position: 0, buffer_index: None }
            }
            ValueEncoding::Dictionary if values == 0 => Page::None,
            ValueEncoding::Dictionary => {
                if self.dictionary.is_none() {
                    return Err("codes without a dictionary".into());
                }
                let width = *bytes.first().ok_or("a page of codes is empty")?;
                Page::Codes(Hybrid::new(bytes.slice(1), width)?)
            }
            ValueEncoding::Rle => return Err("text cannot be run-length encoded".into()),
        };
        Ok(())
    }

    fn end_page(&mut self) {
        self.page = Page::None;
    }

    fn begin(&mut self, rows: usize) {
        self.buffers.clear();
        if let Page::Plain { buffer_index, .. } = &mut self.page {
            *buffer_index = None;
        }
        self.output = match self.dictionary.as_ref().map(|dictionary| dictionary.len()) {
            _ if matches!(self.page, Page::Plain { .. }) => Output::Views(Vec::with_capacity(rows)),
            None => Output::Views(Vec::with_capacity(rows)),
            Some(entries) if entries <= 1 << 8 => Output::Small(Vec::with_capacity(rows)),
            Some(entries) if entries <= 1 << 16 => Output::Medium(Vec::with_capacity(rows)),
            Some(_) => Output::Large(Vec::with_capacity(rows)),
        };
    }

    fn skip(&mut self, count: usize) -> Checked<()> {
        match &mut self.page {
            Page::Plain { bytes, position, .. } => {
                for _ in 0..count {
                    let (start, length) = value_at(bytes, *position)?;
                    *position = start + length;
                }
            }
            Page::Codes(codes) => codes.skip(count)?,
            Page::None if count == 0 => {}
            Page::None => return Err("a page has too few values".into()),
        }
        Ok(())
    }

    fn append(&mut self, count: usize) -> Checked<()> {
        if count == 0 {
            return Ok(());
        }
        if matches!(self.page, Page::Codes(_)) {
            return self.append_codes(count);
        }
        self.leave_codes()?;
        self.walk_plain(count, |_| true)
    }

    fn append_nulls(&mut self, count: usize) {
        each_output!(&mut self.output, values => values.resize(values.len() + count, Default::default()));
    }

    fn append_selected(&mut self, count: usize, selection: &[u32], base: usize) -> Checked<()> {
        if count == 0 {
            return Ok(());
        }
        if matches!(self.page, Page::Codes(_)) {
            let from = self.len();
            self.append_codes(count)?;
            self.compact(from, selection, base);
            return Ok(());
        }
        self.leave_codes()?;
        let mut wanted = selection.iter().map(|&row| row as usize - base).peekable();
        self.walk_plain(count, |number| wanted.next_if_eq(&number).is_some())
    }

    fn compact(&mut self, from: usize, selection: &[u32], base: usize) {
        each_output!(&mut self.output, values => compact(values, from, selection, base));
    }

    fn len(&self) -> usize {
        each_output!(&self.output, values => values.len())
    }

    fn finish(&mut self, nulls: Option<NullBuffer>) -> Checked<ArrayRef> {
        let missing = || Damage::from("codes without a dictionary");
        let dictionary = self.dictionary.as_ref();
        match std::mem::take(&mut self.output) {
            Output::Small(codes) => encoded::<UInt8Type>(codes, nulls, dictionary.ok_or_else(missing)?),
            Output::Medium(codes) => encoded::<UInt16Type>(codes, nulls, dictionary.ok_or_else(missing)?),
            Output::Large(codes) => encoded::<UInt32Type>(codes, nulls, dictionary.ok_or_else(missing)?),
            Output::Views(views) => {
                let buffers = std::mem::take(&mut self.buffers);
                if let Page::Plain { buffer_index, .. } = &mut self.page {
                    *buffer_index = None;
                }
                let array = StringViewArray::try_new(views.into(), buffers, nulls).map_err(not_text)?;
                Ok(shared(array))
            }
        }
    }
}

fn not_text(_: arrow::error::ArrowError) -> Damage {
    "text is not UTF-8".into()
}
