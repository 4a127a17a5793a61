//! Window functions that give the value of another row: `lag`, `lead`, `first_value`, `last_value`, `nth_value`.

use std::ops::Range;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Int64Array, UInt32Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::take;
use arrow::datatypes::{DataType, Int64Type};
use nyala_schema::{Error, ErrorCode, Result};

use crate::kernel::cast::cast_array;
use crate::kernel::select::select;
use crate::register::Register;

#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Choice {
    Lag,
    Lead,
    First,
    Last,
    Nth,
}

impl Choice {
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "lag" => Self::Lag,
            "lead" => Self::Lead,
            "first_value" => Self::First,
            "last_value" => Self::Last,
            "nth_value" => Self::Nth,
            _ => return None,
        })
    }

    pub fn reads_frame(self) -> bool {
        !matches!(self, Self::Lag | Self::Lead)
    }
}

/// `arguments`: the value, for `lag`, `lead`, `nth_value` a number, for `lag` and `lead` a default.
/// `frames` is read where the function has one.
///
/// # Errors
/// InvalidParameter for the zeroth value.
pub(super) fn value_of(
    choice: Choice,
    arguments: &[ArrayRef],
    frames: &[Range<usize>],
    ignore_nulls: bool,
) -> Result<ArrayRef> {
    let Some(values) = arguments.first() else {
        return Err(Error::new(ErrorCode::DatatypeMismatch, format!("{choice:?} needs a value")));
    };
    let rows = values.len();
    let numbers = match arguments.get(1) {
        Some(numbers) => Some(cast_array(numbers, &DataType::Int64, false)?),
        None => None,
    };
    let numbers: Option<&Int64Array> = numbers.as_ref().map(|numbers| numbers.as_primitive::<Int64Type>());
    let candidates = Candidates::new(values, ignore_nulls);
    let mut places: Vec<Option<u32>> = Vec::with_capacity(rows);
    let mut outside = vec![false; rows];
    for row in 0..rows {
        let number = match numbers {
            Some(numbers) if numbers.is_null(row) => {
                places.push(None);
                continue;
            }
            Some(numbers) => numbers.value(row),
            None => 1,
        };
        let place = match choice {
            Choice::Lag => candidates.shifted(row, number.saturating_neg()),
            Choice::Lead => candidates.shifted(row, number),
            Choice::First => candidates.nth(&frames[row], 1)?,
            Choice::Last => candidates.nth(&frames[row], -1)?,
            Choice::Nth => candidates.nth(&frames[row], number)?,
        };
        outside[row] = place.is_none();
        places.push(place);
    }
    let found = take(values, &UInt32Array::from(places), None)?;
    match (choice, arguments.get(2)) {
        (Choice::Lag | Choice::Lead, Some(default)) => {
            let default = Register::Column(cast_array(default, found.data_type(), false)?);
            let outside = BooleanArray::new(BooleanBuffer::from(outside), None);
            select(&outside, &default, &Register::Column(found))?.into_column(rows)
        }
        _ => Ok(found),
    }
}

/// The rows that may be chosen: all, or those whose value is not NULL.
struct Candidates {
    rows: usize,
    /// Candidate rows, and for every row (and the end) how many candidates are before it; `None`: all rows.
    known: Option<(Vec<u32>, Vec<u32>)>,
}

impl Candidates {
    fn new(values: &ArrayRef, ignore_nulls: bool) -> Self {
        let rows = values.len();
        let nulls = values.logical_nulls().filter(|nulls| ignore_nulls && nulls.null_count() > 0);
        let known = nulls.map(|nulls| {
            let mut places = Vec::new();
            let mut before = Vec::with_capacity(rows + 1);
            for row in 0..rows {
                before.push(places.len() as u32);
                if nulls.is_valid(row) {
                    places.push(row as u32);
                }
            }
            before.push(places.len() as u32);
            (places, before)
        });
        Self { rows, known }
    }

    /// The candidate that many candidates after `row`, or before it when negative.
    fn shifted(&self, row: usize, distance: i64) -> Option<u32> {
        let Some((places, before)) = &self.known else {
            let place = (row as i64).checked_add(distance)?;
            return u32::try_from(place).ok().filter(|&place| (place as usize) < self.rows);
        };
        let index = match distance {
            0 => return Some(row as u32),
            1.. => i64::from(before[row + 1]).checked_add(distance - 1)?,
            _ => i64::from(before[row]).checked_add(distance)?,
        };
        usize::try_from(index).ok().and_then(|index| places.get(index)).copied()
    }

    /// The candidate at that place in the frame, counted from 1, or from the end when negative.
    fn nth(&self, frame: &Range<usize>, number: i64) -> Result<Option<u32>> {
        let (first, last) = match &self.known {
            Some((_, before)) => (i64::from(before[frame.start]), i64::from(before[frame.end])),
            None => (frame.start as i64, frame.end as i64),
        };
        let index = match number {
            0 => return Err(Error::new(ErrorCode::InvalidParameter, "nth_value counts from 1")),
            1.. => first.saturating_add(number - 1),
            _ => last.saturating_add(number),
        };
        if index < first || index >= last {
            return Ok(None);
        }
        Ok(match &self.known {
            Some((places, _)) => places.get(index as usize).copied(),
            None => Some(index as u32),
        })
    }
}
