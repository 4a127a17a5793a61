//! Changes of aggregate states: tight loops over one column each, a record a group.

use arrow::array::{Array, ArrowPrimitiveType, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::{DataType, Decimal128Type, Float32Type, Float64Type, Int64Type, IntervalUnit};
use nyala_pipeline::backend::States;
use nyala_pipeline::program::{StateOp, StateUpdate};
use nyala_schema::{Error, ErrorCode, Result};

use crate::kernel::primitive::with_ordinal;
use crate::kernel::select::truth;
use crate::register::Register;

/// # Errors
/// Unsupported for a Min or Max of a type that has no place in a record.
pub(crate) fn check(updates: &[StateUpdate]) -> Result<()> {
    for update in updates {
        match &update.op {
            StateOp::Count | StateOp::SumInteger | StateOp::SumFloat => {}
            StateOp::Min(data_type) | StateOp::Max(data_type) => {
                let fits = data_type.is_primitive()
                    && !matches!(
                        data_type,
                        DataType::Float16
                            | DataType::Decimal256(..)
                            | DataType::Interval(IntervalUnit::DayTime | IntervalUnit::MonthDayNano)
                    );
                if !fits && data_type != &DataType::Boolean {
                    return Err(Error::unsupported(format!(
                        "a record cannot hold the extreme of {data_type}"
                    )));
                }
            }
        }
    }
    Ok(())
}

/// # Errors
/// NumericOverflow when the sum of a Decimal128 leaves 128 bits.
pub(crate) fn apply(
    update: &StateUpdate,
    value: Option<Register>,
    mask: Option<&Register>,
    rows: usize,
    states: &mut States<'_>,
) -> Result<()> {
    let value = value.map(|value| value.into_column(rows)).transpose()?;
    let mask = match mask {
        Some(mask) => Some(truth(mask.clone().into_column(rows)?.as_boolean()).values().clone()),
        None => None,
    };
    let nulls = value.as_ref().and_then(|value| value.logical_nulls()).filter(|nulls| nulls.null_count() > 0);
    let valid = match (nulls, mask) {
        (Some(nulls), Some(mask)) => Some(nulls.inner() & &mask),
        (Some(nulls), None) => Some(nulls.into_inner()),
        (None, mask) => mask,
    };
    let field = FieldOf { records: states.records, stride: states.stride, offset: update.offset as usize };
    let mut target = Target { groups: states.groups, valid: valid.as_ref(), field };
    if update.op == StateOp::Count {
        target.count(rows);
        return Ok(());
    }
    let Some(value) = value else {
        return Err(Error::internal("a state update without a value"));
    };
    match &update.op {
        StateOp::Count => Ok(()),
        StateOp::SumInteger => sum_integers(value.as_ref(), &mut target),
        StateOp::SumFloat => sum_floats(value.as_ref(), &mut target),
        StateOp::Min(_) => extreme(value.as_ref(), &mut target, Extreme::Least),
        StateOp::Max(_) => extreme(value.as_ref(), &mut target, Extreme::Greatest),
    }
}

/// A field of every record, and the rows that change it.
struct Target<'a> {
    groups: Option<&'a [u32]>,
    valid: Option<&'a BooleanBuffer>,
    field: FieldOf<'a>,
}

/// The records, seen as one field each.
struct FieldOf<'a> {
    records: &'a mut [u8],
    stride: usize,
    offset: usize,
}

impl FieldOf<'_> {
    #[inline(always)]
    fn change<F: Field>(&mut self, group: u32, step: impl FnOnce(F) -> F) {
        let at = group as usize * self.stride + self.offset;
        let field = &mut self.records[at..at + F::WIDTH];
        step(F::read(field)).write(field);
    }
}

impl Target<'_> {
    fn count(&mut self, rows: usize) {
        match (self.groups, self.valid) {
            (None, valid) => {
                let more = valid.map_or(rows, BooleanBuffer::count_set_bits) as i64;
                self.field.change(0, |count: i64| count + more);
            }
            (Some(groups), None) => {
                let mut field = self.local();
                groups.iter().for_each(|&group| field.change(group, |count: i64| count + 1));
            }
            (Some(groups), Some(valid)) => {
                let mut field = self.local();
                valid.set_indices().for_each(|row| field.change(groups[row], |count: i64| count + 1));
            }
        }
    }

    /// The field by value: the compiler cannot know that writing a record leaves a borrowed `stride` alone.
    #[inline(always)]
    fn local(&mut self) -> FieldOf<'_> {
        FieldOf { records: self.field.records, stride: self.field.stride, offset: self.field.offset }
    }

    /// Folds every row's value into its group's field.
    #[inline(always)]
    fn fold<N: Copy, F: Field>(&mut self, values: &[N], mut step: impl FnMut(F, N) -> F) {
        let (groups, valid) = (self.groups, self.valid);
        let mut field = self.local();
        match (groups, valid) {
            (None, None) => {
                field.change(0, |start| values.iter().fold(start, |folded, &value| step(folded, value)));
            }
            (None, Some(valid)) => field
                .change(0, |start| valid.set_indices().fold(start, |folded, row| step(folded, values[row]))),
            (Some(groups), None) => {
                for (&group, &value) in groups.iter().zip(values) {
                    field.change(group, |folded| step(folded, value));
                }
            }
            (Some(groups), Some(valid)) => {
                for row in valid.set_indices() {
                    field.change(groups[row], |folded| step(folded, values[row]));
                }
            }
        }
    }
}

