//! `Op::And`, `Op::Or`, `Op::Not`, `Op::IsNull`: Kleene's three-valued logic.

use std::sync::Arc;

use arrow::array::{Array, BooleanArray};
use arrow::compute;
use nyala_schema::Result;

use crate::register::Register;

/// # Errors
/// Internal when an operand is no Boolean.
pub(crate) fn and(left: &Register, right: &Register) -> Result<Register> {
    connect(left, right, false, |l, r| Ok(compute::and_kleene(l, r)?))
}

/// # Errors
/// Internal when an operand is no Boolean.
pub(crate) fn or(left: &Register, right: &Register) -> Result<Register> {
    connect(left, right, true, |l, r| Ok(compute::or_kleene(l, r)?))
}

/// `deciding` is the constant that settles the result whatever the other operand is.
fn connect(
    left: &Register,
    right: &Register,
    deciding: bool,
    kernel: impl Fn(&BooleanArray, &BooleanArray) -> Result<BooleanArray>,
) -> Result<Register> {
    let (l, r) = (left.boolean()?, right.boolean()?);
    let (constant, other) = match (left, right) {
        (Register::Constant(_), _) => (l, right),
        (_, Register::Constant(_)) => (r, left),
        _ => return Ok(Register::Column(Arc::new(kernel(l, r)?))),
    };
    if constant.is_null(0) {
        let nulls = BooleanArray::new_null(other.array().len());
        return Ok(Register::new(Arc::new(kernel(&nulls, other.boolean()?)?), other.is_constant()));
    }
    Ok(if constant.value(0) == deciding {
        Register::Constant(Arc::new(BooleanArray::from(vec![deciding])))
    } else {
        other.clone()
    })
}

/// # Errors
/// Internal when the operand is no Boolean.
pub(crate) fn not(input: &Register) -> Result<Register> {
    let array = compute::not(input.boolean()?)?;
    Ok(Register::new(Arc::new(array), input.is_constant()))
}

pub(crate) fn is_null(input: &Register) -> Result<Register> {
    input.map(|array| Ok(Arc::new(compute::is_null(array.as_ref())?)))
}
