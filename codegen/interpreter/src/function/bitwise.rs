//! The bit operators of integers.

use std::sync::Arc;

use arrow::array::{ArrowPrimitiveType, PrimitiveArray};
use nyala_schema::{Error, ErrorCode, Result};

use crate::kernel::integer::Integer;
use crate::kernel::operand::{Operand, joint, joint_nulls, map_pairs};
use crate::kernel::primitive::with_integer;
use crate::register::Register;

#[derive(Debug, Clone, Copy)]
pub(crate) enum BitOp {
    And,
    Or,
    Xor,
    ShiftLeft,
    ShiftRight,
}

impl BitOp {
    /// By the planner's name or as it is written in SQL.
    pub fn find(name: &str) -> Option<Self> {
        Some(match name {
            "bit_and" | "&" => Self::And,
            "bit_or" | "|" => Self::Or,
            "bit_xor" | "#" | "^" => Self::Xor,
            "shift_left" | "<<" => Self::ShiftLeft,
            "shift_right" | ">>" => Self::ShiftRight,
            _ => return None,
        })
    }
}

/// # Errors
/// DatatypeMismatch unless both are integers of one type.
pub(crate) fn bitwise(op: BitOp, left: &Register, right: &Register) -> Result<Register> {
    if left.data_type() != right.data_type() {
        return Err(mismatch(left, right));
    }
    if left.is_null_constant() || right.is_null_constant() {
        return Ok(Register::null(left.data_type()));
    }
    with_integer!(left.data_type(), T => Ok(apply::<T>(op, left, right)), _ => Err(mismatch(left, right)))
}

fn mismatch(left: &Register, right: &Register) -> Error {
    let message = format!("bit operators do not take {} and {}", left.data_type(), right.data_type());
    Error::new(ErrorCode::DatatypeMismatch, message).with_hint("cast both operands to BIGINT")
}

fn apply<T: ArrowPrimitiveType>(op: BitOp, left: &Register, right: &Register) -> Register
where
    T::Native: Integer,
{
    let (l, r) = (Operand::<T::Native>::of::<T>(left), Operand::<T::Native>::of::<T>(right));
    let values = match op {
        BitOp::And => map_pairs(l, r, Integer::and),
        BitOp::Or => map_pairs(l, r, Integer::or),
        BitOp::Xor => map_pairs(l, r, Integer::xor),
        BitOp::ShiftLeft => map_pairs(l, r, Integer::shift_left),
        BitOp::ShiftRight => map_pairs(l, r, Integer::shift_right),
    };
    joint(Arc::new(PrimitiveArray::<T>::new(values.into(), joint_nulls(left, right))), left, right)
}
