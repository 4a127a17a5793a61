//! 128 bits in two registers.

use nyala_loops::Lane;
use nyala_schema::Result;
use nyala_schema::expr::{ArithmeticOp, CompareOp};
use wasm_encoder::{BlockType, Instruction as I, ValType};

use super::local::{Local, Register};
use super::{Emitter, not_done};

/// Low and high half.
type Halves = [Local; 2];

impl Emitter<'_, '_> {
    /// `checked` carries the operands' validity when overflow matters.
    pub(super) fn wide_arithmetic(
        &mut self,
        op: ArithmeticOp,
        left: (Lane, Register),
        right: (Lane, Register),
        checked: Option<Option<Local>>,
    ) -> Result<Register> {
        let narrow = left.0 != Lane::Wide && right.0 != Lane::Wide;
        if op == ArithmeticOp::Multiply && narrow && !left.0.is_unsigned() && !right.0.is_unsigned() {
            return Ok(Register::Two(self.product(left.1.one()?, right.1.one()?)));
        }
        let (l, r) = (self.widen(left.0, left.1)?, self.widen(right.0, right.1)?);
        let value = match op {
            ArithmeticOp::Add => self.add_wide(l, r),
            ArithmeticOp::Subtract => self.subtract_wide(l, r),
            ArithmeticOp::Multiply if checked.is_some() && !narrow => {
                let (value, overflow) = self.checked_product(l, r);
                self.fail_if(overflow, checked.flatten());
                return Ok(Register::Two(value));
            }
            ArithmeticOp::Multiply => self.low_product(l, r),
            ArithmeticOp::Divide | ArithmeticOp::Remainder => return Err(not_done("division in 128 bits")),
        };
        if let Some(valid) = checked.filter(|_| !narrow) {
            let [left, right, result] = [l[1], r[1], value[1]];
            self.ops([I::LocalGet(left), I::LocalGet(result), I::I64Xor]);
            match op {
                ArithmeticOp::Subtract => self.ops([I::LocalGet(left), I::LocalGet(right)]),
                _ => self.ops([I::LocalGet(right), I::LocalGet(result)]),
            }
            self.ops([I::I64Xor, I::I64And]);
            self.fail_if_negative(valid);
        }
        Ok(Register::Two(value))
    }

    /// The two words on the stack, the high one above.
    fn keep_wide(&mut self) -> Halves {
        let high = self.keep(ValType::I64);
        let low = self.keep(ValType::I64);
        [low, high]
    }

    fn push_wide(&mut self, value: Halves) {
        self.ops([I::LocalGet(value[0]), I::LocalGet(value[1])]);
    }

    pub(super) fn add_wide(&mut self, left: Halves, right: Halves) -> Halves {
        self.push_wide(left);
        self.push_wide(right);
        self.op(I::I64Add128);
        self.keep_wide()
    }

    fn subtract_wide(&mut self, left: Halves, right: Halves) -> Halves {
        self.push_wide(left);
        self.push_wide(right);
        self.op(I::I64Sub128);
        self.keep_wide()
    }

    pub(super) fn negated_wide(&mut self, value: Halves) -> Register {
        self.ops([I::I64Const(0), I::I64Const(0)]);
        self.push_wide(value);
        self.op(I::I64Sub128);
        Register::Two(self.keep_wide())
    }

    /// Of two signed words.
    pub(super) fn product(&mut self, left: Local, right: Local) -> Halves {
        self.ops([I::LocalGet(left), I::LocalGet(right), I::I64MulWideS]);
        self.keep_wide()
    }

