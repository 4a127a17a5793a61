//! Arithmetic and casts of decimals: numbers of 64 or 128 bits with a scale.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, Decimal64Array, Decimal128Array, PrimitiveArray,
};
use arrow::datatypes::{ArrowNativeType, DataType, Decimal32Type, Decimal64Type, Decimal128Type, i256};
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::{Error, ErrorCode, Result};

use super::arithmetic::failure;
use super::integer::Integer;
use super::operand::{Operand, first_failure, joint, joint_nulls, map_pairs};
use crate::register::Register;

/// Both operands are decimals; none is a NULL constant.
///
/// # Errors
/// NumericOverflow when `checked` and the result has more digits than its precision, DivisionByZero.
pub(crate) fn arithmetic(
    op: ArithmeticOp,
    left: &Register,
    right: &Register,
    checked: bool,
    result: &DataType,
) -> Result<Register> {
    let (left, right) = (widen_small(left)?, widen_small(right)?);
    let (precision, scale) = shape(result)?;
    let shapes =
        Shapes { op, checked, left: shape(left.data_type())?.1, right: shape(right.data_type())?.1, scale };
    let task = Task { left: &left, right: &right, shapes, result };
    match (left.data_type(), right.data_type(), result) {
        (DataType::Decimal64(..), DataType::Decimal64(..), DataType::Decimal64(..)) => {
            let limit = 10i64.checked_pow(u32::from(precision)).map_or(i64::MAX, |power| power - 1);
            narrow(&task, limit)
        }
        (DataType::Decimal64(..), DataType::Decimal64(..), _) => {
            wide::<Decimal64Type, Decimal64Type>(&task, precision)
        }
        (DataType::Decimal64(..), _, _) => wide::<Decimal64Type, Decimal128Type>(&task, precision),
        (_, DataType::Decimal64(..), _) => wide::<Decimal128Type, Decimal64Type>(&task, precision),
        _ => wide::<Decimal128Type, Decimal128Type>(&task, precision),
    }
}

struct Task<'a> {
    left: &'a Register,
    right: &'a Register,
    shapes: Shapes,
    result: &'a DataType,
}

/// An operation and the scales of its operands and result.
#[derive(Clone, Copy)]
struct Shapes {
    op: ArithmeticOp,
    checked: bool,
    left: i8,
    right: i8,
    scale: i8,
}

/// Precision and scale.
pub(crate) fn shape(data_type: &DataType) -> Result<(u8, i8)> {
    match data_type {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => Ok((*p, *s)),
        other => Err(Error::internal(format!("{other} is no decimal of at most 128 bits"))),
    }
}

fn widen_small(register: &Register) -> Result<Register> {
    match register.data_type() {
        DataType::Decimal32(p, s) => {
            let array: Decimal64Array = register.array().as_primitive::<Decimal32Type>().unary(i64::from);
            register.map(|_| Ok(Arc::new(array.with_precision_and_scale(*p, *s)?)))
        }
        _ => Ok(register.clone()),
    }
}

/// Everything in 64 bits.
fn narrow(task: &Task<'_>, limit: i64) -> Result<Register> {
    let Shapes { op, checked, .. } = task.shapes;
    let fits = move |(value, wrong): (i64, bool)| (value, wrong | (value > limit) | (value < -limit));
    match op {
        ArithmeticOp::Add if checked => run_narrow(task, |a, b| fits(a.add(b))),
        ArithmeticOp::Subtract if checked => run_narrow(task, |a, b| fits(a.subtract(b))),
        ArithmeticOp::Multiply if checked => run_narrow(task, |a, b| fits(a.multiply(b))),
        ArithmeticOp::Add => run_narrow(task, |a, b| (a.wrapping_add(b), false)),
        ArithmeticOp::Subtract => run_narrow(task, |a, b| (a.wrapping_sub(b), false)),
        ArithmeticOp::Multiply => run_narrow(task, |a, b| (a.wrapping_mul(b), false)),
        ArithmeticOp::Remainder => run_narrow(task, Integer::remainder),
        ArithmeticOp::Divide => {
            let division = Division::new(task.shapes);
            run_narrow(task, move |a, b| match division.apply(a.into(), b.into()) {
                Some(value) => {
                    let wrong = checked && (value > limit.into() || value < (-limit).into());
                    (value as i64, wrong)
                }
                None => (0, true),
            })
        }
    }
}

fn run_narrow(task: &Task<'_>, compute: impl Fn(i64, i64) -> (i64, bool)) -> Result<Register> {
    run::<Decimal64Type, Decimal64Type, Decimal64Type>(task, compute)
}

