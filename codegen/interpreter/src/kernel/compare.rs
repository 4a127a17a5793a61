//! `Op::Compare`.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray, make_comparator,
};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::SortOptions;
use arrow::compute::kernels::cmp;
use arrow::datatypes::{DataType, Float32Type, Float64Type};
use nyala_schema::Result;
use nyala_schema::expr::CompareOp;

use super::decimal::{rescale, shape};
use crate::register::Register;

/// Decimals of one scale may differ in width and precision.
///
/// # Errors
/// Internal for types that cannot be compared.
pub(crate) fn compare(op: CompareOp, left: &Register, right: &Register) -> Result<Register> {
    let distinctness = matches!(op, CompareOp::Distinct | CompareOp::NotDistinct);
    if !distinctness && (left.is_null_constant() || right.is_null_constant()) {
        return Ok(Register::null(&DataType::Boolean));
    }
    let (left, right) = (comparable(left, right)?, comparable(right, left)?);
    let constant = left.is_constant() && right.is_constant();
    if left.data_type().is_nested() {
        return nested(op, &left, &right, constant);
    }
    let array = match op {
        CompareOp::Equal => cmp::eq(&left, &right),
        CompareOp::NotEqual => cmp::neq(&left, &right),
        CompareOp::Less => cmp::lt(&left, &right),
        CompareOp::LessOrEqual => cmp::lt_eq(&left, &right),
        CompareOp::Greater => cmp::gt(&left, &right),
        CompareOp::GreaterOrEqual => cmp::gt_eq(&left, &right),
        CompareOp::Distinct => cmp::distinct(&left, &right),
        CompareOp::NotDistinct => cmp::not_distinct(&left, &right),
    }?;
    Ok(Register::new(Arc::new(array), constant))
}

/// The register in a form that Arrow's kernels, which compare floats by IEEE's total order and insist on equal types,
/// take beside `other`.
fn comparable(register: &Register, other: &Register) -> Result<Register> {
    match (register.data_type(), other.data_type()) {
        (DataType::Float64, _) => Ok(register.map(|array| Ok(canonical::<Float64Type>(array)))?),
        (DataType::Float32, _) => Ok(register.map(|array| Ok(canonical::<Float32Type>(array)))?),
        (mine, other) if mine.is_decimal() && other.is_decimal() && mine != other => {
            let scale = shape(mine)?.1;
            let same_width = std::mem::discriminant(mine) == std::mem::discriminant(other);
            register.map(|array| match mine {
                DataType::Decimal64(..) if same_width => {
                    let array = array.as_primitive::<arrow::datatypes::Decimal64Type>().clone();
                    Ok(Arc::new(array.with_data_type(DataType::Decimal64(18, scale))))
                }
                DataType::Decimal128(..) => {
                    let array = array.as_primitive::<arrow::datatypes::Decimal128Type>().clone();
                    Ok(Arc::new(array.with_data_type(DataType::Decimal128(38, scale))))
                }
                _ => rescale(array, &DataType::Decimal128(38, scale), false),
            })
        }
        _ => Ok(register.clone()),
    }
}

/// One NaN and one zero: in the total order they then stand as the IR wants them.
pub(crate) fn canonical<T: ArrowPrimitiveType>(array: &ArrayRef) -> ArrayRef
where
    T::Native: std::ops::Add<Output = T::Native> + Canonical,
{
    let values: PrimitiveArray<T> = array.as_primitive::<T>().unary(Canonical::canonical);
    Arc::new(values)
}

/// Floats of which equal ones have equal bits.
pub(crate) trait Canonical {
    fn canonical(self) -> Self;
}

impl Canonical for f64 {
    fn canonical(self) -> Self {
        // Adding 0 turns −0 into 0 and leaves all else.
        if self.is_nan() { f64::NAN } else { self + 0.0 }
    }
}

impl Canonical for f32 {
    fn canonical(self) -> Self {
        if self.is_nan() { f32::NAN } else { self + 0.0 }
    }
}

/// Lists and structs, row by row.
fn nested(op: CompareOp, left: &Register, right: &Register, constant: bool) -> Result<Register> {
    let (l, r) = (left.array(), right.array());
    let order = make_comparator(l.as_ref(), r.as_ref(), SortOptions::default())?;
    let rows = if left.is_constant() { r.len() } else { l.len() };
    let at = |register: &Register, row| if register.is_constant() { 0 } else { row };
    let valid = |array: &ArrayRef, row: usize| array.is_valid(row);
    let values = BooleanBuffer::collect_bool(rows, |row| {
        let (i, j) = (at(left, row), at(right, row));
        let (here, there) = (valid(l, i), valid(r, j));
        let equal = here == there && (!here || order(i, j) == Ordering::Equal);
        match op {
            CompareOp::Distinct => !equal,
            CompareOp::NotDistinct => equal,
            _ if !(here && there) => false,
            CompareOp::Equal => equal,
            CompareOp::NotEqual => !equal,
            CompareOp::Less => order(i, j).is_lt(),
            CompareOp::LessOrEqual => order(i, j).is_le(),
            CompareOp::Greater => order(i, j).is_gt(),
            CompareOp::GreaterOrEqual => order(i, j).is_ge(),
        }
    });
    let nulls = match op {
        CompareOp::Distinct | CompareOp::NotDistinct => None,
        _ => NullBuffer::union(left.nulls().as_ref(), right.nulls().as_ref()),
    };
    Ok(Register::new(Arc::new(BooleanArray::new(values, nulls)), constant))
}
