//! Arithmetic, checked where the program says so.

use arrow::datatypes::DataType;
use nyala_loops::{Lane, decimal, power_of_ten};
use nyala_pipeline::ValueId;
use nyala_schema::Result;
use nyala_schema::expr::ArithmeticOp;
use wasm_encoder::{Instruction as I, ValType};

use super::local::{Local, Register};
use super::{Cell, Emitter, not_done};

impl Emitter<'_, '_> {
    pub(super) fn arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: ValueId,
        right: ValueId,
        checked: bool,
        result: &DataType,
    ) -> Result<Cell> {
        let target = Lane::of(result).ok_or_else(|| not_done("arithmetic on other types"))?;
        let (left_lane, right_lane) = (self.lane(left)?, self.lane(right)?);
        let (l, r) = (self.cell(left)?, self.cell(right)?);
        let valid = self.both(l.valid, r.valid);
        if target.is_float() {
            let value = self.float_arithmetic(op, target, l.value.one()?, r.value.one()?)?;
            return Ok(Cell { value, valid });
        }
        let wide = [target, left_lane, right_lane].contains(&Lane::Wide);
        let mut value = if wide {
            self.wide_arithmetic(op, (left_lane, l.value), (right_lane, r.value), checked.then_some(valid))?
        } else {
            let value = self.narrow_arithmetic(op, target, l.value.one()?, r.value.one()?, checked, valid)?;
            Register::word(value)
        };
        let computed = if wide { Lane::Wide } else { target };
        if let (true, Some((precision, _))) = (checked, decimal(result)) {
            let bound = power_of_ten(u32::from(precision)).map_or(i128::MAX, |power| power - 1);
            if let Some(outside) = self.outside(computed, value, bound)? {
                self.fail_if(outside, valid);
            }
        }
        if wide && target != Lane::Wide {
            value = Register::word(value.two()?[0]);
        }
        Ok(Cell { value, valid })
    }

    fn float_arithmetic(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Local,
        right: Local,
    ) -> Result<Register> {
        let double = lane == Lane::Float64;
        self.ops([I::LocalGet(left), I::LocalGet(right)]);
        self.op(match (op, double) {
            (ArithmeticOp::Add, true) => I::F64Add,
            (ArithmeticOp::Add, false) => I::F32Add,
            (ArithmeticOp::Subtract, true) => I::F64Sub,
            (ArithmeticOp::Subtract, false) => I::F32Sub,
            (ArithmeticOp::Multiply, true) => I::F64Mul,
            (ArithmeticOp::Multiply, false) => I::F32Mul,
            (ArithmeticOp::Divide, true) => I::F64Div,
            (ArithmeticOp::Divide, false) => I::F32Div,
            (ArithmeticOp::Remainder, _) => return Err(not_done("the remainder of floats")),
        });
        let ty = if double { ValType::F64 } else { ValType::F32 };
        Ok(Register::One(self.keep(ty), ty))
    }

    /// In 64-bit registers. Narrower integers cannot overflow those: their range is checked behind.
    fn narrow_arithmetic(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Local,
        right: Local,
        checked: bool,
        valid: Option<Local>,
    ) -> Result<Local> {
        if matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder) {
            return Ok(self.division(op, lane, left, right, valid));
        }
        let full = lane.bytes() == 8;
        if checked && full {
            return Ok(self.checked_word(op, lane, left, right, valid));
        }
        let operation = match op {
            ArithmeticOp::Add => I::I64Add,
            ArithmeticOp::Subtract => I::I64Sub,
            ArithmeticOp::Multiply | ArithmeticOp::Divide | ArithmeticOp::Remainder => I::I64Mul,
        };
        let value = self.word([I::LocalGet(left), I::LocalGet(right), operation]);
        if checked {
            self.check_width(lane, value, valid);
        }
        Ok(value)
    }

    /// Addition, subtraction or multiplication of full words.
    fn checked_word(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Local,
        right: Local,
        valid: Option<Local>,
    ) -> Local {
        let unsigned = lane.is_unsigned();
        let operands = [I::LocalGet(left), I::LocalGet(right)];
        self.ops(operands);
        match op {
            ArithmeticOp::Add | ArithmeticOp::Subtract => {
                let add = op == ArithmeticOp::Add;
                let value = self.word([if add { I::I64Add } else { I::I64Sub }]);
                if unsigned {
                    let (one, other) = if add { (value, left) } else { (left, right) };
                    let overflow = self.flag([I::LocalGet(one), I::LocalGet(other), I::I64LtU]);
                    self.fail_if(overflow, valid);
                    return value;
                }
                // Overflowed where the operands' signs (of a difference: with the right one turned) differ from
                // the result's.
                self.ops([I::LocalGet(left), I::LocalGet(value), I::I64Xor]);
                let (one, other) = if add { (right, value) } else { (left, right) };
                self.ops([I::LocalGet(one), I::LocalGet(other), I::I64Xor, I::I64And]);
                self.fail_if_negative(valid);
                value
            }
            ArithmeticOp::Multiply | ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                self.op(if unsigned { I::I64MulWideU } else { I::I64MulWideS });
                let high = self.keep(ValType::I64);
                let value = self.keep(ValType::I64);
                self.op(I::LocalGet(high));
                if !unsigned {
                    self.ops([I::LocalGet(value), I::I64Const(63), I::I64ShrS, I::I64Xor]);
                }
                self.fail_if_not_zero(valid);
                value
            }
        }
    }

    /// Fails where a 64-bit result is not a value of the narrower lane.
    fn check_width(&mut self, lane: Lane, value: Local, valid: Option<Local>) {
        let Lane::Int { bytes, signed } = lane else { return };
        self.op(I::LocalGet(value));
        match (bytes, signed) {
            (1, true) => self.op(I::I64Extend8S),
            (2, true) => self.op(I::I64Extend16S),
            (4, true) => self.op(I::I64Extend32S),
            (1 | 2 | 4, false) => self.ops([I::I64Const((1 << (bytes * 8)) - 1), I::I64And]),
            _ => {}
        }
        self.ops([I::LocalGet(value), I::I64Xor]);
        self.fail_if_not_zero(valid);
    }

    /// The divisor is made 1 where the machine would trap.
    fn division(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Local,
        right: Local,
        valid: Option<Local>,
    ) -> Local {
        let divides = op == ArithmeticOp::Divide;
        let zero = self.flag([I::LocalGet(right), I::I64Eqz]);
        self.fail_if(zero, valid);
        let divisor = self.word([I::I64Const(1), I::LocalGet(right), I::LocalGet(zero), I::Select]);
        if lane.is_unsigned() {
            let operation = if divides { I::I64DivU } else { I::I64RemU };
            return self.word([I::LocalGet(left), I::LocalGet(divisor), operation]);
        }
        let minus_one = self.flag([I::LocalGet(right), I::I64Const(-1), I::I64Eq]);
        let divisor = self.word([I::I64Const(1), I::LocalGet(divisor), I::LocalGet(minus_one), I::Select]);
        if !divides {
            return self.word([I::LocalGet(left), I::LocalGet(divisor), I::I64RemS]);
        }
        self.ops([I::I64Const(0), I::LocalGet(left), I::I64Sub]);
        self.ops([I::LocalGet(left), I::LocalGet(divisor), I::I64DivS]);
        let value = self.word([I::LocalGet(minus_one), I::Select]);
        // The quotient of the least value by −1 never fits.
        let least = lane.integer_range().map_or(i64::MIN, |(least, _)| least as i64);
        let overflow =
            self.flag([I::LocalGet(left), I::I64Const(least), I::I64Eq, I::LocalGet(minus_one), I::I32And]);
        self.fail_if(overflow, valid);
        value
    }

    pub(super) fn negate(&mut self, input: ValueId, checked: bool) -> Result<Cell> {
        let (cell, lane) = (self.cell(input)?, self.lane(input)?);
        let value = match (cell.value, lane) {
            (Register::Two(halves), _) => self.negated_wide(halves),
            (Register::One(value, ty), Lane::Float64) => {
                Register::One(self.made(ty, [I::LocalGet(value), I::F64Neg]), ty)
            }
            (Register::One(value, ty), Lane::Float32) => {
                Register::One(self.made(ty, [I::LocalGet(value), I::F32Neg]), ty)
            }
            (Register::One(value, _), Lane::Bool | Lane::Int { .. } | Lane::Wide) => {
                let is_decimal = decimal(&self.part.facts.get(input)?.ty.data_type).is_some();
                if let (true, false, Some((least, _))) = (checked, is_decimal, lane.integer_range()) {
                    let overflow = self.flag([I::LocalGet(value), I::I64Const(least as i64), I::I64Eq]);
                    self.fail_if(overflow, cell.valid);
                }
                Register::word(self.word([I::I64Const(0), I::LocalGet(value), I::I64Sub]))
            }
        };
        Ok(Cell { value, valid: cell.valid })
    }

    /// 1 where a signed value lies outside ±`bound`: one addition and one unsigned comparison. `None` where none does.
    pub(super) fn outside(&mut self, lane: Lane, value: Register, bound: i128) -> Result<Option<Local>> {
        if lane == Lane::Wide {
            return if bound == i128::MAX {
                Ok(None)
            } else {
                self.outside_wide(value.two()?, bound).map(Some)
            };
        }
        if bound >= i128::from(i64::MAX) {
            return Ok(None);
        }
        let bound = bound as i64;
        let shifted = [I::LocalGet(value.one()?), I::I64Const(bound), I::I64Add];
        self.ops(shifted);
        Ok(Some(self.flag([I::I64Const(bound.wrapping_mul(2)), I::I64GtU])))
    }
}
