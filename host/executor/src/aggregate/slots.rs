//! A short way to the groups of keys with few values: a number from dictionary codes and small ranges, and an array
//! that has each number's group. What a number means holds as long as the dictionaries stay the same.

use arrow::array::{Array, ArrayRef, AsArray, UInt32Array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use nyala_schema::Result;

use crate::aggregate::groups::Groups;
use crate::column::dictionary::{Dictionary, is_same_array};
use crate::column::integers::{Integer, integers, min_max, with_integers};

/// So many numbers at most: their array stays in the cache.
const SLOTS_MAX: u64 = 1 << 18;
/// After so many batches in a row for which there was no short way it is no longer looked for.
const FAILURES_MAX: u32 = 8;
const NONE: u32 = u32::MAX;

#[derive(Default)]
pub(crate) struct Slots {
    coders: Vec<Coder>,
    groups: Vec<u32>,
    /// The numbers of the last batch.
    codes: Vec<u32>,
    failures: u32,
}

/// What the numbers of one key mean; NULL has the greatest.
#[derive(Clone)]
enum Coder {
    Dictionary(ArrayRef),
    /// Values from `low`, so many of them.
    Range {
        low: i128,
        len: u64,
    },
    Boolean,
}

impl Slots {
    /// The group of each row, appended to `groups`; `false`, and nothing appended, when the keys do not lend
    /// themselves to it.
    ///
    /// # Errors
    /// Those of [`Groups::find`].
    pub(crate) fn find(
        &mut self,
        keys: &[ArrayRef],
        table: &mut Groups,
        groups: &mut Vec<u32>,
    ) -> Result<bool> {
        if self.failures >= FAILURES_MAX || !is_worthwhile(keys) {
            return Ok(false);
        }
        let Some(coders) = self.coders_for(keys) else {
            self.failures += 1;
            return Ok(false);
        };
        self.failures = 0;
        if !self.is_same(&coders) {
            let slots: u64 = coders.iter().map(Coder::len).product();
            self.groups.clear();
            self.groups.resize(slots as usize, NONE);
            self.coders = coders;
        }
        self.encode(keys);
        let start = groups.len();
        let mut missing = false;
        groups.extend(self.codes.iter().map(|&code| {
            let group = self.groups[code as usize];
            missing |= group == NONE;
            group
        }));
        if missing {
            self.add_missing(keys, table, &mut groups[start..])?;
        }
        Ok(true)
    }

    fn is_same(&self, coders: &[Coder]) -> bool {
        self.coders.len() == coders.len() && self.coders.iter().zip(coders).all(|(old, new)| old.is_same(new))
    }

    fn coders_for(&self, keys: &[ArrayRef]) -> Option<Vec<Coder>> {
        let mut slots: u64 = 1;
        let mut coders = Vec::with_capacity(keys.len());
        for (index, key) in keys.iter().enumerate() {
            let coder = Coder::of(key, self.coders.get(index), SLOTS_MAX / slots)?;
            slots *= coder.len();
            if slots > SLOTS_MAX {
                return None;
            }
            coders.push(coder);
        }
        Some(coders)
    }

    fn encode(&mut self, keys: &[ArrayRef]) {
        self.codes.clear();
        self.codes.resize(keys[0].len(), 0);
        let mut stride = 1;
        for (key, coder) in keys.iter().zip(&self.coders) {
            coder.encode(key, stride, &mut self.codes);
            stride *= coder.len() as u32;
        }
    }

    /// Finds the groups of numbers seen for the first time in the table proper, all at once.
    fn add_missing(&mut self, keys: &[ArrayRef], table: &mut Groups, groups: &mut [u32]) -> Result<()> {
        let mut rows: Vec<u32> = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            let slot = &mut self.groups[self.codes[row] as usize];
            if group == NONE && *slot == NONE {
                *slot = 0;
                rows.push(row as u32);
            }
        }
        let rows = UInt32Array::from(rows);
        let new_keys =
            keys.iter().map(|key| arrow::compute::take(key, &rows, None)).collect::<Result<Vec<_>, _>>()?;
        let mut found = Vec::with_capacity(rows.len());
        table.find(&new_keys, &mut found)?;
        for (&row, &group) in rows.values().iter().zip(&found) {
            self.groups[self.codes[row as usize] as usize] = group;
        }
        for (group, &code) in groups.iter_mut().zip(&self.codes) {
            *group = self.groups[code as usize];
        }
        Ok(())
    }

    /// Bytes held.
    pub(crate) fn size(&self) -> usize {
        self.groups.capacity() * 4
    }
}

