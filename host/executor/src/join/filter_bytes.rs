//! Runtime filters on their way between instances: as bytes, and as the union of what several instances say.
//!
//! No bytes: keeps everything. Otherwise the version, the kind, and unless the kind is `NOTHING` the least key (16 bytes), the
//! distance to the greatest (8 bytes), then the words of the bitmap or the Bloom filter; all numbers little-endian.

use bytes::Bytes;
use nyala_schema::{Error, ErrorCode, Result};

use crate::join::bloom::Bloom;
use crate::join::runtime_filter::{RuntimeFilter, Set};

const VERSION: u8 = 1;
/// There are no keys.
const NOTHING: u8 = 0;
const RANGE: u8 = 1;
const BITMAP: u8 = 2;
const BLOOM: u8 = 3;
/// Bytes before the words.
const HEAD_BYTES: usize = 26;
/// Larger sets are sent as their range alone.
const WORDS_BYTES_MAX: usize = 1 << 20;

/// The union of what the instances of one join say: what passes one of them passes it. Empty: keeps everything.
///
/// # Errors
/// `Connection` for bytes that are no filter.
pub fn merge_filters(parts: &[Bytes]) -> Result<Bytes> {
    let mut union = RuntimeFilter { range: None, set: Set::Range };
    for part in parts {
        let Some(filter) = RuntimeFilter::from_bytes(part)? else { return Ok(Bytes::new()) };
        match union.union(filter) {
            Some(wider) => union = wider,
            None => return Ok(Bytes::new()),
        }
    }
    Ok(union.to_bytes())
}

impl RuntimeFilter {
    pub(crate) fn to_bytes(&self) -> Bytes {
        let mut bytes = vec![VERSION];
        let Some((min, range)) = self.range else {
            bytes.push(NOTHING);
            return bytes.into();
        };
        let (kind, words) = match &self.set {
            Set::Bitmap(bits) if bits.len() * 8 <= WORDS_BYTES_MAX => (BITMAP, bits.len() * 8),
            Set::Bloom(bloom) if bloom.blocks().len() * 32 <= WORDS_BYTES_MAX => {
                (BLOOM, bloom.blocks().len() * 32)
            }
            Set::Range | Set::Bitmap(_) | Set::Bloom(_) => (RANGE, 0),
        };
        bytes.reserve_exact(HEAD_BYTES + words);
        bytes.push(kind);
        bytes.extend(min.to_le_bytes());
        bytes.extend(range.to_le_bytes());
        match &self.set {
            Set::Bitmap(bits) if kind == BITMAP => {
                bytes.extend(bits.iter().flat_map(|word| word.to_le_bytes()))
            }
            Set::Bloom(bloom) if kind == BLOOM => {
                bytes.extend(bloom.blocks().iter().flatten().flat_map(|word| word.to_le_bytes()));
            }
            Set::Range | Set::Bitmap(_) | Set::Bloom(_) => {}
        }
        bytes.into()
    }

    /// `None` for no bytes: keeps everything.
    ///
    /// # Errors
    /// `Connection` for bytes that are no filter.
    pub(crate) fn from_bytes(bytes: &[u8]) -> Result<Option<Self>> {
        if bytes.is_empty() {
            return Ok(None);
        }
        let filter = Self::parse(bytes).ok_or_else(|| {
            Error::new(ErrorCode::Connection, "a runtime filter from another node cannot be read").with_hint(
                "run the same version of Nyala on all nodes, or two versions that follow each other",
            )
        })?;
        Ok(Some(filter))
    }

    fn parse(bytes: &[u8]) -> Option<Self> {
        let (&[version, kind], rest) = bytes.split_first_chunk()?;
        if version != VERSION {
            return None;
        }
        if kind == NOTHING {
            return rest.is_empty().then_some(Self { range: None, set: Set::Range });
        }
        let (min, rest) = rest.split_first_chunk()?;
        let (range, words) = rest.split_first_chunk()?;
        let (min, range) = (i128::from_le_bytes(*min), u64::from_le_bytes(*range));
        min.checked_add(i128::from(range))?;
        if range >= RANGE_END || words.len() > WORDS_BYTES_MAX {
            return None;
        }
        let set = match kind {
            RANGE if words.is_empty() => Set::Range,
            BITMAP => Set::Bitmap(parse_bitmap(words, range)?),
            BLOOM => Set::Bloom(parse_bloom(words)?),
            _ => return None,
        };
        Some(Self { range: Some((min, range)), set })
    }

