//! Loops over two operands of which either may be one value for all rows.

use arrow::array::{ArrayRef, ArrowPrimitiveType, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::ArrowNativeType;

use crate::register::Register;

#[derive(Clone, Copy)]
pub(crate) enum Operand<'a, N> {
    Column(&'a [N]),
    Constant(N),
}

impl<'a, N: ArrowNativeType> Operand<'a, N> {
    /// # Panics
    /// When the register does not hold values of `T`.
    pub fn of<T: ArrowPrimitiveType<Native = N>>(register: &'a Register) -> Self {
        let values: &[N] = register.array().as_primitive::<T>().values();
        match register {
            Register::Column(_) => Self::Column(values),
            Register::Constant(_) => Self::Constant(values[0]),
        }
    }

    pub fn at(&self, row: usize) -> N {
        match self {
            Self::Column(values) => values[row],
            Self::Constant(value) => *value,
        }
    }
}

/// One result a row; a single one when both operands are constant.
pub(crate) fn map_pairs<A: Copy, B: Copy, O>(
    left: Operand<'_, A>,
    right: Operand<'_, B>,
    mut op: impl FnMut(A, B) -> O,
) -> Vec<O> {
    match (left, right) {
        (Operand::Column(left), Operand::Column(right)) => {
            left.iter().zip(right).map(|(&a, &b)| op(a, b)).collect()
        }
        (Operand::Column(left), Operand::Constant(b)) => left.iter().map(|&a| op(a, b)).collect(),
        (Operand::Constant(a), Operand::Column(right)) => right.iter().map(|&b| op(a, b)).collect(),
        (Operand::Constant(a), Operand::Constant(b)) => vec![op(a, b)],
    }
}

/// NULL where either operand is. Constants must not be NULL.
pub(crate) fn joint_nulls(left: &Register, right: &Register) -> Option<NullBuffer> {
    NullBuffer::union(left.nulls().as_ref(), right.nulls().as_ref())
}

/// The first row that is not NULL and for which `fails` holds. Loops compute garbage under NULLs, so a failure
/// seen by a whole column need not be one.
pub(crate) fn first_failure(
    rows: usize,
    nulls: Option<&NullBuffer>,
    fails: impl Fn(usize) -> bool,
) -> Option<usize> {
    (0..rows).find(|&row| nulls.is_none_or(|nulls| nulls.is_valid(row)) && fails(row))
}

/// A register of the kind that two operands give.
pub(crate) fn joint(array: ArrayRef, left: &Register, right: &Register) -> Register {
    Register::new(array, left.is_constant() && right.is_constant())
}
