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
/// Larger sets are sent with less detail.
const WORDS_BYTES_MAX: usize = 1 << 20;
/// A Bloom filter that would have to be halved more often says too little: two halves are the room that it was made with.
const HALVES_MAX: u32 = 4;
/// Keys of the largest Bloom filter.
const BLOOM_KEYS_MAX: u64 = 1 << 19;

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
        let kind_at = bytes.len();
        bytes.push(RANGE);
        bytes.extend(min.to_le_bytes());
        bytes.extend(range.to_le_bytes());
        let smaller = match &self.set {
            Set::Bitmap(bits) if bits.len() * 8 > WORDS_BYTES_MAX => bloom_of(&[(&self.set, min, range)]),
            Set::Bloom(bloom) if bloom.blocks().len() * 32 > WORDS_BYTES_MAX => folded(bloom),
            Set::Range | Set::Bitmap(_) | Set::Bloom(_) => None,
        };
        match smaller.as_ref().map_or(&self.set, |set| set) {
            Set::Bitmap(bits) if bits.len() * 8 <= WORDS_BYTES_MAX => {
                bytes[kind_at] = BITMAP;
                bytes.extend(bits.iter().flat_map(|word| word.to_le_bytes()));
            }
            Set::Bloom(bloom) if bloom.blocks().len() * 32 <= WORDS_BYTES_MAX => {
                bytes[kind_at] = BLOOM;
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
            (left, right) => {
                bloom_of(&[(&left, min, range), (&right, other_min, other_range)]).unwrap_or(Set::Range)
            }
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
    match count(&set, range) {
        Some(keys) if keys <= bloom.capacity() as u64 => {
            insert(&mut bloom, &set, min, range);
            Set::Bloom(bloom)
        }
        _ => Set::Range,
    }
}

/// One Bloom filter of all numbers of some sets, if they are few enough and can be told.
fn bloom_of(sets: &[(&Set, i128, u64)]) -> Option<Set> {
    let counts = sets.iter().map(|(set, _, range)| count(set, *range));
    let keys: u64 = counts.sum::<Option<u64>>().filter(|keys| *keys <= BLOOM_KEYS_MAX)?;
    let mut bloom = Bloom::new(keys as usize);
    sets.iter().for_each(|(set, min, range)| insert(&mut bloom, set, *min, *range));
    Some(Set::Bloom(bloom))
}

/// Made small enough, if that leaves enough of it.
fn folded(bloom: &Bloom) -> Option<Set> {
    let times = (bloom.blocks().len() * 32).div_ceil(WORDS_BYTES_MAX).next_power_of_two().trailing_zeros();
    let bloom = Bloom::from_blocks(bloom.blocks().to_vec()).filter(|_| times <= HALVES_MAX)?;
    Some(Set::Bloom((0..times).fold(bloom, |bloom, _| bloom.halved())))
}

/// How many numbers; of a Bloom filter that is not known, and of very many it does not matter.
fn count(set: &Set, range: u64) -> Option<u64> {
    match set {
        Set::Range => Some(range.saturating_add(1)).filter(|keys| *keys <= BLOOM_KEYS_MAX),
        Set::Bitmap(bits) => Some(bits.iter().map(|word| u64::from(word.count_ones())).sum()),
        Set::Bloom(_) => None,
    }
}

fn insert(bloom: &mut Bloom, set: &Set, min: i128, range: u64) {
    let key = |distance: u64| distance.wrapping_add(min as u64);
    match set {
        Set::Range => (0..=range).for_each(|distance| bloom.insert(key(distance))),
        Set::Bitmap(bits) => for_each_bit(bits, |bit| bloom.insert(key(bit))),
        Set::Bloom(_) => {}
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array};

    use super::*;
    use crate::column::Column;

    fn filter(keys: &[i64]) -> RuntimeFilter {
        let keys: ArrayRef = Arc::new(Int64Array::from(keys.to_vec()));
        RuntimeFilter::of(&keys, 4).unwrap()
    }

    fn passing(filter: &RuntimeFilter, values: &[i64]) -> usize {
        let column = Column::new(Arc::new(Int64Array::from(values.to_vec())));
        filter.survivors(&column).map_or(values.len(), |survivors| survivors.len())
    }

    /// Keys that look random, `step` apart on average.
    fn keys(seed: u64, count: usize, step: u64) -> Vec<i64> {
        let mut state = seed | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        (0..count).map(|_| (next() % (count as u64 * step)) as i64 - 5_000).collect()
    }

    fn kinds() -> Vec<Vec<i64>> {
        vec![
            vec![],
            vec![7],
            (100..400).collect(),
            keys(1, 300, 10),
            keys(2, 2000, 10),
            keys(3, 500, 1_000_000_000),
            keys(4, 50, 1_000_000_000_000),
            keys(5, 40_000, 500),
            keys(6, 30_000, 10_000),
            vec![i64::MAX - 3],
        ]
    }

    #[test]
    fn bytes_give_the_filter_again() {
        for keys in kinds() {
            let before = filter(&keys);
            let after = RuntimeFilter::from_bytes(&before.to_bytes()).unwrap().unwrap();
            assert_eq!(after.bounds(), before.bounds());
            let others: Vec<i64> = (-6_000..60_000).collect();
            let is_less_detailed =
                matches!(&before.set, Set::Bitmap(bits) if bits.len() * 8 > WORDS_BYTES_MAX);
            let (sent, made) = (passing(&after, &others), passing(&before, &others));
            assert!(sent == made || (is_less_detailed && sent < made + 300), "{sent} {made}");
            assert_eq!(passing(&after, &keys), keys.len());
        }
    }

    #[test]
    fn a_union_passes_what_one_of_its_parts_passes() {
        let all = kinds();
        for (left, right) in all.iter().flat_map(|left| all.iter().map(move |right| (left, right))) {
            let parts = [filter(left).to_bytes(), filter(right).to_bytes()];
            let union = merge_filters(&parts).unwrap();
            let Some(union) = RuntimeFilter::from_bytes(&union).unwrap() else { continue };
            assert_eq!(passing(&union, left), left.len());
            assert_eq!(passing(&union, right), right.len());
            let both: Vec<i64> = left.iter().chain(right).copied().collect();
            assert_eq!(union.bounds(), filter(&both).bounds());
        }
    }

    #[test]
    fn a_union_of_many_still_drops_most() {
        for step in [100, 1_000_000_000] {
            let all: Vec<Vec<i64>> = (1..9).map(|seed| keys(seed * 77, 500, step)).collect();
            let parts: Vec<Bytes> = all.iter().map(|keys| filter(keys).to_bytes()).collect();
            let union = RuntimeFilter::from_bytes(&merge_filters(&parts).unwrap()).unwrap().unwrap();
            let others = keys(99, 20_000, step / 50);
            let known = passing(&union, &others);
            assert!(known < others.len() / 3, "{known} of {} pass with a step of {step}", others.len());
        }
    }

    #[test]
    fn nothing_and_everything() {
        let nothing = filter(&[]).to_bytes();
        assert_eq!(merge_filters(&[]).unwrap(), nothing);
        assert_eq!(merge_filters(&[nothing.clone(), nothing.clone()]).unwrap(), nothing);
        let some = filter(&[1, 5]).to_bytes();
        assert_eq!(merge_filters(&[nothing.clone(), some.clone()]).unwrap(), some);
        assert_eq!(merge_filters(&[some, Bytes::new()]).unwrap(), Bytes::new());
        let ends = [filter(&[i64::MIN]).to_bytes(), filter(&[i64::MAX]).to_bytes()];
        assert_eq!(merge_filters(&ends).unwrap(), Bytes::new());
        assert_eq!(passing(&RuntimeFilter::from_bytes(&nothing).unwrap().unwrap(), &[1, 2, 3]), 0);
    }

    #[test]
    fn large_sets_are_sent_with_less_detail() {
        let sparse: Vec<i64> = (0..200_000).map(|key| key * 150).collect();
        let many: Vec<i64> = (0..600_000).map(|key| key * 1_000).collect();
        let others: Vec<i64> = (0..100_000).map(|key| key * 1_000 + 77).collect();
        for keys in [&sparse, &many] {
            let bytes = filter(keys).to_bytes();
            assert!(bytes.len() <= WORDS_BYTES_MAX + 64, "{}", bytes.len());
            let sent = RuntimeFilter::from_bytes(&bytes).unwrap().unwrap();
            assert_eq!(passing(&sent, keys), keys.len());
            assert!(passing(&sent, &others) < others.len() / 2);
        }
    }

    #[test]
    fn damaged_bytes_are_refused_or_harmless() {
        let bytes = filter(&keys(3, 100, 20)).to_bytes();
        for cut in 1..bytes.len() {
            assert!(RuntimeFilter::from_bytes(&bytes[..cut]).is_err(), "{cut} bytes");
        }
        for place in 0..26 {
            for bit in 0..8 {
                let mut damaged = bytes.to_vec();
                damaged[place] ^= 1 << bit;
                if let Ok(Some(filter)) = RuntimeFilter::from_bytes(&damaged) {
                    passing(&filter, &[i64::MIN, -1, 0, 1, 50, i64::MAX]);
                    _ = merge_filters(&[damaged.into(), bytes.clone()]);
                }
            }
        }
    }
}