/// The result in 128 bits, operands in either width.
fn wide<L, R>(task: &Task<'_>, precision: u8) -> Result<Register>
where
    L: ArrowPrimitiveType,
    R: ArrowPrimitiveType,
    L::Native: Into<i128>,
    R::Native: Into<i128>,
{
    let Shapes { op, checked, .. } = task.shapes;
    let limit = power_of_ten(precision).map_or(i128::MAX, |power| power - 1);
    let fits = move |(value, wrong): (i128, bool)| (value, wrong | (value > limit) | (value < -limit));
    // The product of two 64-bit numbers always fits; the overflow test of 128 bits is a slow call.
    let short = L::Native::get_byte_width() == 8 && R::Native::get_byte_width() == 8;
    match op {
        ArithmeticOp::Add if checked => run_wide::<L, R>(task, |a, b| fits(a.add(b))),
        ArithmeticOp::Subtract if checked => run_wide::<L, R>(task, |a, b| fits(a.subtract(b))),
        ArithmeticOp::Multiply if checked && !short => run_wide::<L, R>(task, |a, b| fits(a.multiply(b))),
        ArithmeticOp::Multiply if checked => run_wide::<L, R>(task, |a, b| fits((a.wrapping_mul(b), false))),
        ArithmeticOp::Add => run_wide::<L, R>(task, |a, b| (a.wrapping_add(b), false)),
        ArithmeticOp::Subtract => run_wide::<L, R>(task, |a, b| (a.wrapping_sub(b), false)),
        ArithmeticOp::Multiply => run_wide::<L, R>(task, |a, b| (a.wrapping_mul(b), false)),
        ArithmeticOp::Remainder => run_wide::<L, R>(task, Integer::remainder),
        ArithmeticOp::Divide => {
            let division = Division::new(task.shapes);
            run_wide::<L, R>(task, move |a, b| match division.apply(a, b) {
                Some(value) => (value, checked && (value > limit || value < -limit)),
                None => (0, true),
            })
        }
    }
}

fn run_wide<L, R>(task: &Task<'_>, compute: impl Fn(i128, i128) -> (i128, bool)) -> Result<Register>
where
    L: ArrowPrimitiveType,
    R: ArrowPrimitiveType,
    L::Native: Into<i128>,
    R::Native: Into<i128>,
{
    run::<L, R, Decimal128Type>(task, |a, b| compute(a.into(), b.into()))
}

fn run<L, R, O>(
    task: &Task<'_>,
    compute: impl Fn(L::Native, R::Native) -> (O::Native, bool),
) -> Result<Register>
where
    L: ArrowPrimitiveType,
    R: ArrowPrimitiveType,
    O: ArrowPrimitiveType,
    L::Native: Into<i128>,
    R::Native: Into<i128>,
{
    let (l, r) = (Operand::of::<L>(task.left), Operand::of::<R>(task.right));
    let mut failed = false;
    let values = map_pairs(l, r, |a, b| {
        let (value, wrong) = compute(a, b);
        failed |= wrong;
        value
    });
    let nulls = joint_nulls(task.left, task.right);
    if failed
        && let Some(row) = first_failure(values.len(), nulls.as_ref(), |row| compute(l.at(row), r.at(row)).1)
    {
        let (a, b): (i128, i128) = (l.at(row).into(), r.at(row).into());
        let (left, right) = (text(a, task.shapes.left), text(b, task.shapes.right));
        return Err(failure(task.shapes.op, b == 0, &left, &right, task.result));
    }
    let array = PrimitiveArray::<O>::new(values.into(), nulls).with_data_type(task.result.clone());
    Ok(joint(Arc::new(array), task.left, task.right))
}

/// `left × 10^shift / right`, truncated.
#[derive(Clone, Copy)]
struct Division {
    /// `result scale − left scale + right scale`.
    shift: i32,
    /// `10^|shift|`, where 128 bits hold it.
    power: Option<i128>,
}

impl Division {
    fn new(shapes: Shapes) -> Self {
        let shift = i32::from(shapes.scale) - i32::from(shapes.left) + i32::from(shapes.right);
        Self { shift, power: u8::try_from(shift.unsigned_abs()).ok().and_then(power_of_ten) }
    }

    /// `None` when `right` is 0 or 128 bits do not hold the quotient.
    fn apply(&self, left: i128, right: i128) -> Option<i128> {
        if right == 0 {
            return None;
        }
        if self.shift >= 0 {
            if let Some(dividend) = self.power.and_then(|power| left.checked_mul(power)) {
                return dividend.checked_div(right);
            }
            let power = i256::from_i128(10).checked_pow(self.shift.unsigned_abs())?;
            let dividend = i256::from_i128(left).checked_mul(power)?;
            return dividend.checked_div(i256::from_i128(right))?.to_i128();
        }
        match self.power.and_then(|power| right.checked_mul(power)) {
            Some(divisor) => left.checked_div(divisor),
            // A divisor beyond 128 bits is greater than any dividend.
            None => Some(0),
        }
    }
}

/// `None` beyond 38 digits.
pub(crate) fn power_of_ten(digits: u8) -> Option<i128> {
    10i128.checked_pow(u32::from(digits))
}

/// A decimal as people write it.
pub(crate) fn text(value: i128, scale: i8) -> String {
    let Ok(scale) = usize::try_from(scale) else {
        return format!("{value}{}", "0".repeat(usize::from(scale.unsigned_abs())));
    };
    if scale == 0 {
        return value.to_string();
    }
    let digits = format!("{:0width$}", value.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{}{whole}.{fraction}", if value < 0 { "-" } else { "" })
}

/// From decimal to decimal, rounding half away from zero.
///
/// # Errors
/// NumericOverflow when a value has more digits than the target, unless `safe`: then it becomes NULL.
pub(crate) fn rescale(array: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Decimal32(..) => rescale_from::<Decimal32Type>(array, target, safe),
        DataType::Decimal64(..) => rescale_from::<Decimal64Type>(array, target, safe),
        _ => rescale_from::<Decimal128Type>(array, target, safe),
    }
}

fn rescale_from<S: ArrowPrimitiveType>(array: &ArrayRef, target: &DataType, safe: bool) -> Result<ArrayRef>
where
    S::Native: Into<i128>,
{
    match target {
        DataType::Decimal64(..) => {
            rescale_into::<S, Decimal64Type>(array, target, safe, |value| value as i64)
        }
        DataType::Decimal128(..) => rescale_into::<S, Decimal128Type>(array, target, safe, |value| value),
        other => Err(Error::internal(format!("no cast from a decimal to {other} here"))),
    }
}

fn rescale_into<S: ArrowPrimitiveType, O: ArrowPrimitiveType>(
    array: &ArrayRef,
    target: &DataType,
    safe: bool,
    narrow: impl Fn(i128) -> O::Native,
) -> Result<ArrayRef>
where
    S::Native: Into<i128>,
{
    let (source_precision, source_scale) = shape(array.data_type())?;
    let (precision, scale) = shape(target)?;
    let values = array.as_primitive::<S>();
    let rescaling = Rescaling::new(source_scale, scale, precision);
    let digits_before = i16::from(source_precision) - i16::from(source_scale);
    let grows = scale >= source_scale && i16::from(precision) - i16::from(scale) >= digits_before;
    if grows {
        let power = power_of_ten(scale.abs_diff(source_scale)).unwrap_or(1);
        let rescaled = values.unary::<_, O>(|value| narrow(value.into().wrapping_mul(power)));
        return Ok(Arc::new(rescaled.with_data_type(target.clone())));
    }
    if safe {
        let rescaled = values.unary_opt::<_, O>(|value| rescaling.apply(value.into()).map(&narrow));
        return Ok(Arc::new(rescaled.with_data_type(target.clone())));
    }
    let rescaled = values.try_unary::<_, O, Error>(|value| {
        let value: i128 = value.into();
        rescaling.apply(value).map(&narrow).ok_or_else(|| {
            let message = format!("{} does not fit {target}", text(value, source_scale));
            Error::new(ErrorCode::NumericOverflow, message)
        })
    })?;
    Ok(Arc::new(rescaled.with_data_type(target.clone())))
}

/// From one scale to another within a precision.
#[derive(Clone, Copy)]
pub(crate) struct Rescaling {
    up: Option<i128>,
    down: Option<i128>,
    /// The shift is beyond 38 digits.
    vanishes: bool,
    limit: i128,
}

impl Rescaling {
    pub fn new(from: i8, to: i8, precision: u8) -> Self {
        let power = power_of_ten(from.abs_diff(to));
        Self {
            up: (to > from).then_some(power).flatten(),
            down: (to < from).then_some(power).flatten(),
            vanishes: power.is_none(),
            limit: power_of_ten(precision).map_or(i128::MAX, |power| power - 1),
        }
    }

    /// `None` when the result has too many digits.
    pub fn apply(&self, value: i128) -> Option<i128> {
        let scaled = match (self.up, self.down) {
            _ if self.vanishes => return (value == 0).then_some(0),
            (Some(power), _) => value.checked_mul(power)?,
            (_, Some(power)) => divide_rounded(value, power),
            (None, None) => value,
        };
        (scaled <= self.limit && scaled >= -self.limit).then_some(scaled)
    }
}

/// The quotient rounded half away from zero; `divisor` is above 0.
pub(crate) fn divide_rounded(value: i128, divisor: i128) -> i128 {
    let (quotient, rest) = (value / divisor, value % divisor);
    // Compared by subtraction, since twice the rest may overflow.
    if rest.abs() >= divisor - rest.abs() { quotient + value.signum() } else { quotient }
}

/// The numbers of an integer column as a decimal.
///
/// # Errors
/// NumericOverflow unless `safe`.
pub(crate) fn from_integers<S: ArrowPrimitiveType>(
    array: &ArrayRef,
    target: &DataType,
    safe: bool,
) -> Result<ArrayRef>
where
    S::Native: Into<i128>,
{
    let digits = match S::Native::get_byte_width() {
        1 => 3,
        2 => 5,
        4 => 10,
        _ => 20,
    };
    let widened: Decimal128Array = array.as_primitive::<S>().unary(Into::into);
    let widened: ArrayRef = Arc::new(widened.with_precision_and_scale(digits, 0)?);
    rescale(&widened, target, safe)
}
