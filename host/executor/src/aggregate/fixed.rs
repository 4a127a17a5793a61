//! Groups by several short keys, packed into 16 bytes.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::{Buffer, NullBuffer};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use nyala_schema::{Error, Result};

use crate::aggregate::open::OpenIndex;
use crate::column::hash::hash_u128;
use crate::column::integers::{
    Integer, array_from_bits, array_from_buffer, integer_width, integers, with_integers,
};
use crate::column::normal::normalise;

pub(crate) struct FixedKeys {
    fields: Vec<Field>,
    keys: Vec<u128>,
    table: OpenIndex,
    /// The packed keys of the last batch.
    packed: Vec<u128>,
}

/// A key's bits, with one more above them that says that it is NULL.
#[derive(Clone, Copy)]
struct Field {
    shift: u32,
    bits: u32,
}

impl FixedKeys {
    /// `None` when the keys are too long or of other types.
    pub(crate) fn new(types: &[DataType]) -> Option<Self> {
        let mut shift = 0;
        let mut fields = Vec::with_capacity(types.len());
        for data_type in types {
            let bits = match data_type {
                DataType::Boolean => 1,
                DataType::Float32 => 32,
                DataType::Float64 => 64,
                other => integer_width(other)? as u32 * 8,
            };
            fields.push(Field { shift, bits });
            shift += bits + 1;
        }
        (shift <= u128::BITS).then(|| Self {
            fields,
            keys: vec![],
            table: OpenIndex::default(),
            packed: vec![],
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(crate) fn size(&self) -> usize {
        self.keys.capacity() * 16 + self.table.size()
    }

    pub(crate) fn find(&mut self, keys: &[ArrayRef], groups: &mut Vec<u32>) -> Result<()> {
        let mut packed = std::mem::take(&mut self.packed);
        packed.clear();
        packed.resize(keys.first().map_or(0, |key| key.len()), 0);
        for (key, field) in keys.iter().zip(&self.fields) {
            field.pack(&normalise(key)?, &mut packed)?;
        }
        groups.reserve(packed.len());
        for &key in &packed {
            groups.push(self.find_one(key));
        }
        self.packed = packed;
        Ok(())
    }

    #[inline]
    fn find_one(&mut self, key: u128) -> u32 {
        let keys = &mut self.keys;
        let new = keys.len() as u32;
        let group = self.table.find(hash_u128(key), new, |group| keys[group as usize] == key);
        if group == new {
            keys.push(key);
        }
        group
    }

    /// Makes room for so many more keys.
    pub(crate) fn reserve(&mut self, keys: usize) {
        self.table.reserve(keys);
    }

    pub(crate) fn hashes(&self) -> Vec<u64> {
        self.keys.iter().map(|&key| hash_u128(key)).collect()
    }

    pub(crate) fn merge(&mut self, from: &Self, groups: &[u32], mapped: &mut Vec<u32>) {
        mapped.extend(groups.iter().map(|&group| self.find_one(from.keys[group as usize])));
    }

    pub(crate) fn columns(&self, range: Range<u32>, types: &[DataType]) -> Result<Vec<ArrayRef>> {
        let keys = &self.keys[range.start as usize..range.end as usize];
        self.fields.iter().zip(types).map(|(field, data_type)| field.unpack(keys, data_type)).collect()
    }
}

impl Field {
    fn pack(self, key: &ArrayRef, packed: &mut [u128]) -> Result<()> {
        let nulls = key.nulls().filter(|nulls| nulls.null_count() > 0);
        match key.data_type() {
            DataType::Boolean => {
                let bytes = cast(key, &DataType::UInt8)?;
                let values = bytes.as_primitive::<arrow::datatypes::UInt8Type>().values();
                self.fold(values.iter().map(|&value| u128::from(value)), nulls, packed);
            }
            DataType::Float32 => {
                let values = key.as_primitive::<Float32Type>().values();
                self.fold(values.iter().map(|value| u128::from(value.to_bits())), nulls, packed);
            }
            DataType::Float64 => {
                let values = key.as_primitive::<Float64Type>().values();
                self.fold(values.iter().map(|value| u128::from(value.to_bits())), nulls, packed);
            }
            _ => {
                let values =
                    integers(key.as_ref()).ok_or_else(|| Error::internal("a group key of another type"))?;
                with_integers!(values, values => {
                    self.fold(values.iter().map(|value| value.wide() as u128), nulls, packed);
                });
            }
        }
        Ok(())
    }

    fn fold(self, values: impl Iterator<Item = u128>, nulls: Option<&NullBuffer>, packed: &mut [u128]) {
        let mask = self.mask();
        match nulls {
            None => {
                for (key, value) in packed.iter_mut().zip(values) {
                    *key |= (value & mask) << self.shift;
                }
            }
            Some(nulls) => {
                for ((key, value), valid) in packed.iter_mut().zip(values).zip(nulls.iter()) {
                    *key |= if valid { value & mask } else { self.null_bit() } << self.shift;
                }
            }
        }
    }

    fn mask(self) -> u128 {
        if self.bits == 128 { u128::MAX } else { (1 << self.bits) - 1 }
    }

    fn null_bit(self) -> u128 {
        1 << self.bits
    }

    fn unpack(self, keys: &[u128], data_type: &DataType) -> Result<ArrayRef> {
        let is_null = |key: &u128| (key >> self.shift) & self.null_bit() != 0;
        let nulls = keys
            .iter()
            .any(is_null)
            .then(|| NullBuffer::from(keys.iter().map(|key| !is_null(key)).collect::<Vec<_>>()));
        let value = |key: &u128| (key >> self.shift) & self.mask();
        if *data_type == DataType::Boolean {
            let values: Vec<bool> = keys.iter().map(|key| value(key) != 0).collect();
            return Ok(Arc::new(BooleanArray::new(values.into(), nulls)));
        }
        if self.bits > 64 {
            let shift = u128::BITS - self.bits;
            let values = keys.iter().map(|key| ((value(key) << shift) as i128) >> shift);
            let buffer = Buffer::from_vec(values.collect::<Vec<i128>>());
            return array_from_buffer(buffer, keys.len(), nulls, data_type);
        }
        array_from_bits(keys.iter().map(|key| value(key) as u64), nulls, data_type)
    }
}
