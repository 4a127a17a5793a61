//! Text and binary.

use arrow::array::{Array, ArrayRef, AsArray, BinaryViewArray};
use arrow::datatypes::DataType;
use foldhash::fast::FixedState;
use nyala_schema::bound::Bound;
use nyala_schema::{Error, Result};
use parquet::basic::Encoding;
use parquet::data_type::ByteArray;
use parquet::file::statistics::{Statistics, ValueStatistics};
use std::hash::BuildHasher;

use super::codes::{Codes, DICTIONARY_BYTES_MAX, is_hopeless, is_worth_it, parts};
use super::hybrid::{put_codes, width_of};
use super::pages::{ChunkWriter, PageRows};
use crate::managed::bounds::{cut_above, cut_below};
use crate::managed::tally::ColumnTally;
use crate::managed::target::{Codecs, PAGE_BYTES, PAGE_ROWS};

const NO_CODE: u32 = u32::MAX;
/// Texts up to so many bytes are in their views.
const SHORT_BYTES_MAX: usize = 12;
/// Before each text in plain encoding stands its length.
const LENGTH_BYTES: usize = 4;

/// The values of one piece of a column.
pub struct Texts {
    values: BinaryViewArray,
    /// For each row the place of its value, when the piece is a dictionary.
    keys: Option<Vec<usize>>,
    /// Rows that have a value, when not all have.
    valid: Option<Vec<usize>>,
    rows: usize,
}

impl Texts {
    /// `None` for types that are no text.
    pub fn of(array: &ArrayRef) -> Option<Self> {
        let values = match array.data_type() {
            DataType::Dictionary(_, _) => views_of(array.as_any_dictionary().values())?,
            _ => views_of(array)?,
        };
        let nulls = array.logical_nulls().filter(|nulls| nulls.null_count() > 0);
        let valid: Option<Vec<usize>> = nulls.map(|nulls| nulls.valid_indices().collect());
        let none_valid = valid.as_ref().is_some_and(Vec::is_empty);
        let keys = array.as_any_dictionary_opt().filter(|_| !none_valid);
        Some(Self { values, keys: keys.map(|keys| keys.normalized_keys()), valid, rows: array.len() })
    }

    pub fn is_dictionary(&self) -> bool {
        self.keys.is_some()
    }

    /// Calls with the place of each value that is not NULL.
    #[inline]
    fn places(&self, mut each: impl FnMut(usize)) {
        match (&self.keys, &self.valid) {
            (None, None) => (0..self.rows).for_each(each),
            (Some(keys), None) => keys.iter().for_each(|place| each(*place)),
            (None, Some(valid)) => valid.iter().for_each(|row| each(*row)),
            (Some(keys), Some(valid)) => valid.iter().for_each(|row| each(keys[*row])),
        }
    }

    /// Bytes of all values.
    fn bytes(&self) -> usize {
        let views = self.values.views();
        let mut bytes = 0;
        self.places(|place| bytes += views[place] as u32 as usize);
        bytes
    }
}

fn views_of(array: &ArrayRef) -> Option<BinaryViewArray> {
    match array.data_type() {
        DataType::Utf8View => Some(array.as_string_view().clone().to_binary_view()),
        DataType::BinaryView => Some(array.as_binary_view().clone()),
        _ => None,
    }
}

/// The entries of a dictionary, in the order in which they come.
#[derive(Default)]
struct Entries {
    /// In plain encoding.
    plain: Vec<u8>,
    /// The view of each when it is short, its place in `plain` when it is long.
    views: Vec<(u128, u32, u32)>,
}

impl Entries {
    fn get(&self, code: usize) -> &[u8] {
        let (_, start, length) = self.views[code];
        &self.plain[start as usize..(start + length) as usize]
    }

    /// The code of a value, which is new or not.
    fn code(&mut self, view: u128, value: &[u8], table: &mut [u32]) -> u32 {
        let is_short = value.len() <= SHORT_BYTES_MAX;
        let mask = table.len() - 1;
        let mut place = hash(view, value) as usize & mask;
        loop {
            let code = table[place];
            if code == NO_CODE {
                let new = self.views.len() as u32;
                table[place] = new;
                self.plain.extend_from_slice(&(value.len() as u32).to_le_bytes());
                let start = self.plain.len() as u32;
                self.plain.extend_from_slice(value);
                self.views.push((if is_short { view } else { 0 }, start, value.len() as u32));
                return new;
            }
            let (known, _, length) = self.views[code as usize];
            let same = if is_short {
                known == view && length as usize <= SHORT_BYTES_MAX
            } else {
                length as usize == value.len() && self.get(code as usize) == value
            };
            if same {
                return code;
            }
            place = (place + 1) & mask;
        }
    }
}

