//! Conversions: folded when the value is known, left out when only the logical type changes.

use arrow::datatypes::DataType;
use nyala_schema::{Result, Value};

use super::{Lowering, Operand};
use crate::column::{Column, decimal_parts, decimal_type, exact_type};
use crate::inspect::always_converts;
use crate::program::{Op, Type, ValueId};
use crate::range::Interval;

impl Lowering<'_> {
    /// To a logical type. A decimal that only gains precision stays as it is: the same number at the same scale.
    pub(super) fn cast(&mut self, operand: &Operand, to: &DataType, safe: bool) -> Result<Operand> {
        if let Operand::Constant(value) = operand {
            match fold_logical(value, to) {
                Some(value) => return Ok(Operand::Constant(value)),
                None if safe => return Ok(Operand::Constant(Value::null(&exact_type(to)))),
                None => {}
            }
        }
        let id = self.own_value(operand);
        let from = self.known(id).clone();
        let target = match (number_scale(from.data_type()), decimal_parts(to)) {
            (Some(scale_from), Some((precision, scale))) => {
                let scaled = from.interval().scaled(i16::from(scale) - i16::from(scale_from));
                let all = Interval::digits(precision);
                if scale_from == scale && decimal_parts(from.data_type()).is_some() && all.contains(scaled) {
                    return Ok(Operand::Computed(id));
                }
                decimal_type(precision, scale, all.intersect(scaled))
            }
            _ => exact_type(to),
        };
        Ok(Operand::Computed(self.convert(id, &target, safe)))
    }

    /// The value in just this physical type.
    pub(super) fn convert(&mut self, id: ValueId, data_type: &DataType, safe: bool) -> ValueId {
        let from = self.known(id).clone();
        if from.data_type() == data_type {
            return id;
        }
        let (range, fits) = converted(&from, data_type);
        let ty = Type::new(data_type.clone(), from.nullable() || (safe && !fits));
        let op = Op::Cast { input: id, safe: safe && !fits };
        self.emit(op, Column { ty, range }, !safe && !fits)
    }
}

pub(super) const DECIMAL128_DIGITS: u8 = 38;

/// Range after a conversion, and whether it never fails.
fn converted(from: &Column, to: &DataType) -> (Option<Interval>, bool) {
    let all = Interval::of_type(to);
    match (number_scale(from.data_type()), number_scale(to), all) {
        (Some(scale_from), Some(scale_to), Some(all)) => {
            let scaled = from.interval().scaled(i16::from(scale_to) - i16::from(scale_from));
            (Some(all.intersect(scaled)), all.contains(scaled))
        }
        _ => (all, always_converts(from.data_type(), to)),
    }
}

/// Digits behind the point; 0 for integers, `None` for what is neither integer nor decimal.
pub(super) fn number_scale(data_type: &DataType) -> Option<i8> {
    match decimal_parts(data_type) {
        Some((_, scale)) => Some(scale),
        None => data_type.is_integer().then_some(0),
    }
}

/// Decimal digits that the type's values may have, and its scale.
fn number_parts(data_type: &DataType) -> (u8, i8) {
    decimal_parts(data_type).unwrap_or(match data_type {
        DataType::Int8 | DataType::UInt8 => (3, 0),
        DataType::Int16 | DataType::UInt16 => (5, 0),
        DataType::Int32 | DataType::UInt32 => (10, 0),
        _ => (20, 0),
    })
}

/// Decimal digits that the column's values may have at a scale that is not below their own.
pub(super) fn digits_at(column: &Column, scale: i8) -> u8 {
    let (precision, own) = number_parts(column.data_type());
    let digits = i16::from(precision) + (i16::from(scale) - i16::from(own)).max(0);
    digits.clamp(1, i16::from(DECIMAL128_DIGITS)) as u8
}

/// The value in another type; `None` when that fails.
pub(super) fn fold(value: &Value, data_type: &DataType) -> Option<Value> {
    if value.is_null() {
        return Some(Value::null(data_type));
    }
    value.cast(data_type).ok()
}

/// As a cast to a logical type would give it, in its physical type.
fn fold_logical(value: &Value, to: &DataType) -> Option<Value> {
    let exact = match decimal_parts(to) {
        Some((precision, scale)) => DataType::Decimal128(precision, scale),
        None => exact_type(to),
    };
    physical_value(&fold(value, &exact)?).ok()
}

/// A literal in its physical type: text as a view, a decimal as narrow as it is.
pub(crate) fn physical_value(value: &Value) -> Result<Value> {
    let data_type = match decimal_parts(value.data_type()) {
        Some((precision, scale)) => {
            let range = value.as_i128().map_or(Interval::EMPTY, Interval::point);
            decimal_type(precision, scale, range)
        }
        None => exact_type(value.data_type()),
    };
    if value.is_null() { Ok(Value::null(&data_type)) } else { value.cast(&data_type) }
}

/// What is known of a constant.
pub(super) fn column_of_value(value: &Value) -> Column {
    let range = value.as_i128().map_or(Interval::EMPTY, Interval::point);
    if value.is_null() || value.as_i128().is_some() {
        Column::with_range(value.data_type().clone(), value.is_null(), range)
    } else {
        Column::of_type(value.data_type().clone(), false)
    }
}
