//! `Op::Arithmetic` and `Op::Negate`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, Int64Array, PrimitiveArray,
};
use arrow::compute::kernels::numeric;
use arrow::datatypes::{DataType, Date32Type, Decimal64Type, Decimal128Type, Float32Type, Float64Type};
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::{Error, ErrorCode, Result};

use super::decimal;
use super::integer::Integer;
use super::operand::{Operand, first_failure, joint, joint_nulls, map_pairs};
use super::primitive::with_integer;
use crate::register::Register;

/// # Errors
/// NumericOverflow when `checked`, DivisionByZero.
pub(crate) fn arithmetic(
    op: ArithmeticOp,
    left: &Register,
    right: &Register,
    checked: bool,
    result: &DataType,
) -> Result<Register> {
    if left.is_null_constant() || right.is_null_constant() {
        return Ok(Register::null(result));
    }
    if matches!(result, DataType::Decimal64(..) | DataType::Decimal128(..))
        && left.data_type().is_decimal()
        && right.data_type().is_decimal()
    {
        return decimal::arithmetic(op, left, right, checked, result);
    }
    if left.data_type() == result && right.data_type() == result {
        match result {
            DataType::Float64 => return Ok(floats::<Float64Type>(op, left, right)),
            DataType::Float32 => return Ok(floats::<Float32Type>(op, left, right)),
            _ => {}
        }
        with_integer!(result, T => return integers::<T>(op, left, right, checked), _ => {});
    }
    if matches!((left.data_type(), right.data_type()), (DataType::Date32, DataType::Date32))
        && op == ArithmeticOp::Subtract
        && result.is_integer()
    {
        return Ok(days_between(left, right));
    }
    let array = temporal(op, left, right)?;
    Ok(joint(array, left, right))
}

/// Dates, timestamps, intervals, durations.
fn temporal(op: ArithmeticOp, left: &Register, right: &Register) -> Result<ArrayRef> {
    Ok(match op {
        ArithmeticOp::Add => numeric::add(left, right),
        ArithmeticOp::Subtract => numeric::sub(left, right),
        ArithmeticOp::Multiply => numeric::mul(left, right),
        ArithmeticOp::Divide => numeric::div(left, right),
        ArithmeticOp::Remainder => numeric::rem(left, right),
    }?)
}

fn days_between(left: &Register, right: &Register) -> Register {
    let (l, r) = (Operand::of::<Date32Type>(left), Operand::of::<Date32Type>(right));
    let days = map_pairs(l, r, |a, b| i64::from(a) - i64::from(b));
    joint(Arc::new(Int64Array::new(days.into(), joint_nulls(left, right))), left, right)
}

fn floats<T: ArrowPrimitiveType>(op: ArithmeticOp, left: &Register, right: &Register) -> Register
where
    T::Native: std::ops::Add<Output = T::Native>
        + std::ops::Sub<Output = T::Native>
        + std::ops::Mul<Output = T::Native>
        + std::ops::Div<Output = T::Native>
        + std::ops::Rem<Output = T::Native>,
{
    let (l, r) = (Operand::of::<T>(left), Operand::of::<T>(right));
    let values = match op {
        ArithmeticOp::Add => map_pairs(l, r, |a, b| a + b),
        ArithmeticOp::Subtract => map_pairs(l, r, |a, b| a - b),
        ArithmeticOp::Multiply => map_pairs(l, r, |a, b| a * b),
        ArithmeticOp::Divide => map_pairs(l, r, |a, b| a / b),
        ArithmeticOp::Remainder => map_pairs(l, r, |a, b| a % b),
    };
    joint(Arc::new(PrimitiveArray::<T>::new(values.into(), joint_nulls(left, right))), left, right)
}

fn integers<T: ArrowPrimitiveType>(
    op: ArithmeticOp,
    left: &Register,
    right: &Register,
    checked: bool,
) -> Result<Register>
where
    T::Native: Integer,
{
    match op {
        ArithmeticOp::Add if checked => fallible::<T>(op, left, right, Integer::add),
        ArithmeticOp::Subtract if checked => fallible::<T>(op, left, right, Integer::subtract),
        ArithmeticOp::Multiply if checked => fallible::<T>(op, left, right, Integer::multiply),
        ArithmeticOp::Add => Ok(infallible::<T>(left, right, |a, b| a.add(b).0)),
        ArithmeticOp::Subtract => Ok(infallible::<T>(left, right, |a, b| a.subtract(b).0)),
        ArithmeticOp::Multiply => Ok(infallible::<T>(left, right, |a, b| a.multiply(b).0)),
        ArithmeticOp::Divide => fallible::<T>(op, left, right, Integer::divide),
        ArithmeticOp::Remainder => fallible::<T>(op, left, right, Integer::remainder),
    }
}

