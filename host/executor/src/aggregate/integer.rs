//! Groups by one integer: an array over the values when they lie close together, else open addressing.

use std::ops::Range;

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use nyala_schema::{Error, Result};

use crate::column::hash::hash_u64;
use crate::column::integers::{Integer, Integers, array_from_bits, integers, min_max, with_integers};

/// Marks a place without a group.
const NONE: u32 = u32::MAX;
/// An array over the values may be this long whatever they are (what is not touched of it costs nothing), else this
/// long for each group.
const DIRECT_SMALL: u64 = 1 << 21;
const DIRECT_PER_GROUP: u64 = 16;

/// The array is made longer than asked for by at least so many places: memory that is never touched is not provided.
const DIRECT_SPARE: i128 = 8 << 20;
/// Places in a page of memory.
const PAGE_PLACES: usize = 1024;
#[derive(Default)]
pub(crate) struct IntegerKeys {
    /// The key of each group, sign extended to 64 bits; arbitrary for the group of NULL.
    keys: Vec<u64>,
    null_group: Option<u32>,
    index: Index,
}

enum Index {
    Direct(Direct),
    Open(Open),
}

impl Default for Index {
    fn default() -> Self {
        Self::Direct(Direct::default())
    }
}

/// Groups by value minus `min`, each plus one; 0 for none.
#[derive(Default)]
pub(crate) struct Direct {
    pub(crate) min: i128,
    pub(crate) groups: Vec<u32>,
    /// The values for which it was made to grow; it reaches further.
    seen: Option<(i128, i128)>,
}

/// Linear probing over a power of two of places, at most half of them taken.
#[derive(Default)]
struct Open {
    places: Vec<Place>,
    taken: usize,
}

#[derive(Clone, Copy)]
struct Place {
    key: u64,
    group: u32,
}

impl IntegerKeys {
    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn size(&self) -> usize {
        let index = match &self.index {
            // Pages that were never touched hold no memory.
            Index::Direct(direct) => direct.touched(),
            Index::Open(open) => open.places.capacity() * size_of::<Place>(),
        };
        self.keys.capacity() * 8 + index
    }

    pub(crate) fn find(&mut self, keys: &ArrayRef, groups: &mut Vec<u32>) -> Result<()> {
        let values =
            integers(keys.as_ref()).ok_or_else(|| Error::internal("a group key that is no integer"))?;
        let nulls = keys.nulls().filter(|nulls| nulls.null_count() > 0);
        groups.reserve(keys.len());
        with_integers!(values, values => match nulls {
            None => self.find_values(values, groups),
            Some(nulls) => {
                if let Some(bounds) = min_max(Integers::from(values), Some(nulls)) {
                    self.make_room(bounds, values.len());
                }
                self.find_nullable(values, nulls, groups);
            }
        });
        Ok(())
    }

    fn find_values<T: Integer>(&mut self, mut values: &[T], groups: &mut Vec<u32>)
    where
        for<'a> Integers<'a>: From<&'a [T]>,
    {
        while !values.is_empty() {
            match &mut self.index {
                Index::Open(open) => {
                    groups.extend(values.iter().map(|value| open.find(value.bits(), &mut self.keys)));
                    return;
                }
                Index::Direct(direct) => {
                    let found = direct.find(values, &mut self.keys, groups);
                    values = &values[found..];
                }
            }
            // The array did not reach over what is left.
            if let Some(bounds) = min_max(Integers::from(values), None) {
                self.make_room(bounds, values.len());
            }
        }
    }

    fn find_nullable<T: Integer>(&mut self, values: &[T], nulls: &NullBuffer, groups: &mut Vec<u32>) {
        for (row, value) in values.iter().enumerate() {
            groups.push(if nulls.is_valid(row) { self.find_one(*value) } else { self.find_null() });
        }
    }

    fn find_one<T: Integer>(&mut self, value: T) -> u32 {
        match &mut self.index {
            Index::Direct(direct) => direct.find_one(value, &mut self.keys),
            Index::Open(open) => open.find(value.bits(), &mut self.keys),
        }
    }

    fn find_null(&mut self) -> u32 {
        *self.null_group.get_or_insert_with(|| {
            self.keys.push(0);
            (self.keys.len() - 1) as u32
        })
    }

    /// Makes the array reach over values from `min` to `max`, or gives it up when it would be mostly empty.
    fn make_room(&mut self, (min, max): (i128, i128), rows: usize) {
        let Index::Direct(direct) = &mut self.index else { return };
        let allowed = DIRECT_SMALL.max(DIRECT_PER_GROUP * (self.keys.len() + rows) as u64);
        if direct.reach(min, max, allowed) {
            return;
        }
        let mut open = Open::default();
        for (group, &key) in self.keys.iter().enumerate() {
            if self.null_group != Some(group as u32) {
                open.insert(key, group as u32);
            }
        }
        self.index = Index::Open(open);
    }

    pub(crate) fn hashes(&self) -> Vec<u64> {
        let mut hashes: Vec<u64> = self.keys.iter().map(|&key| hash_u64(key)).collect();
        if let Some(group) = self.null_group {
            hashes[group as usize] = 0;
        }
        hashes
    }

    /// Makes room for so many keys, of a partition by hash: its values lie everywhere, an array would not pay.
    pub(crate) fn reserve(&mut self, keys: usize) {
        if self.keys.is_empty() {
            self.index = Index::Open(Open::with_capacity(keys));
        }
    }

    pub(crate) fn merge(&mut self, from: &Self, groups: &[u32], mapped: &mut Vec<u32>) {
        for &group in groups {
            let own = if from.null_group == Some(group) {
                self.find_null()
            } else {
                match &mut self.index {
                    Index::Open(open) => open.find(from.keys[group as usize], &mut self.keys),
                    Index::Direct(direct) => {
                        direct.find_one(from.keys[group as usize] as i64, &mut self.keys)
                    }
                }
            };
            mapped.push(own);
        }
    }

