//! Comparisons, in SQL's order: NaN equals itself and is greater than all else, −0 equals 0.

use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use nyala_pipeline::ValueId;
use nyala_schema::Result;
use nyala_schema::expr::CompareOp;

use super::{Cell, Emitter};
use nyala_loops::Lane;

impl Emitter<'_, '_> {
    pub(super) fn compare(&mut self, op: CompareOp, left: ValueId, right: ValueId) -> Result<Cell> {
        let (mut lane, right_lane) = (self.lane(left)?, self.lane(right)?);
        let (mut l, mut r) = (self.cell(left)?, self.cell(right)?);
        if lane != right_lane && (lane == Lane::Wide || right_lane == Lane::Wide) {
            l.value = self.widen(lane, l.value);
            r.value = self.widen(right_lane, r.value);
            lane = Lane::Wide;
        }
        let value = self.compare_values(op, lane, l.value, r.value);
        if matches!(op, CompareOp::Distinct | CompareOp::NotDistinct) {
            let value = self.distinct(op, value, l, r);
            return Ok(Cell { value, valid: None });
        }
        Ok(Cell { value, valid: self.both(l.valid, r.valid) })
    }

    /// From the comparison of the values to that of possible NULLs. `value` is `Equal`'s or `NotEqual`'s.
    fn distinct(&mut self, op: CompareOp, value: Value, left: Cell, right: Cell) -> Value {
        let Some(both) = self.both(left.valid, right.valid) else { return value };
        let one = self.ins().iconst(types::I8, 1);
        let (left, right) = (left.valid.unwrap_or(one), right.valid.unwrap_or(one));
        if op == CompareOp::Distinct {
            let one_null = self.ins().bxor(left, right);
            let differ = self.ins().band(both, value);
            return self.ins().bor(one_null, differ);
        }
        let any = self.ins().bor(left, right);
        let both_null = self.not(any);
        let equal = self.ins().band(both, value);
        self.ins().bor(both_null, equal)
    }

    /// 1 where `left op right` holds of two valid values.
    pub(super) fn compare_values(&mut self, op: CompareOp, lane: Lane, left: Value, right: Value) -> Value {
        if lane.is_float() {
            return self.compare_floats(op, left, right);
        }
        let unsigned = lane.is_unsigned();
        let condition = match op {
            CompareOp::Equal | CompareOp::NotDistinct => IntCC::Equal,
            CompareOp::NotEqual | CompareOp::Distinct => IntCC::NotEqual,
            CompareOp::Less if unsigned => IntCC::UnsignedLessThan,
            CompareOp::Less => IntCC::SignedLessThan,
            CompareOp::LessOrEqual if unsigned => IntCC::UnsignedLessThanOrEqual,
            CompareOp::LessOrEqual => IntCC::SignedLessThanOrEqual,
            CompareOp::Greater if unsigned => IntCC::UnsignedGreaterThan,
            CompareOp::Greater => IntCC::SignedGreaterThan,
            CompareOp::GreaterOrEqual if unsigned => IntCC::UnsignedGreaterThanOrEqual,
            CompareOp::GreaterOrEqual => IntCC::SignedGreaterThanOrEqual,
        };
        self.ins().icmp(condition, left, right)
    }

    fn compare_floats(&mut self, op: CompareOp, left: Value, right: Value) -> Value {
        match op {
            CompareOp::Equal | CompareOp::NotDistinct => self.floats_equal(left, right),
            CompareOp::NotEqual | CompareOp::Distinct => {
                let equal = self.floats_equal(left, right);
                self.not(equal)
            }
            CompareOp::Less => self.float_less(left, right),
            CompareOp::Greater => self.float_less(right, left),
            CompareOp::LessOrEqual => {
                let greater = self.float_less(right, left);
                self.not(greater)
            }
            CompareOp::GreaterOrEqual => {
                let less = self.float_less(left, right);
                self.not(less)
            }
        }
    }

    fn floats_equal(&mut self, left: Value, right: Value) -> Value {
        let equal = self.ins().fcmp(FloatCC::Equal, left, right);
        let left_nan = self.ins().fcmp(FloatCC::Unordered, left, left);
        let right_nan = self.ins().fcmp(FloatCC::Unordered, right, right);
        let both_nan = self.ins().band(left_nan, right_nan);
        self.ins().bor(equal, both_nan)
    }

    /// Not a NaN itself, and less or compared with NaN.
    fn float_less(&mut self, left: Value, right: Value) -> Value {
        let less = self.ins().fcmp(FloatCC::UnorderedOrLessThan, left, right);
        let number = self.ins().fcmp(FloatCC::Ordered, left, left);
        self.ins().band(less, number)
    }

    pub(super) fn less(&mut self, lane: Lane, left: Value, right: Value) -> Value {
        self.compare_values(CompareOp::Less, lane, left, right)
    }
}
