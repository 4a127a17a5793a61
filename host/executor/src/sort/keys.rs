//! Sort keys as numbers of up to 128 bits, or as bytes, that compare as the rows do.

use std::cmp::Ordering;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::compute::SortOptions;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use arrow_row::{RowConverter, Rows, SortField};
use nyala_pipeline::state::SortColumn;
use nyala_schema::{Error, Result};

use crate::column::integers::{Integer, integer_width, integers, with_integers};
use crate::column::normal::{normal_type, normalise_all};

/// Encodes the key columns of batches alike.
pub(crate) enum KeyEncoder {
    Fixed(Vec<Field>),
    Rows(RowConverter),
}

/// The keys of some rows.
pub(crate) enum SortKeys {
    Fixed(Vec<u128>),
    Rows(Rows),
}

/// The key of one row, kept.
pub(crate) enum Threshold {
    Fixed(u128),
    Bytes(Vec<u8>),
}

/// Where a key's bits are in the number; the bit above them orders NULL.
#[derive(Clone, Copy)]
pub(crate) struct Field {
    shift: u32,
    bits: u32,
    column: SortColumn,
}

impl KeyEncoder {
    /// `types` are those of the columns that `keys` names, in its order.
    ///
    /// # Errors
    /// Unsupported for types without an order.
    pub(crate) fn new(types: &[DataType], keys: &[SortColumn]) -> Result<Self> {
        if let Some(fields) = fixed_fields(types, keys) {
            return Ok(Self::Fixed(fields));
        }
        let fields = types.iter().zip(keys).map(|(data_type, key)| {
            let options = SortOptions { descending: key.descending, nulls_first: key.nulls_first };
            SortField::new_with_options(normal_type(data_type), options)
        });
        Ok(Self::Rows(RowConverter::new(fields.collect())?))
    }

    /// `columns` are the key columns.
    pub(crate) fn encode(&self, columns: &[ArrayRef], rows: usize) -> Result<SortKeys> {
        let columns = normalise_all(columns)?;
        match self {
            Self::Rows(converter) => Ok(SortKeys::Rows(converter.convert_columns(&columns)?)),
            Self::Fixed(fields) => {
                let mut keys = vec![0; rows];
                fields.iter().zip(&columns).try_for_each(|(field, column)| field.add(column, &mut keys))?;
                Ok(SortKeys::Fixed(keys))
            }
        }
    }
}

/// First keys in the highest bits.
fn fixed_fields(types: &[DataType], keys: &[SortColumn]) -> Option<Vec<Field>> {
    let mut end = u128::BITS;
    types
        .iter()
        .zip(keys)
        .map(|(data_type, &column)| {
            let bits = match data_type {
                DataType::Boolean => 1,
                DataType::Float32 => 32,
                DataType::Float64 => 64,
                other => integer_width(other)? as u32 * 8,
            };
            end = end.checked_sub(bits + 1)?;
            Some(Field { shift: end, bits, column })
        })
        .collect()
}

impl Field {
    fn add(self, column: &ArrayRef, keys: &mut [u128]) -> Result<()> {
        let nulls = column.nulls().filter(|nulls| nulls.null_count() > 0);
        match column.data_type() {
            DataType::Boolean => {
                let values = column.as_boolean().values();
                self.fold(values.iter().map(u128::from), nulls, keys);
            }
            DataType::Float32 => {
                let values = column.as_primitive::<Float32Type>().values();
                self.fold(values.iter().map(|v| u128::from(ordered(v.to_bits().into(), 32))), nulls, keys);
            }
            DataType::Float64 => {
                let values = column.as_primitive::<Float64Type>().values();
                self.fold(values.iter().map(|v| u128::from(ordered(v.to_bits(), 64))), nulls, keys);
            }
            other => {
                // The sign bit turned: negative numbers come first.
                let is_signed = !other.is_unsigned_integer();
                let sign = if is_signed { 1u128 << (self.bits - 1) } else { 0 };
                let values = integers(column.as_ref())
                    .ok_or_else(|| Error::internal(format!("a sort key of type {other}")))?;
                with_integers!(values, values => {
                    self.fold(values.iter().map(|value| value.wide() as u128 ^ sign), nulls, keys);
                });
            }
        }
        Ok(())
    }

    fn fold(self, values: impl Iterator<Item = u128>, nulls: Option<&NullBuffer>, keys: &mut [u128]) {
        let mask = (1u128 << self.bits) - 1;
        let turn = if self.column.descending { mask } else { 0 };
        let (null, valid) = if self.column.nulls_first { (0, mask + 1) } else { (mask + 1, 0) };
        match nulls {
            None => {
                for (key, value) in keys.iter_mut().zip(values) {
                    *key |= (((value & mask) ^ turn) | valid) << self.shift;
                }
            }
            Some(nulls) => {
                for ((key, value), is_valid) in keys.iter_mut().zip(values).zip(nulls.iter()) {
                    *key |= if is_valid { ((value & mask) ^ turn) | valid } else { null } << self.shift;
                }
            }
        }
    }
}

