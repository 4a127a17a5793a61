//! Arithmetic, checked where the program says so.

use arrow::datatypes::DataType;
use cranelift_codegen::ir::condcodes::IntCC;
use cranelift_codegen::ir::{
    AbiParam, BlockArg, InstBuilder, Signature, StackSlotData, StackSlotKind, Value, types,
};
use cranelift_codegen::isa::CallConv;
use nyala_pipeline::ValueId;
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::{Error, Result};

use super::{Cell, Emitter, not_native, trusted};
use nyala_loops::{Lane, decimal, power_of_ten};

use crate::register::Registers;

impl Emitter<'_, '_> {
    pub(super) fn arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: ValueId,
        right: ValueId,
        checked: bool,
        result: &DataType,
    ) -> Result<Cell> {
        let target = Lane::of(result).ok_or_else(|| not_native("arithmetic on other types"))?;
        let (left_lane, right_lane) = (self.lane(left)?, self.lane(right)?);
        let (l, r) = (self.cell(left)?, self.cell(right)?);
        let valid = self.both(l.valid, r.valid);
        if target.is_float() {
            let value = self.float_arithmetic(op, l.value, r.value)?;
            return Ok(Cell { value, valid });
        }
        let wide = [target, left_lane, right_lane].contains(&Lane::Wide);
        let mut value = if wide {
            self.wide_arithmetic(op, (left_lane, l.value), (right_lane, r.value), checked.then_some(valid))?
        } else {
            self.narrow_arithmetic(op, target, l.value, r.value, checked, valid)?
        };
        let computed = if wide { Lane::Wide } else { target };
        if let (true, Some((precision, _))) = (checked, decimal(result)) {
            let bound = power_of_ten(u32::from(precision)).map_or(i128::MAX, |power| power - 1);
            let outside = self.outside(computed, value, bound);
            self.fail_if(outside, valid);
        }
        if wide && target != Lane::Wide {
            value = self.ins().ireduce(types::I64, value);
        }
        Ok(Cell { value, valid })
    }

    fn float_arithmetic(&mut self, op: ArithmeticOp, left: Value, right: Value) -> Result<Value> {
        Ok(match op {
            ArithmeticOp::Add => self.ins().fadd(left, right),
            ArithmeticOp::Subtract => self.ins().fsub(left, right),
            ArithmeticOp::Multiply => self.ins().fmul(left, right),
            ArithmeticOp::Divide => self.ins().fdiv(left, right),
            ArithmeticOp::Remainder => return Err(not_native("the remainder of floats")),
        })
    }

    /// In 64-bit registers. Narrower integers cannot overflow those: their range is checked behind.
    fn narrow_arithmetic(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Value,
        right: Value,
        checked: bool,
        valid: Option<Value>,
    ) -> Result<Value> {
        if matches!(op, ArithmeticOp::Divide | ArithmeticOp::Remainder) {
            return Ok(self.division(op, lane, left, right, valid));
        }
        let full = lane.bytes() == 8;
        if !checked || !full {
            let value = match op {
                ArithmeticOp::Add => self.ins().iadd(left, right),
                ArithmeticOp::Subtract => self.ins().isub(left, right),
                _ => self.ins().imul(left, right),
            };
            if checked {
                self.check_width(lane, value, valid);
            }
            return Ok(value);
        }
        let unsigned = lane.is_unsigned();
        let (value, overflow) = match op {
            ArithmeticOp::Add if unsigned => self.ins().uadd_overflow(left, right),
            ArithmeticOp::Add => self.ins().sadd_overflow(left, right),
            ArithmeticOp::Subtract if unsigned => self.ins().usub_overflow(left, right),
            ArithmeticOp::Subtract => self.ins().ssub_overflow(left, right),
            _ if unsigned => self.ins().umul_overflow(left, right),
            _ => self.ins().smul_overflow(left, right),
        };
        self.fail_if(overflow, valid);
        Ok(value)
    }

    /// Fails where a 64-bit result is not a value of the narrower lane.
    fn check_width(&mut self, lane: Lane, value: Value, valid: Option<Value>) {
        let stored = lane.stored();
        if stored == types::I64 {
            return;
        }
        let cut = self.ins().ireduce(stored, value);
        let again = match lane.is_unsigned() {
            true => self.ins().uextend(types::I64, cut),
            false => self.ins().sextend(types::I64, cut),
        };
        let differs = self.ins().icmp(IntCC::NotEqual, again, value);
        self.fail_if(differs, valid);
    }

    /// The divisor is made 1 where the machine would trap.
    fn division(
        &mut self,
        op: ArithmeticOp,
        lane: Lane,
        left: Value,
        right: Value,
        valid: Option<Value>,
    ) -> Value {
        let zero = self.ins().icmp_imm_s(IntCC::Equal, right, 0);
        self.fail_if(zero, valid);
        let one = self.ins().iconst(types::I64, 1);
        let divisor = self.ins().select(zero, one, right);
        if lane.is_unsigned() {
            return match op {
                ArithmeticOp::Divide => self.ins().udiv(left, divisor),
                _ => self.ins().urem(left, divisor),
            };
        }
        let minus_one = self.ins().icmp_imm_s(IntCC::Equal, right, -1);
        let divisor = self.ins().select(minus_one, one, divisor);
        if op == ArithmeticOp::Remainder {
            return self.ins().srem(left, divisor);
        }
        let quotient = self.ins().sdiv(left, divisor);
        let negated = self.ins().ineg(left);
        let value = self.ins().select(minus_one, negated, quotient);
        // The quotient of the least value by −1 never fits.
        let least = lane.integer_range().map_or(i128::MIN, |(least, _)| least);
        let least = self.integer(types::I64, least);
        let is_least = self.ins().icmp(IntCC::Equal, left, least);
        let overflow = self.ins().band(is_least, minus_one);
        self.fail_if(overflow, valid);
        value
    }

    /// In 128 bits. `checked` carries the operands' validity when overflow matters.
    fn wide_arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: (Lane, Value),
        right: (Lane, Value),
        checked: Option<Option<Value>>,
    ) -> Result<Value> {
        let narrow = left.0 != Lane::Wide && right.0 != Lane::Wide;
        let (l, r) = (self.widen(left.0, left.1), self.widen(right.0, right.1));
        let Some(valid) = checked.filter(|_| !narrow) else {
            return Ok(match op {
                ArithmeticOp::Add => self.ins().iadd(l, r),
                ArithmeticOp::Subtract => self.ins().isub(l, r),
                ArithmeticOp::Multiply => self.ins().imul(l, r),
                ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                    return Err(not_native("division in 128 bits"));
                }
            });
        };
        let (value, overflow) = match op {
            ArithmeticOp::Add => self.ins().sadd_overflow(l, r),
            ArithmeticOp::Subtract => self.ins().ssub_overflow(l, r),
            ArithmeticOp::Multiply => self.multiply_wide(l, r),
            ArithmeticOp::Divide | ArithmeticOp::Remainder => {
                return Err(Error::internal("division in 128 bits"));
            }
        };
        self.fail_if(overflow, valid);
        Ok(value)
    }

    /// Inline where both factors fit 64 bits, which is nearly always; by a call otherwise.
    fn multiply_wide(&mut self, left: Value, right: Value) -> (Value, Value) {
        let (left_low, left_high) = self.ins().isplit(left);
        let (right_low, right_high) = self.ins().isplit(right);
        let left_sign = self.ins().sshr_imm_u(left_low, 63);
        let right_sign = self.ins().sshr_imm_u(right_low, 63);
        let left_excess = self.ins().bxor(left_sign, left_high);
        let right_excess = self.ins().bxor(right_sign, right_high);
        let excess = self.ins().bor(left_excess, right_excess);
        let [short, long, join] = [(); 3].map(|()| self.builder.create_block());
        self.builder.set_cold_block(long);
        let product = self.builder.append_block_param(join, types::I128);
        let overflow = self.builder.append_block_param(join, types::I8);
        self.ins().brif(excess, long, &[], short, &[]);

        self.builder.switch_to_block(short);
        let l = self.ins().sextend(types::I128, left_low);
        let r = self.ins().sextend(types::I128, right_low);
        let value = self.ins().imul(l, r);
        let no = self.ins().iconst(types::I8, 0);
        self.ins().jump(join, &[BlockArg::Value(value), BlockArg::Value(no)]);

        self.builder.switch_to_block(long);
        let arguments = [left_low, left_high, right_low, right_high];
        let (value, failed) = self.call_multiply(arguments);
        self.ins().jump(join, &[BlockArg::Value(value), BlockArg::Value(failed)]);

        self.builder.switch_to_block(join);
        (product, overflow)
    }

    fn call_multiply(&mut self, halves: [Value; 4]) -> (Value, Value) {
        let mut signature = Signature::new(self.call_conv());
        signature.params.extend([AbiParam::new(types::I64); 5]);
        signature.returns.push(AbiParam::new(types::I64));
        let signature = self.builder.import_signature(signature);
        let slot =
            self.builder.create_sized_stack_slot(StackSlotData::new(StackSlotKind::ExplicitSlot, 16, 4));
        let out = self.ins().stack_addr(types::I64, slot, 0);
        let [a, b, c, d] = halves;
        let function = self.bases.multiply_wide;
        let call = self.ins().call_indirect(signature, function, &[a, b, c, d, out]);
        let overflow = self.builder.inst_results(call)[0];
        let overflow = self.ins().ireduce(types::I8, overflow);
        let value = self.ins().load(types::I128, trusted(), out, 0);
        (value, overflow)
    }

    fn call_conv(&self) -> CallConv {
        self.builder.func.signature.call_conv
    }

    pub(super) fn negate(&mut self, input: ValueId, checked: bool) -> Result<Cell> {
        let (cell, lane) = (self.cell(input)?, self.lane(input)?);
        if lane.is_float() {
            return Ok(Cell { value: self.ins().fneg(cell.value), ..cell });
        }
        let is_decimal = decimal(&self.part.facts.get(input)?.ty.data_type).is_some();
        if let (true, false, Some((least, _))) = (checked, is_decimal, lane.integer_range()) {
            let least = self.integer(types::I64, least);
            let overflow = self.ins().icmp(IntCC::Equal, cell.value, least);
            self.fail_if(overflow, cell.valid);
        }
        Ok(Cell { value: self.ins().ineg(cell.value), ..cell })
    }

    /// 1 where a signed value lies outside ±`bound`: one addition and one unsigned comparison.
    pub(super) fn outside(&mut self, lane: Lane, value: Value, bound: i128) -> Value {
        let register = lane.register();
        let width_max = if lane == Lane::Wide { i128::MAX } else { i128::from(i64::MAX) };
        if bound >= width_max {
            return self.ins().iconst(types::I8, 0);
        }
        let offset = self.integer(register, bound);
        let span = self.integer(register, bound.wrapping_mul(2));
        let shifted = self.ins().iadd(value, offset);
        self.ins().icmp(IntCC::UnsignedGreaterThan, shifted, span)
    }

    /// Any integer register as 128 bits.
    pub(super) fn widen(&mut self, lane: Lane, value: Value) -> Value {
        match lane {
            Lane::Wide => value,
            _ if lane.is_unsigned() => self.ins().uextend(types::I128, value),
            _ => self.ins().sextend(types::I128, value),
        }
    }
}
