//! Choosing between two values row by row, for `If`.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, AsArray, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer};
use arrow::compute::kernels::zip;
use arrow::compute::{concat, take};
use arrow::datatypes::DataType;
use nyala_schema::Result;

use super::operand::Operand;
use super::primitive::with_ordinal;
use crate::register::Register;

/// `then` where `mask` is set, else `otherwise`, both of one type and as long as the mask. The mask has no NULL.
///
/// # Errors
/// Internal when the types differ.
pub(crate) fn select(mask: &BooleanArray, then: &Register, otherwise: &Register) -> Result<Register> {
    let data_type = then.data_type().clone();
    if otherwise.data_type() == &data_type && !then.is_null_constant() && !otherwise.is_null_constant() {
        match &data_type {
            DataType::Float64 => {
                return Ok(select_primitive::<arrow::datatypes::Float64Type>(mask, then, otherwise));
            }
            other => {
                with_ordinal!(other, T => return Ok(select_primitive::<T>(mask, then, otherwise)), _ => {})
            }
        }
    }
    Ok(Register::Column(zip::zip(mask, then, &without_spare_buffers(otherwise))?))
}

/// A constant text that is short has its bytes in the view itself. `zip` takes the view for a reference when the array has
/// buffers all the same, and writes the number of a buffer over the last four bytes, which must be zero
/// (arrow-select 59, `ByteViewScalarImpl`): the text then equals no other.
fn without_spare_buffers(register: &Register) -> Register {
    match register {
        Register::Constant(array) => match array.data_type() {
            DataType::Utf8View => Register::Constant(Arc::new(array.as_string_view().gc())),
            DataType::BinaryView => Register::Constant(Arc::new(array.as_binary_view().gc())),
            _ => register.clone(),
        },
        Register::Column(_) => register.clone(),
    }
}

fn select_primitive<T: ArrowPrimitiveType>(
    mask: &BooleanArray,
    then: &Register,
    otherwise: &Register,
) -> Register {
    let (t, o) = (Operand::<T::Native>::of::<T>(then), Operand::<T::Native>::of::<T>(otherwise));
    let bits = mask.values();
    let values: Vec<T::Native> = match (t, o) {
        (Operand::Column(t), Operand::Column(o)) => {
            bits.iter().zip(t.iter().zip(o)).map(|(bit, (&t, &o))| if bit { t } else { o }).collect()
        }
        (Operand::Column(t), Operand::Constant(o)) => {
            bits.iter().zip(t).map(|(bit, &t)| if bit { t } else { o }).collect()
        }
        (Operand::Constant(t), Operand::Column(o)) => {
            bits.iter().zip(o).map(|(bit, &o)| if bit { t } else { o }).collect()
        }
        (Operand::Constant(t), Operand::Constant(o)) => {
            bits.iter().map(|bit| if bit { t } else { o }).collect()
        }
    };
    let nulls = select_nulls(bits, then.nulls(), otherwise.nulls());
    let array = PrimitiveArray::<T>::new(values.into(), nulls).with_data_type(then.data_type().clone());
    Register::Column(Arc::new(array))
}

fn select_nulls(
    mask: &BooleanBuffer,
    then: Option<NullBuffer>,
    otherwise: Option<NullBuffer>,
) -> Option<NullBuffer> {
    // Valid: (mask and then) or (not mask and otherwise).
    let valid = match (then, otherwise) {
        (None, None) => return None,
        (Some(then), None) => &(mask & then.inner()) | &!mask,
        (None, Some(otherwise)) => mask | otherwise.inner(),
        (Some(then), Some(otherwise)) => &(mask & then.inner()) | &(&!mask & otherwise.inner()),
    };
    Some(NullBuffer::new(valid))
}

/// The inverse of filtering: rows of `then` go where `mask` is set, rows of `otherwise` where it is not, each in order.
///
/// # Errors
/// Internal when the types differ.
pub(crate) fn scatter(mask: &BooleanArray, then: &Register, otherwise: &Register) -> Result<Register> {
    let arrays: [&ArrayRef; 2] = [then.array(), otherwise.array()];
    let all = concat(&[arrays[0].as_ref(), arrays[1].as_ref()])?;
    let step = |register: &Register| u32::from(!register.is_constant());
    let (mut from_then, mut from_otherwise) = (0, arrays[0].len() as u32);
    let (then_step, otherwise_step) = (step(then), step(otherwise));
    let places: Vec<u32> = mask
        .values()
        .iter()
        .map(|bit| {
            let (place, step) =
                if bit { (&mut from_then, then_step) } else { (&mut from_otherwise, otherwise_step) };
            let at = *place;
            *place += step;
            at
        })
        .collect();
    Ok(Register::Column(take(&all, &arrow::array::UInt32Array::from(places), None)?))
}

/// Set where the condition is true; NULL counts as false.
pub(crate) fn truth(condition: &BooleanArray) -> BooleanArray {
    match condition.nulls() {
        Some(nulls) if nulls.null_count() > 0 => BooleanArray::new(condition.values() & nulls.inner(), None),
        _ => BooleanArray::new(condition.values().clone(), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringArray, StringViewArray};
    use arrow::compute::cast;

    #[test]
    fn short_constant_texts_equal_others() {
        let mask = BooleanArray::from(vec![true, false]);
        // A cast keeps the buffer of the text.
        let constant = |text: &str| {
            let array = StringArray::from(vec![text]);
            Register::Constant(cast(&array, &DataType::Utf8View).unwrap())
        };
        let result = select(&mask, &constant("even"), &constant("odd")).unwrap();
        assert_eq!(result.array().as_string_view(), &StringViewArray::from(vec!["even", "odd"]));
    }

    #[test]
    fn scatter_restores_the_order_of_rows() {
        let mask = BooleanArray::from(vec![true, false, false, true]);
        let then = Register::Column(Arc::new(Int64Array::from(vec![Some(1), None])));
        let otherwise = Register::Column(Arc::new(Int64Array::from(vec![10, 20])));
        let result = scatter(&mask, &then, &otherwise).unwrap();
        assert_eq!(
            result.array().as_primitive::<arrow::datatypes::Int64Type>(),
            &Int64Array::from(vec![Some(1), Some(10), Some(20), None])
        );
    }

    #[test]
    fn nulls_follow_the_chosen_side() {
        let mask = BooleanArray::from(vec![true, false, true]);
        let then = Register::Column(Arc::new(Int64Array::from(vec![None, None, Some(3)])));
        let otherwise = Register::Constant(Arc::new(Int64Array::from(vec![7])));
        let result = select(&mask, &then, &otherwise).unwrap();
        assert_eq!(
            result.array().as_primitive::<arrow::datatypes::Int64Type>(),
            &Int64Array::from(vec![None, Some(7), Some(3)])
        );
    }
}
