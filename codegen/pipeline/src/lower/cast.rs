//! Conversions: folded when the value is known, left out when only the logical type changes.

use arrow::datatypes::DataType;
use nyala_schema::{Result, Value};

use super::{Lowering, Operand};
use crate::column::{Column, decimal_parts, decimal_type, exact_type};
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

    /// A decimal or integer at another scale, in the narrowest type for it.
    pub(super) fn rescaled(&mut self, operand: &Operand, scale: i8) -> Result<Operand> {
        let from = self.column_of(operand);
        let (precision, scale_from) = number_parts(from.data_type());
        if scale_from == scale && decimal_parts(from.data_type()).is_some() {
            return Ok(operand.clone());
        }
        let power = i16::from(scale) - i16::from(scale_from);
        let digits = (i16::from(precision) + power.max(0)).clamp(1, i16::from(DECIMAL128_DIGITS)) as u8;
        let target = decimal_type(digits, scale, from.interval().scaled(power));
        match operand {
            Operand::Constant(value) if fold(value, &target).is_some() => {
                Ok(Operand::Constant(fold(value, &target).unwrap_or_else(|| value.clone())))
            }
            _ => Ok(Operand::Computed(self.value(operand, &target)?)),
        }
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

/// Of types that are not both integers or decimals.
pub(super) fn always_converts(from: &DataType, to: &DataType) -> bool {
    use DataType as D;
    let number = number_scale(from).is_some() || from.is_floating() || *from == D::Boolean;
    let text = matches!(from, D::Utf8 | D::LargeUtf8 | D::Utf8View);
    match to {
        D::Float16 | D::Float32 | D::Float64 => number,
        D::Utf8 | D::LargeUtf8 | D::Utf8View => number || text || from.is_temporal(),
        D::Binary | D::LargeBinary | D::BinaryView => text,
        D::Boolean => number,
        D::Date32 => matches!(from, D::Timestamp(..) | D::Date64),
        _ => *from == D::Boolean && to.is_integer(),
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
