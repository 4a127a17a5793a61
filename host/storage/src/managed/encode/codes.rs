//! Codes of values in the dictionary of a chunk, as long as one is worth it.

use super::number::Number;

const NO_CODE: u32 = u32::MAX;
/// Numbers within so many steps are looked up by their distance from the least: steps for each value.
const STEPS_PER_VALUE: usize = 4;
/// Bytes of a dictionary, at most: more would not stay in a processor's cache while it is read.
pub const DICTIONARY_BYTES_MAX: usize = 1 << 20;
/// A dictionary must make of a chunk at most this share of what it would be without.
const SHARE_MAX: f64 = 0.8;
/// From so many values on, at most such a share of them may be entries: values that seldom come again at first may do so
/// later.
const LIMITS: [(usize, f64); 3] = [(4_096, 0.95), (16_384, 0.85), (65_536, 0.7)];

/// Kept from chunk to chunk.
#[derive(Default)]
pub struct Codes {
    /// One for each value.
    pub codes: Vec<u32>,
    /// By place: the code of the entry there.
    pub table: Vec<u32>,
}

/// Whether after so many values there are too many entries.
#[inline]
pub fn is_hopeless(values: usize, entries: usize) -> bool {
    let limit = LIMITS.iter().rev().find(|(count, _)| values >= *count);
    limit.is_some_and(|(_, share)| entries as f64 > share * values as f64)
}

/// Whether a dictionary is worth it in the end.
pub fn is_worth_it(values: usize, entries: usize, entry_bytes: usize, plain_bytes: usize) -> bool {
    let coded = entry_bytes + values * usize::from(super::hybrid::width_of(entries)) / 8;
    entry_bytes <= DICTIONARY_BYTES_MAX && coded as f64 <= SHARE_MAX * plain_bytes as f64
}

/// The entries of a dictionary, in the order in which they come, with the codes of all values; `None` when there should be
/// none.
pub fn number_codes<N: Number>(values: &[N], bounds: Option<(N, N)>, target: &mut Codes) -> Option<Vec<N>> {
    let (min, max) = bounds?;
    let steps = N::steps(min, max).filter(|steps| *steps < STEPS_PER_VALUE * values.len().max(256));
    target.codes.clear();
    target.codes.reserve(values.len());
    let entries = match steps {
        Some(steps) => codes_by_distance(values, min, steps, target)?,
        None => codes_by_hash(values, target)?,
    };
    let (entry_bytes, plain_bytes) = (size_of_val(entries.as_slice()), size_of_val(values));
    is_worth_it(values.len(), entries.len(), entry_bytes, plain_bytes).then_some(entries)
}

fn codes_by_distance<N: Number>(values: &[N], min: N, steps: usize, target: &mut Codes) -> Option<Vec<N>> {
    target.table.clear();
    target.table.resize(steps + 1, NO_CODE);
    let mut entries: Vec<N> = Vec::new();
    for (part, start) in parts(values) {
        for value in part {
            let code = &mut target.table[N::steps(min, *value)?];
            if *code == NO_CODE {
                *code = entries.len() as u32;
                entries.push(*value);
            }
            target.codes.push(*code);
        }
        if is_hopeless(start + part.len(), entries.len()) {
            return None;
        }
    }
    Some(entries)
}

fn codes_by_hash<N: Number>(values: &[N], target: &mut Codes) -> Option<Vec<N>> {
    let entries_max = (DICTIONARY_BYTES_MAX / size_of::<N>()).min(values.len());
    let bits = (2 * entries_max).next_power_of_two().max(2).ilog2();
    target.table.clear();
    target.table.resize(1 << bits, NO_CODE);
    let mask = target.table.len() - 1;
    let mut entries: Vec<N> = Vec::new();
    for (part, start) in parts(values) {
        for value in part {
            let mut place = (value.key().wrapping_mul(0x9e37_79b9_7f4a_7c15) >> (u64::BITS - bits)) as usize;
            let code = loop {
                let code = target.table[place & mask];
                if code == NO_CODE {
                    if entries.len() >= entries_max {
                        return None;
                    }
                    let new = entries.len() as u32;
                    target.table[place & mask] = new;
                    entries.push(*value);
                    break new;
                }
                if entries[code as usize].key() == value.key() {
                    break code;
                }
                place += 1;
            };
            target.codes.push(code);
        }
        if is_hopeless(start + part.len(), entries.len()) {
            return None;
        }
    }
    Some(entries)
}

/// Values between two looks at how many entries there are, with where they start.
pub fn parts<T>(values: &[T]) -> impl Iterator<Item = (&[T], usize)> {
    const PART: usize = 4_096;
    values.chunks(PART).enumerate().map(|(at, part)| (part, at * PART))
}
