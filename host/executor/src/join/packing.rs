//! Integer keys, one or several, as one small number: what makes direct tables possible and hashing cheap.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use nyala_schema::{Error, Result};

use crate::column::integers::{Integer, integers, min_max, with_integers};

/// The code of a key that no build row has.
pub(crate) const NO_CODE: u64 = u64::MAX;
/// More codes than this are not worth packing: hashes of the bytes do as well.
const DOMAIN_MAX: u128 = 1 << 62;

/// Mixed-radix numbers over the ranges of the build side's keys.
pub(crate) struct Packing {
    fields: Vec<Field>,
    /// Codes are below this.
    domain: u64,
    /// NULL has a code of its own, behind those of the values.
    null_has_code: bool,
}

struct Field {
    min: i128,
    /// Greatest minus least value.
    range: u64,
    stride: u64,
}

impl Packing {
    /// `None` when a key is no integer or the ranges are too large.
    pub(crate) fn of(keys: &[ArrayRef], null_has_code: bool) -> Option<Self> {
        let mut fields = Vec::with_capacity(keys.len());
        let mut domain: u128 = 1;
        for key in keys {
            let values = integers(key.as_ref())?;
            let (min, max) = min_max(values, key.nulls()).unwrap_or((0, 0));
            let range = u64::try_from(max.checked_sub(min)?).ok()?;
            fields.push(Field { min, range, stride: u64::try_from(domain).ok()? });
            domain = domain.checked_mul(u128::from(range) + 1 + u128::from(null_has_code))?;
            if domain > DOMAIN_MAX {
                return None;
            }
        }
        Some(Self { fields, domain: domain as u64, null_has_code })
    }

    pub(crate) fn domain(&self) -> u64 {
        self.domain
    }

    /// The code of each row, [`NO_CODE`] where there is none.
    pub(crate) fn pack(&self, keys: &[ArrayRef], rows: usize) -> Result<Vec<u64>> {
        let mut codes = Vec::new();
        for (key, field) in keys.iter().zip(&self.fields) {
            let values =
                integers(key.as_ref()).ok_or_else(|| Error::internal("join keys of unlike types"))?;
            let nulls = key.nulls().filter(|nulls| nulls.null_count() > 0);
            with_integers!(values, values => self.add(values, nulls, field, &mut codes));
        }
        if self.fields.is_empty() {
            codes.resize(rows, 0);
        }
        Ok(codes)
    }

    fn add<T: Integer>(&self, values: &[T], nulls: Option<&NullBuffer>, field: &Field, codes: &mut Vec<u64>) {
        let Field { min, range, stride } = *field;
        let number = |value: T| {
            let distance = value.distance(min);
            if distance <= range { distance * stride } else { NO_CODE }
        };
        let null_number = if self.null_has_code { (range + 1) * stride } else { NO_CODE };
        match nulls {
            None => fold(codes, values.iter().map(|&value| number(value))),
            Some(nulls) => {
                let numbers = values.iter().zip(nulls.iter());
                fold(codes, numbers.map(|(&v, valid)| if valid { number(v) } else { null_number }));
            }
        }
    }
}

/// Starts the codes, or adds to them.
#[inline(always)]
fn fold(codes: &mut Vec<u64>, numbers: impl ExactSizeIterator<Item = u64>) {
    if codes.is_empty() {
        codes.extend(numbers);
        return;
    }
    for (code, number) in codes.iter_mut().zip(numbers) {
        let none = *code == NO_CODE || number == NO_CODE;
        *code = if none { NO_CODE } else { code.wrapping_add(number) };
    }
}
