//! Arithmetic: operand types, widths of decimals, and whether a result must be checked.

use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::expr::ArithmeticOp;

use super::cast::{DECIMAL128_DIGITS, digits_at, number_scale};
use super::{Lowering, Operand};
use crate::column::{Column, decimal_parts, decimal_type, exact_type, fits_decimal64, is_decimal64};
use crate::program::{Op, Type, ValueId};
use crate::range::Interval;

impl Lowering<'_> {
    /// `result` is the logical type.
    pub(super) fn arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        result: &DataType,
    ) -> Result<Operand> {
        let left_type = self.column_of(left).data_type().clone();
        let right_type = self.column_of(right).data_type().clone();
        let numbers = number_scale(&left_type).is_some() && number_scale(&right_type).is_some();
        if numbers && let Some((precision, scale)) = decimal_parts(result) {
            return self.decimals(op, left, right, precision, scale);
        }
        if numbers && result.is_integer() {
            return self.integers(op, left, right, result);
        }
        if result.is_floating() {
            let (left, right) = (self.value(left, result)?, self.value(right, result)?);
            return Ok(self.emit_arithmetic(op, left, right, Column::of_type(result.clone(), false), false));
        }
        let (left, right) = (self.own_value(left), self.own_value(right));
        Ok(self.emit_arithmetic(op, left, right, Column::of_type(exact_type(result), false), true))
    }

    fn integers(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        result: &DataType,
    ) -> Result<Operand> {
        let (left, right) = (self.value(left, result)?, self.value(right, result)?);
        let range = combined(op, self.known(left).interval(), self.known(right).interval());
        let fits = Interval::of_type(result).is_some_and(|all| all.contains(range));
        let column = Column::with_range(result.clone(), false, range);
        Ok(self.emit_arithmetic(op, left, right, column, !fits))
    }

    fn decimals(
        &mut self,
        op: ArithmeticOp,
        left: &Operand,
        right: &Operand,
        precision: u8,
        scale: i8,
    ) -> Result<Operand> {
        let (s1, s2) = (self.scale_of(left), self.scale_of(right));
        match op {
            ArithmeticOp::Add | ArithmeticOp::Subtract | ArithmeticOp::Remainder => {
                let range = combined(op, self.range_at(left, scale), self.range_at(right, scale));
                let operands = [(left, scale), (right, scale)];
                self.decimal_result(op, operands, (precision, scale), range, range)
            }
            ArithmeticOp::Multiply => {
                let natural = s1.saturating_add(s2);
                let range = self.range_at(left, s1).product(self.range_at(right, s2));
                let operands = [(left, s1), (right, s2)];
                if natural == scale {
                    return self.decimal_result(op, operands, (precision, scale), range, range);
                }
                let product =
                    self.decimal_result(op, operands, (DECIMAL128_DIGITS, natural), range, range)?;
                self.cast(&product, &DataType::Decimal128(precision, scale), false)
            }
            ArithmeticOp::Divide => {
                let power = i16::from(scale) - i16::from(s1) + i16::from(s2);
                let dividend = self.range_at(left, s1).scaled(power);
                let range = dividend.quotient(self.range_at(right, s2));
                self.decimal_result(op, [(left, s1), (right, s2)], (precision, scale), range, dividend)
            }
        }
    }

    /// Emits the operation on operands at their scales, all of one width: 64 bits when operands, result and
    /// `between`, what is computed on the way, fit it.
    fn decimal_result(
        &mut self,
        op: ArithmeticOp,
        operands: [(&Operand, i8); 2],
        (precision, scale): (u8, i8),
        range: Interval,
        between: Interval,
    ) -> Result<Operand> {
        let fit = |lowering: &Self| {
            operands.iter().all(|(operand, at)| fits_decimal64(*at, lowering.range_at(operand, *at)))
        };
        let all = Interval::digits(precision);
        let narrow = fit(self) && fits_decimal64(scale, all.intersect(range)) && fits_decimal64(0, between);
        let data_type = if narrow {
            decimal_type(precision, scale, Interval::EMPTY)
        } else {
            DataType::Decimal128(precision, scale)
        };
        let [left, right] = operands;
        let left = self.operand(left.0, left.1, narrow)?;
        let right = self.operand(right.0, right.1, narrow)?;
        let fits = Interval::of_type(&data_type).is_some_and(|all| all.contains(range))
            && Interval::digits(DECIMAL128_DIGITS).contains(between);
        let column = Column::with_range(data_type, false, range);
        Ok(self.emit_arithmetic(op, left, right, column, !fits))
    }

    /// Shared end of all: NULL where an operand is; failing when checked or when it may divide by zero.
    fn emit_arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: ValueId,
        right: ValueId,
        column: Column,
        checked: bool,
    ) -> Operand {
        let divides = matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder);
        let divisor = self.known(right).interval();
        let by_zero = divides && !column.data_type().is_floating() && divisor.contains_value(0);
        let nullable = self.nullable(left) || self.nullable(right);
        let column = Column { ty: Type::new(column.ty.data_type, nullable), range: column.range };
        let op = Op::Arithmetic { op, left, right, checked };
        Operand::Computed(self.emit(op, column, checked || by_zero))
    }

    pub(super) fn negate(&mut self, input: &Operand) -> Operand {
        let input = self.own_value(input);
        let known = self.known(input).clone();
        let range = known.range.map(Interval::negated);
        let checked = match (range, Interval::of_type(known.data_type())) {
            (Some(range), Some(all)) => !all.contains(range),
            _ => !known.data_type().is_floating(),
        };
        let range = range.and_then(|range| Some(Interval::of_type(known.data_type())?.intersect(range)));
        let column = Column { ty: known.ty, range };
        Operand::Computed(self.emit(Op::Negate { input, checked }, column, checked))
    }

    /// An integer or decimal as a decimal of a scale, in 64 bits, which it is known to fit, or in 128.
    fn operand(&mut self, operand: &Operand, scale: i8, narrow: bool) -> Result<ValueId> {
        let column = self.column_of(operand);
        let same_width = is_decimal64(column.data_type()) == narrow;
        if same_width && decimal_parts(column.data_type()).is_some_and(|(_, own)| own == scale) {
            return Ok(self.own_value(operand));
        }
        let digits = digits_at(&column, scale);
        let data_type = match narrow {
            true => decimal_type(digits, scale, Interval::EMPTY),
            false => DataType::Decimal128(digits, scale),
        };
        self.value(operand, &data_type)
    }

    fn range_at(&self, operand: &Operand, scale: i8) -> Interval {
        self.column_of(operand).interval().scaled(i16::from(scale) - i16::from(self.scale_of(operand)))
    }

    fn scale_of(&self, operand: &Operand) -> i8 {
        number_scale(self.column_of(operand).data_type()).unwrap_or(0)
    }
}

fn combined(op: ArithmeticOp, left: Interval, right: Interval) -> Interval {
    match op {
        ArithmeticOp::Add => left.sum(right),
        ArithmeticOp::Subtract => left.difference(right),
        ArithmeticOp::Multiply => left.product(right),
        ArithmeticOp::Divide => left.quotient(right),
        ArithmeticOp::Remainder => left.remainder(right),
    }
}