#[inline]
fn hash(view: u128, value: &[u8]) -> u64 {
    if value.len() > SHORT_BYTES_MAX {
        return FixedState::with_seed(0).hash_one(value);
    }
    let mixed =
        (view as u64 ^ 0x9e37_79b9_7f4a_7c15) as u128 * ((view >> 64) as u64 ^ 0xd6e8_feb8_6659_fd93) as u128;
    (mixed as u64) ^ (mixed >> 64) as u64
}

/// Writes the texts of a chunk: by dictionary when that is worth it.
///
/// # Errors
/// Internal; TooComplex for more text than a chunk holds.
pub fn put_texts(
    writer: &mut ChunkWriter<'_>,
    pieces: &[Texts],
    codes: &mut Codes,
    tally: &mut ColumnTally,
    codecs: Codecs,
) -> Result<(Statistics, i64)> {
    let bytes: usize = pieces.iter().map(Texts::bytes).sum();
    let values = writer.rows().count - writer.rows().nulls();
    tally.texts(bytes, values);
    let bounds = match entries_of(pieces, bytes + values * LENGTH_BYTES, codes) {
        Some(entries) => {
            (0..entries.views.len()).for_each(|code| tally.text(entries.get(code)));
            put_by_dictionary(writer, &entries, &codes.codes)?
        }
        None => {
            writer.set_codec(codecs.texts);
            put_plain(writer, pieces, bytes, values, tally)?
        }
    };
    let (min, max) = bounds.map(cut).unzip();
    let statistics = ValueStatistics::new(
        min.map(ByteArray::from),
        max.map(ByteArray::from),
        None,
        Some(writer.rows().nulls() as u64),
        false,
    );
    let statistics = statistics.with_min_is_exact(false).with_max_is_exact(false);
    Ok((Statistics::ByteArray(statistics), bytes as i64))
}

/// A dictionary with the codes of all values, when it is worth it.
fn entries_of(pieces: &[Texts], plain_bytes: usize, target: &mut Codes) -> Option<Entries> {
    /// An entry is not shorter than this: so many entries there are at most.
    const ENTRY_BYTES: usize = LENGTH_BYTES + 1;
    let rows: usize = pieces.iter().map(|piece| piece.rows).sum();
    let entries_max = (DICTIONARY_BYTES_MAX / ENTRY_BYTES).min(rows) + 1;
    target.table.clear();
    target.table.resize((2 * entries_max).next_power_of_two(), NO_CODE);
    target.codes.clear();
    target.codes.reserve(rows);
    let mut entries = Entries::default();
    for piece in pieces {
        let fits = if piece.is_dictionary() {
            recode(piece, &mut entries, target)
        } else {
            code_views(piece, &mut entries, target)
        };
        if !fits {
            return None;
        }
    }
    is_worth_it(target.codes.len(), entries.views.len(), entries.plain.len(), plain_bytes).then_some(entries)
}

/// Each value of the piece's dictionary is looked up once; `false` when there are too many.
fn recode(piece: &Texts, entries: &mut Entries, target: &mut Codes) -> bool {
    let mut known = vec![NO_CODE; piece.values.len()];
    piece.places(|place| {
        if known[place] == NO_CODE && entries.plain.len() <= DICTIONARY_BYTES_MAX {
            known[place] =
                entries.code(piece.values.views()[place], piece.values.value(place), &mut target.table);
        }
        target.codes.push(known[place]);
    });
    entries.plain.len() <= DICTIONARY_BYTES_MAX
}

/// `false` when there are too many different values.
fn code_views(piece: &Texts, entries: &mut Entries, target: &mut Codes) -> bool {
    let all: Vec<usize>;
    let places: &[usize] = match &piece.valid {
        Some(valid) => valid,
        None => {
            all = (0..piece.rows).collect();
            &all
        }
    };
    let views = piece.values.views();
    // Equal views of one piece are equal texts, short or long.
    let mut last = None;
    for (part, _) in parts(places) {
        for place in part {
            let view = views[*place];
            let code = match last {
                Some((same, code)) if same == view => code,
                _ => entries.code(view, piece.values.value(*place), &mut target.table),
            };
            last = Some((view, code));
            target.codes.push(code);
        }
        if entries.plain.len() > DICTIONARY_BYTES_MAX || is_hopeless(target.codes.len(), entries.views.len())
        {
            return false;
        }
    }
    true
}

type TextBounds = Option<(Vec<u8>, Vec<u8>)>;

