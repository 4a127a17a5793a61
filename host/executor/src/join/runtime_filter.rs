//! What a join's build side says of one of its keys, so that scans drop rows that would find no match.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;

use crate::column::Column;
use crate::column::integers::{Integer, integers, min_max, with_integers};
use crate::join::bloom::Bloom;

/// A bitmap has at most so many bits (4 MiB): few cache misses, and none where keys come in order. What is never
/// touched of it costs nothing.
const BITMAP_BITS_MAX: u64 = 32 << 20;

/// Never drops a row that has a match; NULLs have none.
pub(crate) struct RuntimeFilter {
    /// Least key, and the distance to the greatest; `None` when there are no keys, and so no match.
    pub(super) range: Option<(i128, u64)>,
    pub(super) set: Set,
}

pub(super) enum Set {
    /// All numbers of the range, or too many to tell.
    Range,
    /// A bit for each number of the range, and one more that is not set.
    Bitmap(Vec<u64>),
    /// Of the keys' low 64 bits.
    Bloom(Bloom),
}

impl RuntimeFilter {
    /// `None` for keys that are no integers. `room`: for how many times as many keys a Bloom filter is made, when those of other
    /// instances may be added.
    pub(crate) fn of(keys: &ArrayRef, room: usize) -> Option<Self> {
        let values = integers(keys.as_ref())?;
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        let Some((min, max)) = min_max(values, nulls) else {
            return Some(Self { range: None, set: Set::Range });
        };
        let range = u64::try_from(max.checked_sub(min)?).ok().filter(|&range| range < u64::MAX - 1)?;
        let set = with_integers!(values, values => set_of(values, nulls, (min, range), room));
        Some(Self { range: Some((min, range)), set })
    }

    /// Least and greatest key; `None` when there are none.
    pub(crate) fn bounds(&self) -> Option<(i128, i128)> {
        self.range.map(|(min, range)| (min, min + i128::from(range)))
    }

    /// Positions in the column that may have a match; `None` means all.
    pub(crate) fn survivors(&self, column: &Column) -> Option<Vec<u32>> {
        let values = integers(column.array.as_ref())?;
        let Some((min, range)) = self.range else { return Some(vec![]) };
        let nulls = column.array.nulls().filter(|nulls| nulls.null_count() > 0);
        let indices = column.indices.as_ref();
        if indices.is_some_and(|indices| indices.array().null_count() > 0) {
            return None;
        }
        let rows = indices.map(|indices| indices.array().values().as_ref());
        let survivors = with_integers!(values, values => self.test(values, nulls, rows, min, range));
        (survivors.len() < rows.map_or(column.array.len(), <[u32]>::len)).then_some(survivors)
    }

    fn test<T: Integer>(
        &self,
        values: &[T],
        nulls: Option<&NullBuffer>,
        rows: Option<&[u32]>,
        min: i128,
        range: u64,
    ) -> Vec<u32> {
        match &self.set {
            Set::Range => compact(values, nulls, rows, |value| value.distance(min) <= range),
            Set::Bitmap(bits) => compact(values, nulls, rows, |value| {
                let bit = value.distance(min).min(range + 1);
                (bits[(bit >> 6) as usize] >> (bit & 63)) & 1 == 1
            }),
            Set::Bloom(bloom) => compact(values, nulls, rows, |value| {
                let distance = value.distance(min);
                distance <= range && bloom.contains(distance.wrapping_add(min as u64))
            }),
        }
    }
}

/// The positions whose value passes, without a branch on the outcome.
#[inline(always)]
fn compact<T: Integer>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    rows: Option<&[u32]>,
    passes: impl Fn(T) -> bool,
) -> Vec<u32> {
    let count = rows.map_or(values.len(), <[u32]>::len);
    let mut positions = vec![0u32; count];
    let mut found = 0;
    let mut keep = |position: usize, passes: bool| {
        positions[found] = position as u32;
        found += usize::from(passes);
    };
    match (rows, nulls) {
        (None, None) => {
            for (position, &value) in values.iter().enumerate() {
                keep(position, passes(value));
            }
        }
        (None, Some(nulls)) => {
            for (position, &value) in values.iter().enumerate() {
                keep(position, nulls.is_valid(position) & passes(value));
            }
        }
        (Some(rows), None) => {
            for (position, &row) in rows.iter().enumerate() {
                keep(position, passes(values[row as usize]));
            }
        }
        (Some(rows), Some(nulls)) => {
            for (position, &row) in rows.iter().enumerate() {
                keep(position, nulls.is_valid(row as usize) & passes(values[row as usize]));
            }
        }
    }
    positions.truncate(found);
    positions
}

fn set_of<T: Integer>(
    values: &[T],
    nulls: Option<&NullBuffer>,
    (min, range): (i128, u64),
    room: usize,
) -> Set {
    let keys = values.len() - nulls.map_or(0, NullBuffer::null_count);
    let is_valid = |row: usize| nulls.is_none_or(|nulls| nulls.is_valid(row));
    let distances =
        values.iter().enumerate().filter(|(row, _)| is_valid(*row)).map(|(_, value)| value.distance(min));
    if range < BITMAP_BITS_MAX {
        let mut bits = vec![0u64; (range + 2).div_ceil(64) as usize];
        distances.for_each(|distance| bits[(distance >> 6) as usize] |= 1 << (distance & 63));
        let set: u64 = bits.iter().map(|word| u64::from(word.count_ones())).sum();
        return if set == range + 1 { Set::Range } else { Set::Bitmap(bits) };
    }
    let mut bloom = Bloom::new(keys.saturating_mul(room));
    distances.for_each(|distance| bloom.insert(distance.wrapping_add(min as u64)));
    Set::Bloom(bloom)
}