    pub(crate) fn column(&self, range: Range<u32>, data_type: &DataType) -> Result<ArrayRef> {
        let keys = self.keys[range.start as usize..range.end as usize].iter().copied();
        let nulls = self
            .null_group
            .filter(|group| range.contains(group))
            .map(|group| NullBuffer::from(range.clone().map(|other| other != group).collect::<Vec<_>>()));
        array_from_bits(keys, nulls, data_type)
    }

    /// The array over the values, while there is one, and the group of NULL.
    pub(crate) fn direct(&self) -> Option<(&Direct, Option<u32>)> {
        match &self.index {
            Index::Direct(direct) => Some((direct, self.null_group)),
            Index::Open(_) => None,
        }
    }

    /// Least and greatest key, as long as there is an array over them; of no keys but NULL just any.
    pub(crate) fn bounds(&self) -> Option<(i128, i128)> {
        let (direct, null_group) = self.direct()?;
        let is_value = |group: usize| null_group != Some(group as u32);
        let keys = self.keys.iter().enumerate().filter(|(group, _)| is_value(*group));
        let mut offsets = keys.map(|(_, key)| key.wrapping_sub(direct.min as u64));
        let first = offsets.next().unwrap_or(0);
        let (least, greatest) = offsets.fold((first, first), |(l, g), offset| (l.min(offset), g.max(offset)));
        Some((direct.min + i128::from(least), direct.min + i128::from(greatest)))
    }

    /// A table of these keys, which are distinct, in this order, that is only read.
    pub(crate) fn of_keys(keys: Vec<u64>, null_group: Option<u32>) -> Self {
        Self { keys, null_group, index: Index::default() }
    }
}

impl Direct {
    /// Bytes of it that hold values, about.
    fn touched(&self) -> usize {
        let seen = self.seen.map_or(0, |(low, high)| (high - low + 1) as usize);
        seen.min(self.groups.len()) * 4
    }

    /// Up to the first value that the array does not reach; how many those are.
    fn find<T: Integer>(&mut self, values: &[T], keys: &mut Vec<u64>, groups: &mut Vec<u32>) -> usize {
        let min = self.min;
        for (row, value) in values.iter().enumerate() {
            let Some(place) = self.groups.get_mut(value.distance(min) as usize) else { return row };
            if *place == 0 {
                keys.push(value.bits());
                *place = keys.len() as u32;
            }
            groups.push(*place - 1);
        }
        values.len()
    }

    fn find_one<T: Integer>(&mut self, value: T, keys: &mut Vec<u64>) -> u32 {
        let place = &mut self.groups[value.distance(self.min) as usize];
        if *place == 0 {
            keys.push(value.bits());
            *place = keys.len() as u32;
        }
        *place - 1
    }

    /// Grows to reach over `min` to `max`, by more than is asked for; `false` when what is seen of the values then
    /// were wider than `allowed`.
    fn reach(&mut self, min: i128, max: i128, allowed: u64) -> bool {
        let (low, high) = self.seen.map_or((min, max), |(low, high)| (low.min(min), high.max(max)));
        let seen = high - low + 1;
        if seen > i128::from(allowed) {
            return false;
        }
        self.seen = Some((low, high));
        let have = self.groups.len() as i128;
        if low >= self.min && high < self.min + have {
            return true;
        }
        // Mostly the values grow as the rows come.
        let spare = seen.max(DIRECT_SPARE);
        let start = if have > 0 { self.min.min(low) } else { low } - spare / 8;
        let end = if have > 0 { (self.min + have - 1).max(high) } else { high } + spare;
        let mut groups = vec![0; (end - start + 1) as usize];
        let offset = if have > 0 { (self.min - start) as usize } else { 0 };
        for (index, block) in self.groups.chunks(PAGE_PLACES).enumerate() {
            if block.iter().any(|&group| group != 0) {
                let at = offset + index * PAGE_PLACES;
                groups[at..at + block.len()].copy_from_slice(block);
            }
        }
        (self.min, self.groups) = (start, groups);
        true
    }
}

impl Open {
    fn with_capacity(keys: usize) -> Self {
        let mut open = Self::default();
        open.resize((keys * 2).next_power_of_two().max(64));
        open
    }

    #[inline]
    fn find(&mut self, key: u64, keys: &mut Vec<u64>) -> u32 {
        if self.taken * 2 >= self.places.len() {
            self.resize((self.places.len() * 2).max(64));
        }
        let mask = self.places.len() - 1;
        let mut index = hash_u64(key) as usize & mask;
        loop {
            let place = &mut self.places[index];
            if place.group == NONE {
                *place = Place { key, group: keys.len() as u32 };
                keys.push(key);
                self.taken += 1;
                return place.group;
            }
            if place.key == key {
                return place.group;
            }
            index = (index + 1) & mask;
        }
    }

    fn insert(&mut self, key: u64, group: u32) {
        if self.taken * 2 >= self.places.len() {
            self.resize((self.places.len() * 2).max(64));
        }
        self.place(Place { key, group });
        self.taken += 1;
    }

    /// Puts a key that is not there.
    fn place(&mut self, new: Place) {
        let mask = self.places.len() - 1;
        let mut index = hash_u64(new.key) as usize & mask;
        while self.places[index].group != NONE {
            index = (index + 1) & mask;
        }
        self.places[index] = new;
    }

    fn resize(&mut self, places: usize) {
        let old = std::mem::replace(&mut self.places, vec![Place { key: 0, group: NONE }; places]);
        old.into_iter().filter(|place| place.group != NONE).for_each(|place| self.place(place));
    }
}