fn put_by_dictionary(writer: &mut ChunkWriter<'_>, entries: &Entries, codes: &[u32]) -> Result<TextBounds> {
    let count = entries.views.len();
    writer.dictionary(&entries.plain, count)?;
    let mut packed = Vec::new();
    let mut used = vec![false; count];
    for page in writer.rows().pages(PAGE_ROWS) {
        let of_page = &codes[page.values.clone()];
        packed.clear();
        put_codes(&mut packed, of_page, width_of(count));
        used.fill(false);
        of_page.iter().for_each(|code| used[*code as usize] = true);
        let bounds = bounds((0..count).filter(|code| used[*code]).map(|code| entries.get(code)));
        writer.data(&page, Encoding::RLE_DICTIONARY, &packed, bounds.map(cut))?;
    }
    Ok(bounds((0..count).map(|code| entries.get(code))))
}

fn put_plain(
    writer: &mut ChunkWriter<'_>,
    pieces: &[Texts],
    bytes: usize,
    values: usize,
    tally: &mut ColumnTally,
) -> Result<TextBounds> {
    let mean = bytes / values.max(1) + LENGTH_BYTES;
    let pages: Vec<PageRows> = writer.rows().pages((PAGE_BYTES / mean).clamp(1, PAGE_ROWS)).collect();
    let mut plain: Vec<u8> = Vec::with_capacity(bytes + values * LENGTH_BYTES);
    // Where each page ends in `plain`, and the bounds of its values there.
    let mut ends = Vec::with_capacity(pages.len());
    let mut next = pages.iter();
    let mut left = 0;
    let mut extremes: Vec<Extremes> = Vec::with_capacity(pages.len());
    for piece in pieces {
        let texts = &piece.values;
        piece.places(|place| {
            while left == 0 {
                ends.push(plain.len());
                extremes.push(Extremes::default());
                left = next.next().map_or(usize::MAX, |page| page.values.len());
            }
            left -= 1;
            let text = texts.value(place);
            plain.extend_from_slice(&(text.len() as u32).to_le_bytes());
            let start = plain.len();
            plain.extend_from_slice(text);
            tally.text(text);
            if let Some(extremes) = extremes.last_mut() {
                extremes.see(&plain, start, text.len());
            }
        });
    }
    extremes.resize_with(pages.len(), Extremes::default);
    ends.resize(pages.len() + 1, plain.len());
    if plain.len() > i32::MAX as usize {
        return Err(Error::new(
            nyala_schema::ErrorCode::TooComplex,
            "a row group has more than 2 GiB of text",
        ));
    }
    for ((page, extremes), range) in pages.iter().zip(&extremes).zip(ends.windows(2)) {
        let bounds = extremes.get(&plain).map(|(min, max)| (min.to_vec(), max.to_vec()));
        writer.data(page, Encoding::PLAIN, &plain[range[0]..range[1]], bounds.map(cut))?;
    }
    let (mins, maxes): (Vec<&[u8]>, Vec<&[u8]>) = extremes.iter().filter_map(|it| it.get(&plain)).unzip();
    Ok(bounds(mins.into_iter().chain(maxes)))
}

/// The least and the greatest of the texts in a buffer, by their places.
#[derive(Default)]
struct Extremes {
    /// Beginning as a number, start, length.
    least: Option<(u64, usize, usize)>,
    greatest: Option<(u64, usize, usize)>,
}

impl Extremes {
    #[inline]
    fn see(&mut self, buffer: &[u8], start: usize, length: usize) {
        let text = &buffer[start..start + length];
        let key = beginning(text);
        let at = |(_, start, length): (u64, usize, usize)| &buffer[start..start + length];
        let is_less = |it: (u64, usize, usize)| key < it.0 || key == it.0 && text < at(it);
        let is_greater = |it: (u64, usize, usize)| key > it.0 || key == it.0 && text > at(it);
        if self.least.is_none_or(is_less) {
            self.least = Some((key, start, length));
        }
        if self.greatest.is_none_or(is_greater) {
            self.greatest = Some((key, start, length));
        }
    }

    fn get<'a>(&self, buffer: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let at = |(_, start, length): (u64, usize, usize)| &buffer[start..start + length];
        self.least.map(at).zip(self.greatest.map(at))
    }
}

/// The first bytes as a number of the same order.
#[inline]
fn beginning(text: &[u8]) -> u64 {
    match text.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..text.len()].copy_from_slice(text);
            u64::from_be_bytes(first)
        }
    }
}

fn bounds<'a>(texts: impl Iterator<Item = &'a [u8]> + Clone) -> TextBounds {
    let min = texts.clone().min()?;
    Some((min.to_vec(), texts.max()?.to_vec()))
}

fn cut((min, max): (Vec<u8>, Vec<u8>)) -> (Vec<u8>, Vec<u8>) {
    let bytes = |bound| match bound {
        Bound::Text(text) => text,
        Bound::Int(_) | Bound::Float(_) => vec![],
    };
    (bytes(cut_below(Bound::Text(min))), bytes(cut_above(Bound::Text(max))))
}
