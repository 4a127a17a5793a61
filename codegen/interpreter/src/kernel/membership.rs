//! `Op::InSet`: membership in the values of an IN list.

use std::sync::Arc;

use ahash::AHashSet;
use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{ArrowNativeType, DataType, Float32Type, Float64Type};
use nyala_schema::expr::CompareOp;
use nyala_schema::{Error, Result};

use super::cast::cast_array;
use super::compare::{Canonical, compare};
use super::logic;
use super::prepared::Prepared;
use super::primitive::with_ordinal;
use crate::register::Register;

/// The statement's sets so far, by the array they were made of.
#[derive(Debug, Default)]
pub(crate) struct Membership(Prepared<ArrayRef, Set>);

/// The values of a list, arranged for looking up.
#[derive(Debug)]
enum Set {
    /// One bit for every number from `least` on.
    Dense {
        least: i128,
        bits: BooleanBuffer,
    },
    Numbers(AHashSet<i128>),
    /// Bits of canonical floats.
    Floats(AHashSet<u64>),
    Texts {
        values: AHashSet<Box<str>>,
        length_max: usize,
    },
    /// Compared one after the other.
    Others(ArrayRef),
}

/// A bitmap of 8 KiB at most.
const DENSE_SPAN_MAX: i128 = 1 << 16;

impl Membership {
    /// NULL input gives NULL; the set has no NULL.
    ///
    /// # Errors
    /// Those of casting the set's values to the type of `input`.
    pub fn evaluate(&self, input: &Register, values: &ArrayRef, negated: bool) -> Result<Register> {
        let set = self.0.get(values, Arc::ptr_eq, || Set::new(values, input.data_type()))?;
        let mut found = set.contains(input)?;
        if negated {
            found = logic::not(&found)?;
        }
        Ok(found)
    }
}

impl Set {
    fn new(values: &ArrayRef, data_type: &DataType) -> Result<Self> {
        let values = cast_array(values, data_type, false)?;
        match data_type {
            DataType::Float64 => {
                let values = values.as_primitive::<Float64Type>().values();
                return Ok(Self::Floats(values.iter().map(|value| value.canonical().to_bits()).collect()));
            }
            DataType::Float32 => {
                let values = values.as_primitive::<Float32Type>().values();
                return Ok(Self::Floats(
                    values.iter().map(|value| value.canonical().to_bits().into()).collect(),
                ));
            }
            DataType::Utf8View => {
                let texts = values.as_string_view();
                let length_max = texts.iter().flatten().map(str::len).max().unwrap_or(0);
                return Ok(Self::Texts {
                    values: texts.iter().flatten().map(Box::from).collect(),
                    length_max,
                });
            }
            _ => {}
        }
        with_ordinal!(data_type, T => Ok(Self::of_numbers::<T>(&values)), _ => Ok(Self::Others(values.clone())))
    }

    fn of_numbers<T: ArrowPrimitiveType>(values: &ArrayRef) -> Self
    where
        T::Native: Into<i128>,
    {
        let numbers: Vec<i128> =
            values.as_primitive::<T>().values().iter().map(|&value| value.into()).collect();
        let (Some(&least), Some(&greatest)) = (numbers.iter().min(), numbers.iter().max()) else {
            return Self::Numbers(AHashSet::new());
        };
        match greatest.checked_sub(least) {
            Some(span) if span < DENSE_SPAN_MAX => {
                let mut present = vec![false; span as usize + 1];
                numbers.iter().for_each(|number| present[(number - least) as usize] = true);
                Self::Dense { least, bits: BooleanBuffer::from(present) }
            }
            _ => Self::Numbers(numbers.into_iter().collect()),
        }
    }

    fn contains(&self, input: &Register) -> Result<Register> {
        let array = input.array();
        let values = match (self, input.data_type()) {
            (Self::Others(values), _) => return any_equal(input, values),
            (Self::Texts { values, length_max }, _) => {
                let texts = array
                    .as_string_view_opt()
                    .ok_or_else(|| Error::internal("a set of text looked up by something else"))?;
                // The length is in the view; most texts need not be hashed.
                BooleanBuffer::collect_bool(texts.len(), |row| {
                    let text = texts.value(row);
                    text.len() <= *length_max && values.contains(text)
                })
            }
            (Self::Floats(set), DataType::Float64) => {
                let floats = array.as_primitive::<Float64Type>().values();
                BooleanBuffer::collect_bool(floats.len(), |row| {
                    set.contains(&floats[row].canonical().to_bits())
                })
            }
            (Self::Floats(set), _) => {
                let floats = array.as_primitive::<Float32Type>().values();
                BooleanBuffer::collect_bool(floats.len(), |row| {
                    set.contains(&u64::from(floats[row].canonical().to_bits()))
                })
            }
            (_, data_type) => with_ordinal!(data_type, T => self.contains_numbers::<T>(array), _ => {
                return Err(Error::internal(format!("a set of numbers looked up by {data_type}")));
            }),
        };
        Ok(Register::new(Arc::new(BooleanArray::new(values, array.nulls().cloned())), input.is_constant()))
    }

    fn contains_numbers<T: ArrowPrimitiveType>(&self, array: &ArrayRef) -> BooleanBuffer
    where
        T::Native: Into<i128>,
    {
        let values = array.as_primitive::<T>().values();
        match self {
            Self::Dense { least, bits } if T::Native::get_byte_width() <= 8 => {
                // Modulo 2^64 the distance is right for every type of up to 64 bits.
                let least = *least as i64;
                BooleanBuffer::collect_bool(values.len(), |row| {
                    let number: i128 = values[row].into();
                    let place = (number as i64).wrapping_sub(least) as u64;
                    place < bits.len() as u64 && bits.value(place as usize)
                })
            }
            Self::Dense { least, bits } => BooleanBuffer::collect_bool(values.len(), |row| {
                let place = values[row].into().wrapping_sub(*least) as u128;
                place < bits.len() as u128 && bits.value(place as usize)
            }),
            Self::Numbers(set) => {
                BooleanBuffer::collect_bool(values.len(), |row| set.contains(&values[row].into()))
            }
            Self::Floats(_) | Self::Texts { .. } | Self::Others(_) => BooleanBuffer::new_unset(values.len()),
        }
    }
}

/// For types without a hash of their own.
fn any_equal(input: &Register, values: &ArrayRef) -> Result<Register> {
    let none =
        BooleanArray::new(BooleanBuffer::new_unset(input.array().len()), input.array().logical_nulls());
    let mut found = Register::new(Arc::new(none), input.is_constant());
    for row in 0..values.len() {
        let value = Register::Constant(values.slice(row, 1));
        found = logic::or(&found, &compare(CompareOp::Equal, input, &value)?)?;
    }
    Ok(found)
}