/// The bits of a float so that they compare as unsigned numbers: negative ones are turned over.
fn ordered(bits: u64, width: u32) -> u64 {
    let sign = 1u64 << (width - 1);
    let mask = sign | (sign - 1);
    if bits & sign != 0 { !bits & mask } else { bits | sign }
}

impl SortKeys {
    /// The rows in order, equal ones in the order in which they stand; at most `fetch` of them.
    pub(crate) fn order(&self, fetch: usize) -> Vec<u32> {
        match self {
            Self::Fixed(keys) => match packed(keys) {
                Some(entries) => {
                    first_sorted(entries, fetch, Ord::cmp).into_iter().map(|e| e as u32).collect()
                }
                None => {
                    first_sorted(numbered(keys), fetch, Ord::cmp).into_iter().map(|(_, row)| row).collect()
                }
            },
            Self::Rows(rows) => {
                let entries = rows.iter().enumerate().map(|(row, key)| (prefix(key.data()), row as u32));
                let order = first_sorted(entries.collect(), fetch, |left: &(u64, u32), right| {
                    left.0.cmp(&right.0).then_with(|| {
                        let (left_key, right_key) = (rows.row(left.1 as usize), rows.row(right.1 as usize));
                        left_key.data().cmp(right_key.data()).then(left.1.cmp(&right.1))
                    })
                });
                order.into_iter().map(|(_, row)| row).collect()
            }
        }
    }

    /// The keys of the rows in `order`, in this order: what is merged is then read from front to back. Encoded rows
    /// stay where they are, to be found by row number.
    pub(crate) fn arranged(self, order: &[u32]) -> Self {
        match self {
            Self::Fixed(keys) => Self::Fixed(order.iter().map(|&row| keys[row as usize]).collect()),
            Self::Rows(rows) => Self::Rows(rows),
        }
    }

    /// That they take.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Fixed(keys) => size_of_val(keys.as_slice()) as u64,
            Self::Rows(rows) => rows.size() as u64,
        }
    }

    pub(crate) fn compare(&self, row: u32, other: &Self, other_row: u32) -> Ordering {
        match (self, other) {
            (Self::Fixed(left), Self::Fixed(right)) => left[row as usize].cmp(&right[other_row as usize]),
            (Self::Rows(left), Self::Rows(right)) => {
                left.row(row as usize).data().cmp(right.row(other_row as usize).data())
            }
            (Self::Fixed(_), Self::Rows(_)) | (Self::Rows(_), Self::Fixed(_)) => Ordering::Equal,
        }
    }

    pub(crate) fn threshold(&self, row: u32) -> Threshold {
        match self {
            Self::Fixed(keys) => Threshold::Fixed(keys[row as usize]),
            Self::Rows(rows) => Threshold::Bytes(rows.row(row as usize).data().to_vec()),
        }
    }

    /// The rows that come before the threshold.
    pub(crate) fn below(&self, threshold: &Threshold) -> Vec<u32> {
        match (self, threshold) {
            (Self::Fixed(keys), Threshold::Fixed(limit)) => {
                (0..keys.len() as u32).filter(|&row| keys[row as usize] < *limit).collect()
            }
            (Self::Rows(rows), Threshold::Bytes(limit)) => {
                let below = |row: &u32| rows.row(*row as usize).data() < limit.as_slice();
                (0..rows.num_rows() as u32).filter(below).collect()
            }
            (Self::Fixed(keys), Threshold::Bytes(_)) => (0..keys.len() as u32).collect(),
            (Self::Rows(rows), Threshold::Fixed(_)) => (0..rows.num_rows() as u32).collect(),
        }
    }
}

/// The first eight bytes of a key: they decide most comparisons.
fn prefix(key: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    let len = key.len().min(8);
    bytes[..len].copy_from_slice(&key[..len]);
    u64::from_be_bytes(bytes)
}

/// Key and row in one number, when the keys lie close enough together: those sort several times as fast.
fn packed(keys: &[u128]) -> Option<Vec<u64>> {
    let (min, max) = (keys.iter().min()?, keys.iter().max()?);
    (max - min <= u128::from(u32::MAX)).then(|| {
        let distances = keys.iter().map(|key| (key - min) as u64);
        distances.enumerate().map(|(row, distance)| distance << 32 | row as u64).collect()
    })
}

fn numbered(keys: &[u128]) -> Vec<(u128, u32)> {
    keys.iter().enumerate().map(|(row, &key)| (key, row as u32)).collect()
}

fn first_sorted<E>(mut entries: Vec<E>, fetch: usize, compare: impl Fn(&E, &E) -> Ordering) -> Vec<E> {
    if fetch < entries.len() {
        if fetch > 0 {
            entries.select_nth_unstable_by(fetch - 1, &compare);
        }
        entries.truncate(fetch);
    }
    entries.sort_unstable_by(&compare);
    entries
}