fn infallible<T: ArrowPrimitiveType>(
    left: &Register,
    right: &Register,
    compute: impl Fn(T::Native, T::Native) -> T::Native,
) -> Register {
    let values = map_pairs(Operand::of::<T>(left), Operand::of::<T>(right), compute);
    joint(Arc::new(PrimitiveArray::<T>::new(values.into(), joint_nulls(left, right))), left, right)
}

/// `compute` gives a value and whether it is wrong. Failures are gathered without branches and located afterwards.
fn fallible<T: ArrowPrimitiveType>(
    op: ArithmeticOp,
    left: &Register,
    right: &Register,
    compute: impl Fn(T::Native, T::Native) -> (T::Native, bool),
) -> Result<Register>
where
    T::Native: Integer,
{
    let (l, r) = (Operand::of::<T>(left), Operand::of::<T>(right));
    let mut failed = false;
    let values = map_pairs(l, r, |a, b| {
        let (value, wrong) = compute(a, b);
        failed |= wrong;
        value
    });
    let nulls = joint_nulls(left, right);
    if failed
        && let Some(row) = first_failure(values.len(), nulls.as_ref(), |row| compute(l.at(row), r.at(row)).1)
    {
        let (a, b) = (l.at(row), r.at(row));
        return Err(failure(op, b.is_zero(), &format!("{a:?}"), &format!("{b:?}"), &T::DATA_TYPE));
    }
    Ok(joint(Arc::new(PrimitiveArray::<T>::new(values.into(), nulls)), left, right))
}

/// What went wrong at a row with these operands.
pub(crate) fn failure(op: ArithmeticOp, zero: bool, left: &str, right: &str, result: &DataType) -> Error {
    if zero && matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder) {
        return Error::new(ErrorCode::DivisionByZero, format!("division by zero: {left} {} 0", op.symbol()));
    }
    Error::new(
        ErrorCode::NumericOverflow,
        format!("the result of {left} {} {right} does not fit {result}", op.symbol()),
    )
    .with_hint("cast an operand to a wider type")
}

/// # Errors
/// NumericOverflow when `checked`: the least value of a signed integer, any unsigned one above 0.
pub(crate) fn negate(input: &Register, checked: bool) -> Result<Register> {
    if input.is_null_constant() {
        return Ok(input.clone());
    }
    match input.data_type() {
        DataType::Decimal64(p, s) => {
            let array =
                input.array().as_primitive::<Decimal64Type>().unary::<_, Decimal64Type>(|v| v.wrapping_neg());
            return input.map(|_| Ok(Arc::new(array.with_precision_and_scale(*p, *s)?)));
        }
        DataType::Decimal128(p, s) => {
            let array = input
                .array()
                .as_primitive::<Decimal128Type>()
                .unary::<_, Decimal128Type>(|v| v.wrapping_neg());
            return input.map(|_| Ok(Arc::new(array.with_precision_and_scale(*p, *s)?)));
        }
        _ => {}
    }
    with_integer!(input.data_type(), T => negate_integers::<T>(input, checked), _ => {
        input.map(|array| Ok(numeric::neg(array.as_ref())?))
    })
}

fn negate_integers<T: ArrowPrimitiveType>(input: &Register, checked: bool) -> Result<Register>
where
    T::Native: Integer,
{
    let array = input.array().as_primitive::<T>();
    let mut failed = false;
    let values: Vec<T::Native> = array
        .values()
        .iter()
        .map(|value| {
            let (value, wrong) = value.negate();
            failed |= wrong;
            value
        })
        .collect();
    if failed
        && checked
        && let Some(row) = first_failure(array.len(), array.nulls(), |row| array.value(row).negate().1)
    {
        let message = format!("-({:?}) does not fit {}", array.value(row), T::DATA_TYPE);
        return Err(
            Error::new(ErrorCode::NumericOverflow, message).with_hint("cast the value to a wider type")
        );
    }
    input.map(|_| Ok(Arc::new(PrimitiveArray::<T>::new(values.into(), array.nulls().cloned()))))
}
