//! Comparisons and membership: both sides in one type, constants converted now.

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_schema::expr::CompareOp;
use nyala_schema::{Expr, Result, Value};

use super::cast::{digits_at, fold, number_scale, physical_value};
use super::{Lowering, Operand};
use crate::column::{Column, decimal_parts, decimal_type};
use crate::program::{Op, ValueId};
use crate::range::Interval;

impl Lowering<'_> {
    pub(super) fn compare(
        &mut self,
        op: CompareOp,
        left: &Expr,
        right: &Expr,
        level: usize,
    ) -> Result<Operand> {
        let logical = left.data_type();
        let (left, right) = (self.uncast(left, level)?, self.uncast(right, level)?);
        let (op, left, right) = match (&left, &right) {
            (Operand::Constant(_), Operand::Computed(_)) => (op.swapped(), right, left),
            _ => (op, left, right),
        };
        let (left, right) = self.in_one_type(&left, &right, &logical)?;
        Ok(Operand::Computed(self.emit_compare(op, left, right)))
    }

    fn emit_compare(&mut self, op: CompareOp, left: ValueId, right: ValueId) -> ValueId {
        let nullable = match op {
            CompareOp::Distinct | CompareOp::NotDistinct => false,
            CompareOp::Equal
            | CompareOp::NotEqual
            | CompareOp::Less
            | CompareOp::LessOrEqual
            | CompareOp::Greater
            | CompareOp::GreaterOrEqual => self.nullable(left) || self.nullable(right),
        };
        self.emit(Op::Compare { op, left, right }, Column::of_type(DataType::Boolean, nullable), false)
    }

    /// Without a cast that only widens an integer or decimal: the number compares the same.
    fn uncast(&mut self, expr: &Expr, level: usize) -> Result<Operand> {
        if let Expr::Cast { input, data_type, .. } = expr
            && number_scale(data_type).is_some()
            && number_scale(&input.data_type()).is_some()
            && !matches!(**input, Expr::Literal(_))
        {
            let inner = self.lower(input, level)?;
            let known = self.column_of(&inner);
            let power = i16::from(number_scale(data_type).unwrap_or(0))
                - i16::from(number_scale(known.data_type()).unwrap_or(0));
            let all = Interval::of_type(data_type).unwrap_or(Interval::EMPTY);
            if power >= 0 && all.contains(known.interval().scaled(power)) {
                return Ok(inner);
            }
        }
        self.lower(expr, level)
    }

    fn in_one_type(
        &mut self,
        left: &Operand,
        right: &Operand,
        logical: &DataType,
    ) -> Result<(ValueId, ValueId)> {
        let left_type = self.column_of(left).data_type().clone();
        let right_type = self.column_of(right).data_type().clone();
        if left_type == right_type {
            return Ok((self.own_value(left), self.own_value(right)));
        }
        if let Operand::Constant(value) = right
            && let Some(value) = converted_exactly(value, &left_type)
        {
            let right = self.parameter(&value);
            return Ok((self.own_value(left), right));
        }
        match (decimal_parts(&left_type), decimal_parts(&right_type)) {
            (None, None) if left_type.is_integer() && right_type.is_integer() => {
                let wider = wider_integer(&left_type, &right_type, logical);
                Ok((self.value(left, &wider)?, self.value(right, &wider)?))
            }
            (None, None) => Ok((self.own_value(left), self.value(right, &left_type)?)),
            _ => self.decimals_in_one_type(left, right),
        }
    }

    /// Decimals, or a decimal and an integer.
    pub(super) fn decimals_in_one_type(
        &mut self,
        left: &Operand,
        right: &Operand,
    ) -> Result<(ValueId, ValueId)> {
        let (a, b) = (self.column_of(left), self.column_of(right));
        let scale = |column: &Column| number_scale(column.data_type()).unwrap_or(0);
        let common = scale(&a).max(scale(&b));
        let scaled = |column: &Column| column.interval().scaled(i16::from(common) - i16::from(scale(column)));
        let precision = digits_at(&a, common).max(digits_at(&b, common));
        let data_type = decimal_type(precision, common, scaled(&a).union(scaled(&b)));
        Ok((self.value(left, &data_type)?, self.value(right, &data_type)?))
    }

    /// `input IN (values)`. NULL among the values turns every "no" into "unknown".
    pub(super) fn in_list(&mut self, input: &Operand, values: &[Value], negated: bool) -> Result<Operand> {
        let data_type = self.column_of(input).data_type().clone();
        let input = self.own_value(input);
        let has_null = values.iter().any(Value::is_null);
        let known: Vec<Value> = values.iter().filter_map(|value| matchable(value, &data_type)).collect();
        let column = Column::of_type(DataType::Boolean, self.nullable(input));
        let found = match known.as_slice() {
            [only] => {
                let only = self.parameter(only);
                let op = if negated { CompareOp::NotEqual } else { CompareOp::Equal };
                self.emit_compare(op, input, only)
            }
            _ => {
                let set = self.set_parameter(set_array(&known, &data_type)?);
                self.emit(Op::InSet { input, set, negated }, column, false)
            }
        };
        if !has_null {
            return Ok(Operand::Computed(found));
        }
        let unknown = self.parameter(&Value::null(&DataType::Boolean));
        let op = if negated { Op::And(found, unknown) } else { Op::Or(found, unknown) };
        Ok(Operand::Computed(self.emit(op, Column::of_type(DataType::Boolean, true), false)))
    }
}

/// A list value in the type of the input; `None` if no value of that type can equal it.
fn matchable(value: &Value, data_type: &DataType) -> Option<Value> {
    if value.is_null() {
        return None;
    }
    let value = physical_value(value).ok()?;
    if value.data_type() == data_type { Some(value) } else { converted_exactly(&value, data_type) }
}

/// The same number, or text, in another type; `None` if it changes on the way.
fn converted_exactly(value: &Value, data_type: &DataType) -> Option<Value> {
    let converted = fold(value, data_type)?;
    if value.is_null() {
        return Some(converted);
    }
    let number = number_scale(value.data_type()).is_some() && number_scale(data_type).is_some();
    let fits =
        converted.as_i128().zip(Interval::of_type(data_type)).is_none_or(|(v, all)| all.contains_value(v));
    let back = fold(&converted, value.data_type())?;
    (number && fits && back == *value).then_some(converted)
}

fn set_array(values: &[Value], data_type: &DataType) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(arrow::array::new_empty_array(data_type));
    }
    let arrays: Vec<&dyn arrow::array::Array> = values.iter().map(|value| value.array().as_ref()).collect();
    Ok(arrow::compute::concat(&arrays)?)
}

/// One of the two integer types that holds the other; the logical type if neither does.
fn wider_integer(left: &DataType, right: &DataType, logical: &DataType) -> DataType {
    match (Interval::of_type(left), Interval::of_type(right)) {
        (Some(a), Some(b)) if a.contains(b) => left.clone(),
        (Some(a), Some(b)) if b.contains(a) => right.clone(),
        _ => logical.clone(),
    }
}