/// A single integer key has a short way of its own.
fn is_worthwhile(keys: &[ArrayRef]) -> bool {
    match keys {
        [] => false,
        [one] => matches!(one.data_type(), DataType::Dictionary(..) | DataType::Boolean),
        _ => true,
    }
}

impl Coder {
    fn of(key: &ArrayRef, before: Option<&Coder>, len_max: u64) -> Option<Self> {
        if let Some(dictionary) = Dictionary::of(key.as_ref()) {
            let values = dictionary.values;
            return (values.null_count() == 0 && (values.len() as u64) < len_max)
                .then(|| Self::Dictionary(values.clone()));
        }
        if *key.data_type() == DataType::Boolean {
            return Some(Self::Boolean);
        }
        let (min, max) = min_max(integers(key.as_ref())?, key.nulls()).unwrap_or((0, 0));
        let range = |low: i128, high: i128| {
            let len = u64::try_from(high.checked_sub(low)?).ok()?.checked_add(1)?;
            (len < len_max).then_some(Self::Range { low, len })
        };
        match before {
            Some(Self::Range { low, len }) => {
                let high = low + i128::from(*len) - 1;
                range(min.min(*low), max.max(high)).or_else(|| range(min, max))
            }
            _ => range(min, max),
        }
    }

    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Dictionary(left), Self::Dictionary(right)) => is_same_array(left, right),
            (Self::Range { low, len }, Self::Range { low: other_low, len: other_len }) => {
                low == other_low && len == other_len
            }
            (Self::Boolean, Self::Boolean) => true,
            (Self::Dictionary(_) | Self::Range { .. } | Self::Boolean, _) => false,
        }
    }

    /// Numbers, that of NULL included.
    fn len(&self) -> u64 {
        match self {
            Self::Dictionary(values) => values.len() as u64 + 1,
            Self::Range { len, .. } => len + 1,
            Self::Boolean => 3,
        }
    }

    fn encode(&self, key: &ArrayRef, stride: u32, codes: &mut [u32]) {
        let null = self.len() as u32 - 1;
        match self {
            Self::Dictionary(_) => {
                if let Some(dictionary) = Dictionary::of(key.as_ref()) {
                    with_integers!(dictionary.codes, values => {
                        add(values, 0, (dictionary.nulls, null), stride, codes);
                    });
                }
            }
            Self::Range { low, .. } => {
                if let Some(values) = integers(key.as_ref()) {
                    with_integers!(values, values => add(values, *low, (key.nulls(), null), stride, codes));
                }
            }
            Self::Boolean => {
                let values = key.as_boolean();
                for (row, code) in codes.iter_mut().enumerate() {
                    let number = if values.is_null(row) { null } else { u32::from(values.value(row)) };
                    *code += number * stride;
                }
            }
        }
    }
}

#[inline(always)]
fn add<T: Integer>(
    values: &[T],
    low: i128,
    (nulls, null): (Option<&NullBuffer>, u32),
    stride: u32,
    codes: &mut [u32],
) {
    match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => {
            for (code, value) in codes.iter_mut().zip(values) {
                *code += value.distance(low) as u32 * stride;
            }
        }
        Some(nulls) => {
            for ((code, value), valid) in codes.iter_mut().zip(values).zip(nulls.iter()) {
                *code += if valid { value.distance(low) as u32 } else { null } * stride;
            }
        }
    }
}