    /// `None` when it would keep everything.
    fn union(self, other: Self) -> Option<Self> {
        let (Some((min, range)), Some((other_min, other_range))) = (self.range, other.range) else {
            return Some(if self.range.is_none() { other } else { self });
        };
        let least = min.min(other_min);
        let greatest = (min + i128::from(range)).max(other_min + i128::from(other_range));
        let hull = u64::try_from(greatest.checked_sub(least)?).ok().filter(|&hull| hull < RANGE_END)?;
        let bounds = Some((least, hull));
        let set = match (self.set, other.set) {
            (Set::Bloom(left), Set::Bloom(right)) => Set::Bloom(left.union(right)),
            (Set::Bloom(bloom), set) => add_to_bloom(bloom, set, (other_min, other_range)),
            (set, Set::Bloom(bloom)) => add_to_bloom(bloom, set, (min, range)),
            (left, right) if bitmap_words(hull) * 8 <= WORDS_BYTES_MAX => {
                let mut bits = vec![0; bitmap_words(hull)];
                add_to_bitmap(&mut bits, &left, (min - least) as u64, range);
                add_to_bitmap(&mut bits, &right, (other_min - least) as u64, other_range);
                let set: u64 = bits.iter().map(|word| u64::from(word.count_ones())).sum();
                if set == hull + 1 { Set::Range } else { Set::Bitmap(bits) }
            }
            (Set::Range | Set::Bitmap(_), Set::Range | Set::Bitmap(_)) => Set::Range,
        };
        Some(Self { range: bounds, set })
    }
}

/// Distances from here on tell nothing: everything may be within them.
const RANGE_END: u64 = u64::MAX - 1;

/// A bit for each number, and one more that is not set.
fn bitmap_words(range: u64) -> usize {
    usize::try_from((range.saturating_add(2)).div_ceil(64)).unwrap_or(usize::MAX / 8)
}

fn parse_bitmap(bytes: &[u8], range: u64) -> Option<Vec<u64>> {
    let (words, []) = bytes.as_chunks() else { return None };
    if words.len() != bitmap_words(range) {
        return None;
    }
    let bits: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    let end = range + 1;
    ((bits[(end >> 6) as usize] >> (end & 63)) & 1 == 0).then_some(bits)
}

fn parse_bloom(bytes: &[u8]) -> Option<Bloom> {
    let (words, []) = bytes.as_chunks() else { return None };
    let words: Vec<u32> = words.iter().map(|word| u32::from_le_bytes(*word)).collect();
    let (blocks, []) = words.as_chunks() else { return None };
    Bloom::from_blocks(blocks.to_vec())
}

/// The set of the range that starts at bit `first`.
fn add_to_bitmap(bits: &mut [u64], set: &Set, first: u64, range: u64) {
    let mut add = |bit: u64| bits[(bit >> 6) as usize] |= 1 << (bit & 63);
    match set {
        Set::Bitmap(from) => for_each_bit(from, |bit| add(first + bit)),
        Set::Range | Set::Bloom(_) => (first..=first + range).for_each(add),
    }
}

/// The numbers of another filter put in one by one, where they are not too many for that.
fn add_to_bloom(mut bloom: Bloom, set: Set, (min, range): (i128, u64)) -> Set {
    let room = bloom.capacity() as u64;
    let key = |distance: u64| distance.wrapping_add(min as u64);
    match set {
        Set::Bitmap(bits) if bits.iter().map(|word| u64::from(word.count_ones())).sum::<u64>() <= room => {
            for_each_bit(&bits, |bit| bloom.insert(key(bit)));
            Set::Bloom(bloom)
        }
        Set::Range if range < room => {
            (0..=range).for_each(|distance| bloom.insert(key(distance)));
            Set::Bloom(bloom)
        }
        Set::Range | Set::Bitmap(_) | Set::Bloom(_) => Set::Range,
    }
}

fn for_each_bit(words: &[u64], mut visit: impl FnMut(u64)) {
    for (index, &word) in words.iter().enumerate() {
        let mut left = word;
        while left != 0 {
            visit(index as u64 * 64 + u64::from(left.trailing_zeros()));
            left &= left - 1;
        }
    }
}