fn sum_integers(values: &dyn Array, target: &mut Target<'_>) -> Result<()> {
    match values.data_type() {
        DataType::Decimal128(..) => {
            let mut overflow = false;
            target.fold(values.as_primitive::<Decimal128Type>().values(), |sum: i128, value: i128| {
                let (sum, wrong) = sum.overflowing_add(value);
                overflow |= wrong;
                sum
            });
            if overflow {
                return Err(Error::new(
                    ErrorCode::NumericOverflow,
                    "a sum of decimals does not fit 38 digits",
                )
                .with_hint("cast the values to DOUBLE before summing"));
            }
        }
        DataType::Int64 => sum_long(values.as_primitive::<Int64Type>().values(), target),
        DataType::Decimal64(..) => {
            sum_long(values.as_primitive::<arrow::datatypes::Decimal64Type>().values(), target);
        }
        other => with_ordinal!(other, T => sum_any::<T>(values, target), _ => {
            return Err(Error::internal(format!("an integer sum of {other}")));
        }),
    }
    Ok(())
}

fn sum_any<T: ArrowPrimitiveType>(values: &dyn Array, target: &mut Target<'_>)
where
    T::Native: Into<i128>,
{
    target.fold(values.as_primitive::<T>().values(), |sum: i128, value: T::Native| sum + value.into());
}

/// Without groups and NULLs the halves are summed apart in 64 bits, which vectorises; a batch has far fewer than the
/// 2^31 rows at which they could overflow.
fn sum_long(values: &[i64], target: &mut Target<'_>) {
    if target.groups.is_some() || target.valid.is_some() {
        target.fold(values, |sum: i128, value: i64| sum + i128::from(value));
        return;
    }
    let (mut high, mut low) = (0i64, 0u64);
    for &value in values {
        high += value >> 32;
        low += (value as u64) & 0xffff_ffff;
    }
    let total = (i128::from(high) << 32) + i128::from(low);
    target.field.change(0, |sum: i128| sum + total);
}

fn sum_floats(values: &dyn Array, target: &mut Target<'_>) -> Result<()> {
    match values.data_type() {
        DataType::Float64 => {
            target.fold(values.as_primitive::<Float64Type>().values(), |sum: f64, value: f64| sum + value);
        }
        DataType::Float32 => {
            target.fold(values.as_primitive::<Float32Type>().values(), |sum: f64, value: f32| {
                sum + f64::from(value)
            });
        }
        other => return Err(Error::internal(format!("a float sum of {other}"))),
    }
    Ok(())
}

#[derive(Clone, Copy, PartialEq)]
enum Extreme {
    Least,
    Greatest,
}

fn extreme(values: &dyn Array, target: &mut Target<'_>, which: Extreme) -> Result<()> {
    match values.data_type() {
        DataType::Float64 => keep(values.as_primitive::<Float64Type>().values(), target, which),
        DataType::Float32 => keep(values.as_primitive::<Float32Type>().values(), target, which),
        DataType::Boolean => {
            let bytes: Vec<u8> = values.as_boolean().values().iter().map(u8::from).collect();
            keep(&bytes, target, which);
        }
        other => with_ordinal!(other, T => keep(values.as_primitive::<T>().values(), target, which), _ => {
            return Err(Error::unsupported(format!("a record cannot hold the extreme of {other}")));
        }),
    }
    Ok(())
}

fn keep<F: Field>(values: &[F], target: &mut Target<'_>, which: Extreme) {
    match which {
        Extreme::Least => {
            target.fold(values, |least: F, value: F| if value.before(least) { value } else { least })
        }
        Extreme::Greatest => {
            target.fold(values, |most: F, value: F| if most.before(value) { value } else { most });
        }
    }
}

/// A number in a record: little-endian, which is the order of every host that Nyala runs on.
trait Field: Copy {
    const WIDTH: usize;
    fn read(bytes: &[u8]) -> Self;
    fn write(self, bytes: &mut [u8]);
    /// The order of `Op::Compare`.
    fn before(self, other: Self) -> bool;
}

macro_rules! field {
    ($($type:ty, $before:expr;)*) => {$(
        impl Field for $type {
            const WIDTH: usize = size_of::<$type>();
            #[inline(always)]
            fn read(bytes: &[u8]) -> Self {
                let mut field = [0; Self::WIDTH];
                field.copy_from_slice(bytes);
                <$type>::from_le_bytes(field)
            }
            #[inline(always)]
            fn write(self, bytes: &mut [u8]) {
                bytes.copy_from_slice(&self.to_le_bytes());
            }
            #[inline(always)]
            fn before(self, other: Self) -> bool {
                let before: fn($type, $type) -> bool = $before;
                before(self, other)
            }
        }
    )*};
}

field! {
    i8, |a, b| a < b;
    i16, |a, b| a < b;
    i32, |a, b| a < b;
    i64, |a, b| a < b;
    u8, |a, b| a < b;
    u16, |a, b| a < b;
    u32, |a, b| a < b;
    u64, |a, b| a < b;
    f32, |a, b| a < b || (b.is_nan() && !a.is_nan());
    f64, |a, b| a < b || (b.is_nan() && !a.is_nan());
}

/// In halves: a value that is put together on the stack first and copied as a whole waits for both halves to be
/// stored, which costs more than the sum.
impl Field for i128 {
    const WIDTH: usize = 16;
    #[inline(always)]
    fn read(bytes: &[u8]) -> Self {
        let (low, high) = bytes.split_at(8);
        (i128::from(i64::read(high)) << 64) | i128::from(u64::read(low))
    }
    #[inline(always)]
    fn write(self, bytes: &mut [u8]) {
        let (low, high) = bytes.split_at_mut(8);
        (self as u64).write(low);
        ((self >> 64) as i64).write(high);
    }
    #[inline(always)]
    fn before(self, other: Self) -> bool {
        self < other
    }
}
