//! Comparisons, in SQL's order: NaN equals itself and is greater than all else, −0 equals 0.

use nyala_loops::Lane;
use nyala_pipeline::ValueId;
use nyala_schema::Result;
use nyala_schema::expr::CompareOp;
use wasm_encoder::Instruction as I;

use super::local::{Local, Register};
use super::{Cell, Emitter};

impl Emitter<'_, '_> {
    pub(super) fn compare(&mut self, op: CompareOp, left: ValueId, right: ValueId) -> Result<Cell> {
        let (mut lane, right_lane) = (self.lane(left)?, self.lane(right)?);
        let (mut l, mut r) = (self.cell(left)?, self.cell(right)?);
        if lane != right_lane && (lane == Lane::Wide || right_lane == Lane::Wide) {
            l.value = Register::Two(self.widen(lane, l.value)?);
            r.value = Register::Two(self.widen(right_lane, r.value)?);
            lane = Lane::Wide;
        }
        let value = self.compare_values(op, lane, l.value, r.value)?;
        if matches!(op, CompareOp::Distinct | CompareOp::NotDistinct) {
            let value = self.distinct(op, value, l, r);
            return Ok(Cell { value: Register::flag(value), valid: None });
        }
        Ok(Cell { value: Register::flag(value), valid: self.both(l.valid, r.valid) })
    }

    /// From the comparison of the values to that of possible NULLs. `value` is `Equal`'s or `NotEqual`'s.
    fn distinct(&mut self, op: CompareOp, value: Local, left: Cell, right: Cell) -> Local {
        let Some(both) = self.both(left.valid, right.valid) else { return value };
        let push = |emitter: &mut Self, valid: Option<Local>| match valid {
            Some(valid) => emitter.op(I::LocalGet(valid)),
            None => emitter.op(I::I32Const(1)),
        };
        push(self, left.valid);
        push(self, right.valid);
        if op == CompareOp::Distinct {
            self.op(I::I32Xor);
        } else {
            self.ops([I::I32Or, I::I32Eqz]);
        }
        self.flag([I::LocalGet(both), I::LocalGet(value), I::I32And, I::I32Or])
    }

    /// 1 where `left op right` holds of two valid values.
    pub(super) fn compare_values(
        &mut self,
        op: CompareOp,
        lane: Lane,
        left: Register,
        right: Register,
    ) -> Result<Local> {
        if lane == Lane::Wide {
            return Ok(self.compare_wide(op, left.two()?, right.two()?));
        }
        let (left, right) = (left.one()?, right.one()?);
        if lane.is_float() {
            return Ok(self.compare_floats(op, lane, left, right));
        }
        self.ops([I::LocalGet(left), I::LocalGet(right)]);
        Ok(self.flag([if lane == Lane::Bool { compare_flags(op) } else { compare_words(op, lane) }]))
    }

    fn compare_floats(&mut self, op: CompareOp, lane: Lane, left: Local, right: Local) -> Local {
        match op {
            CompareOp::Equal | CompareOp::NotDistinct => self.floats_equal(lane, left, right),
            CompareOp::NotEqual | CompareOp::Distinct => {
                let equal = self.floats_equal(lane, left, right);
                self.not(equal)
            }
            CompareOp::Less => self.float_less(lane, left, right),
            CompareOp::Greater => self.float_less(lane, right, left),
            CompareOp::LessOrEqual => {
                let greater = self.float_less(lane, right, left);
                self.not(greater)
            }
            CompareOp::GreaterOrEqual => {
                let less = self.float_less(lane, left, right);
                self.not(less)
            }
        }
    }

    /// Whether a float is a number is asked by comparing it with itself, in the way that takes one instruction less.
    fn floats_equal(&mut self, lane: Lane, left: Local, right: Local) -> Local {
        let double = lane == Lane::Float64;
        let (equal, not_less) = if double { (I::F64Eq, I::F64Ge) } else { (I::F32Eq, I::F32Ge) };
        self.ops([I::LocalGet(left), I::LocalGet(right), equal]);
        self.ops([I::LocalGet(left), I::LocalGet(left), not_less.clone()]);
        self.ops([I::LocalGet(right), I::LocalGet(right), not_less]);
        self.flag([I::I32Or, I::I32Eqz, I::I32Or])
    }

    /// Not a NaN itself, and less or compared with NaN: of the numbers, those that are not greater or equal, which
    /// NaN never is.
    fn float_less(&mut self, lane: Lane, left: Local, right: Local) -> Local {
        let not_less = if lane == Lane::Float64 { I::F64Ge } else { I::F32Ge };
        self.ops([I::LocalGet(left), I::LocalGet(left), not_less.clone()]);
        self.ops([I::LocalGet(left), I::LocalGet(right), not_less]);
        self.flag([I::I32Xor])
    }
}

fn compare_words(op: CompareOp, lane: Lane) -> I<'static> {
    let unsigned = lane.is_unsigned();
    match op {
        CompareOp::Equal | CompareOp::NotDistinct => I::I64Eq,
        CompareOp::NotEqual | CompareOp::Distinct => I::I64Ne,
        CompareOp::Less if unsigned => I::I64LtU,
        CompareOp::Less => I::I64LtS,
        CompareOp::LessOrEqual if unsigned => I::I64LeU,
        CompareOp::LessOrEqual => I::I64LeS,
        CompareOp::Greater if unsigned => I::I64GtU,
        CompareOp::Greater => I::I64GtS,
        CompareOp::GreaterOrEqual if unsigned => I::I64GeU,
        CompareOp::GreaterOrEqual => I::I64GeS,
    }
}

fn compare_flags(op: CompareOp) -> I<'static> {
    match op {
        CompareOp::Equal | CompareOp::NotDistinct => I::I32Eq,
        CompareOp::NotEqual | CompareOp::Distinct => I::I32Ne,
        CompareOp::Less => I::I32LtU,
        CompareOp::LessOrEqual => I::I32LeU,
        CompareOp::Greater => I::I32GtU,
        CompareOp::GreaterOrEqual => I::I32GeU,
    }
}