    /// The low 128 bits of a product.
    pub(super) fn low_product(&mut self, left: Halves, right: Halves) -> Halves {
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[0]), I::I64MulWideU]);
        let [low, high] = self.keep_wide();
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[1]), I::I64Mul]);
        self.ops([I::LocalGet(left[1]), I::LocalGet(right[0]), I::I64Mul, I::I64Add]);
        [low, self.word([I::LocalGet(high), I::I64Add])]
    }

    /// The product and 1 where it does not fit; short where both factors fit 64 bits, which is nearly always.
    fn checked_product(&mut self, left: Halves, right: Halves) -> (Halves, Local) {
        let value = [self.locals.take(ValType::I64), self.locals.take(ValType::I64)];
        let overflow = self.locals.take(ValType::I32);
        for [low, high] in [left, right] {
            self.ops([I::LocalGet(low), I::I64Const(63), I::I64ShrS, I::LocalGet(high), I::I64Xor]);
        }
        self.ops([I::I64Or, I::I64Eqz]);
        self.open(I::If(BlockType::Empty));
        let short = self.product(left[0], right[0]);
        self.ops([
            I::LocalGet(short[0]),
            I::LocalSet(value[0]),
            I::LocalGet(short[1]),
            I::LocalSet(value[1]),
        ]);
        self.ops([I::I32Const(0), I::LocalSet(overflow)]);
        self.op(I::Else);
        self.long_product(left, right, value, overflow);
        self.close();
        (value, overflow)
    }

    /// By the magnitudes: two high halves that are not 0 never fit, so that at most one of the mixed products counts.
    fn long_product(&mut self, left: Halves, right: Halves, value: Halves, overflow: Local) {
        let (left_sign, left) = self.magnitude(left);
        let (right_sign, right) = self.magnitude(right);
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[0]), I::I64MulWideU]);
        let [low, high] = self.keep_wide();
        self.ops([I::LocalGet(left[1]), I::LocalGet(right[0]), I::I64MulWideU]);
        let one = self.keep_wide();
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[1]), I::I64MulWideU]);
        let other = self.keep_wide();
        let mixed = self.word([I::LocalGet(one[0]), I::LocalGet(other[0]), I::I64Or]);
        let high = self.word([I::LocalGet(high), I::LocalGet(mixed), I::I64Add]);
        self.ops([I::LocalGet(left[1]), I::I64Eqz, I::LocalGet(right[1]), I::I64Eqz, I::I32Or, I::I32Eqz]);
        self.ops([I::LocalGet(one[1]), I::LocalGet(other[1]), I::I64Or, I::I64Const(0), I::I64Ne, I::I32Or]);
        self.ops([I::LocalGet(high), I::LocalGet(mixed), I::I64LtU, I::I32Or]);
        // The least value of all is taken to overflow, too: no decimal has as many digits.
        self.ops([I::LocalGet(high), I::I64Const(0), I::I64LtS, I::I32Or, I::LocalSet(overflow)]);
        let sign = self.word([I::LocalGet(left_sign), I::LocalGet(right_sign), I::I64Xor]);
        let [low, high] = self.turned([low, high], sign);
        self.ops([I::LocalGet(low), I::LocalSet(value[0]), I::LocalGet(high), I::LocalSet(value[1])]);
    }

    /// The sign as a word, 0 or −1, and the value without it.
    fn magnitude(&mut self, value: Halves) -> (Local, Halves) {
        let sign = self.word([I::LocalGet(value[1]), I::I64Const(63), I::I64ShrS]);
        (sign, self.turned(value, sign))
    }

    /// The value where `sign` is 0, its negative where that is −1.
    fn turned(&mut self, value: Halves, sign: Local) -> Halves {
        self.ops([I::LocalGet(value[0]), I::LocalGet(sign), I::I64Xor]);
        self.ops([I::LocalGet(value[1]), I::LocalGet(sign), I::I64Xor]);
        self.ops([I::LocalGet(sign), I::LocalGet(sign), I::I64Sub128]);
        self.keep_wide()
    }

    pub(super) fn wide_constant(&mut self, value: i128) -> Halves {
        let low = self.word([I::I64Const(value as i64)]);
        [low, self.word([I::I64Const((value >> 64) as i64)])]
    }

    /// Any integer register as 128 bits.
    pub(super) fn widen(&mut self, lane: Lane, value: Register) -> Result<Halves> {
        let low = match value {
            Register::Two(halves) => return Ok(halves),
            Register::One(low, ValType::I32) => self.word([I::LocalGet(low), I::I64ExtendI32U]),
            Register::One(low, _) => low,
        };
        let high = match lane.is_unsigned() {
            true => self.word([I::I64Const(0)]),
            false => self.word([I::LocalGet(low), I::I64Const(63), I::I64ShrS]),
        };
        Ok([low, high])
    }

    pub(super) fn outside_wide(&mut self, value: Halves, bound: i128) -> Result<Local> {
        let offset = self.wide_constant(bound);
        let shifted = self.add_wide(value, offset);
        let span = self.wide_constant(bound.wrapping_mul(2));
        Ok(self.less_wide(span, shifted, true))
    }

    /// Of two signed values, `Distinct` standing for `NotEqual` and so on.
    pub(super) fn compare_wide(&mut self, op: CompareOp, left: Halves, right: Halves) -> Local {
        match op {
            CompareOp::Equal | CompareOp::NotDistinct => self.equal_wide(left, right),
            CompareOp::NotEqual | CompareOp::Distinct => {
                let equal = self.equal_wide(left, right);
                self.not(equal)
            }
            CompareOp::Less => self.less_wide(left, right, false),
            CompareOp::Greater => self.less_wide(right, left, false),
            CompareOp::LessOrEqual => {
                let greater = self.less_wide(right, left, false);
                self.not(greater)
            }
            CompareOp::GreaterOrEqual => {
                let less = self.less_wide(left, right, false);
                self.not(less)
            }
        }
    }

    fn equal_wide(&mut self, left: Halves, right: Halves) -> Local {
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[0]), I::I64Xor]);
        self.ops([I::LocalGet(left[1]), I::LocalGet(right[1]), I::I64Xor]);
        self.flag([I::I64Or, I::I64Eqz])
    }

    fn less_wide(&mut self, left: Halves, right: Halves, unsigned: bool) -> Local {
        self.ops([I::LocalGet(left[0]), I::LocalGet(right[0]), I::I64LtU]);
        self.ops([I::LocalGet(left[1]), I::LocalGet(right[1])]);
        self.op(if unsigned { I::I64LtU } else { I::I64LtS });
        self.ops([I::LocalGet(left[1]), I::LocalGet(right[1]), I::I64Eq]);
        self.flag([I::Select])
    }
}
