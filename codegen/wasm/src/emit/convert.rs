//! Casts between fixed-width types.

use arrow::datatypes::DataType;
use nyala_loops::{Conversion, Lane, power_of_ten};
use nyala_pipeline::ValueId;
use nyala_schema::Result;
use wasm_encoder::{Instruction as I, ValType};

use super::local::{Local, Register, register_type};
use super::{Cell, Emitter, not_done};

impl Emitter<'_, '_> {
    pub(super) fn convert(&mut self, input: ValueId, safe: bool, to: &DataType) -> Result<Cell> {
        let from = &self.part.facts.get(input)?.ty.data_type;
        let conversion = Conversion::between(from, to).ok_or_else(|| not_done("a cast"))?;
        let (source, cell) = (self.lane(input)?, self.cell(input)?);
        let target = Lane::of(to).ok_or_else(|| not_done("a cast"))?;
        let fails = conversion.can_fail(from, to);
        let (value, unfit) = self.converted(conversion, source, target, cell.value)?;
        let Some(unfit) = unfit.filter(|_| fails) else { return Ok(Cell { value, valid: cell.valid }) };
        if !safe {
            self.fail_if(unfit, cell.valid);
            return Ok(Cell { value, valid: cell.valid });
        }
        let fits = self.not(unfit);
        Ok(Cell { value, valid: self.both(cell.valid, Some(fits)) })
    }

    /// The value, and 1 where it does not fit.
    fn converted(
        &mut self,
        conversion: Conversion,
        source: Lane,
        target: Lane,
        value: Register,
    ) -> Result<(Register, Option<Local>)> {
        Ok(match conversion {
            Conversion::Same => (value, None),
            Conversion::Integer => (value, self.out_of_range(source, target, value.one()?)),
            Conversion::BoolToInteger => {
                (Register::word(self.word([I::LocalGet(value.one()?), I::I64ExtendI32U])), None)
            }
            Conversion::IntegerToBool => {
                (Register::flag(self.flag([I::LocalGet(value.one()?), I::I64Const(0), I::I64Ne])), None)
            }
            Conversion::IntegerToFloat => (self.integer_to_float(source, target, value.one()?), None),
            Conversion::FloatToFloat => {
                let step = if target == Lane::Float64 { I::F64PromoteF32 } else { I::F32DemoteF64 };
                let ty = register_type(target);
                (Register::One(self.made(ty, [I::LocalGet(value.one()?), step]), ty), None)
            }
            Conversion::DecimalToFloat { digits } => {
                let power = factor(digits)? as f64;
                let value =
                    [I::LocalGet(value.one()?), I::F64ConvertI64S, I::F64Const(power.into()), I::F64Div];
                (Register::One(self.made(ValType::F64, value), ValType::F64), None)
            }
            Conversion::FloatToInteger => self.float_to_integer(source, target, value.one()?),
            Conversion::DecimalToInteger { digits } => {
                let factor = factor(digits)?;
                let whole = self.word([I::LocalGet(value.one()?), I::I64Const(factor), I::I64DivS]);
                (Register::word(whole), self.out_of_range(source, target, whole))
            }
            Conversion::ScaleUp { digits, bound } => self.scale_up(source, target, value, digits, bound)?,
            Conversion::ScaleDown { digits, bound } => {
                self.scale_down(source, target, value.one()?, digits, bound)?
            }
        })
    }

    fn integer_to_float(&mut self, source: Lane, target: Lane, value: Local) -> Register {
        let step = match (target == Lane::Float64, source.is_unsigned()) {
            (true, true) => I::F64ConvertI64U,
            (true, false) => I::F64ConvertI64S,
            (false, true) => I::F32ConvertI64U,
            (false, false) => I::F32ConvertI64S,
        };
        let ty = register_type(target);
        Register::One(self.made(ty, [I::LocalGet(value), step]), ty)
    }

    fn out_of_range(&mut self, source: Lane, target: Lane, value: Local) -> Option<Local> {
        let ((low, high), (least, greatest)) = (source.integer_range()?, target.integer_range()?);
        let unsigned = source.is_unsigned();
        let below =
            (low < least).then(|| self.flag([I::LocalGet(value), I::I64Const(least as i64), I::I64LtS]));
        let above = (high > greatest).then(|| {
            let condition = if unsigned { I::I64GtU } else { I::I64GtS };
            self.flag([I::LocalGet(value), I::I64Const(greatest as i64), condition])
        });
        match (below, above) {
            (Some(below), Some(above)) => Some(self.or_flags(below, above)),
            (one, other) => one.or(other),
        }
    }

    /// Compared as 64-bit floats: exact for either width of float, and NaN fails every comparison.
    fn float_to_integer(&mut self, source: Lane, target: Lane, value: Local) -> (Register, Option<Local>) {
        let value = match source {
            Lane::Float32 => self.made(ValType::F64, [I::LocalGet(value), I::F64PromoteF32]),
            Lane::Bool | Lane::Int { .. } | Lane::Wide | Lane::Float64 => value,
        };
        let (least, greatest) = target.integer_range().unwrap_or_default();
        // The bounds are powers of two, or one beside them where 53 bits hold that.
        let (low, condition) = match least {
            least if least < i128::from(i32::MIN) => (least, I::F64Ge),
            least => (least - 1, I::F64Gt),
        };
        self.ops([I::LocalGet(value), I::F64Const((low as f64).into()), condition]);
        self.ops([I::LocalGet(value), I::F64Const(((greatest + 1) as f64).into()), I::F64Lt]);
        let unfit = self.flag([I::I32And, I::I32Eqz]);
        let step = if target.is_unsigned() { I::I64TruncSatF64U } else { I::I64TruncSatF64S };
        let whole = self.word([I::LocalGet(value), step]);
        (Register::word(whole), Some(unfit))
    }

    fn scale_up(
        &mut self,
        source: Lane,
        target: Lane,
        value: Register,
        digits: u32,
        bound: Option<i128>,
    ) -> Result<(Register, Option<Local>)> {
        let factor = power_of_ten(digits).ok_or_else(|| not_done("a cast of that scale"))?;
        let unfit = match bound {
            None => None,
            Some(bound) if source == (Lane::Int { bytes: 8, signed: false }) => {
                let bound = bound.min(i128::from(u64::MAX)) as i64;
                Some(self.flag([I::LocalGet(value.one()?), I::I64Const(bound), I::I64GtU]))
            }
            Some(bound) => self.outside(source, value, bound)?,
        };
        if target != Lane::Wide {
            let low = if source == Lane::Wide { value.two()?[0] } else { value.one()? };
            let scaled = match digits {
                0 => low,
                _ => self.word([I::LocalGet(low), I::I64Const(factor as i64), I::I64Mul]),
            };
            return Ok((Register::word(scaled), unfit));
        }
        let short = i64::try_from(factor).ok();
        let scaled = match (source, short) {
            (_, _) if digits == 0 => self.widen(source, value)?,
            (Lane::Int { signed: true, .. }, Some(short)) => {
                let short = self.word([I::I64Const(short)]);
                self.product(value.one()?, short)
            }
            _ => {
                let (wide, factor) = (self.widen(source, value)?, self.wide_constant(factor));
                self.low_product(wide, factor)
            }
        };
        Ok((Register::Two(scaled), unfit))
    }

    fn scale_down(
        &mut self,
        source: Lane,
        target: Lane,
        value: Local,
        digits: u32,
        bound: Option<i128>,
    ) -> Result<(Register, Option<Local>)> {
        let factor = factor(digits)?;
        let quotient = self.word([I::LocalGet(value), I::I64Const(factor), I::I64DivS]);
        self.ops([I::LocalGet(value), I::LocalGet(quotient), I::I64Const(factor), I::I64Mul]);
        let rest = self.word([I::I64Sub]);
        self.op(I::LocalGet(quotient));
        self.ops([I::LocalGet(rest), I::I64Const(factor / 2), I::I64GeS, I::I64ExtendI32U, I::I64Add]);
        self.ops([I::LocalGet(rest), I::I64Const(-(factor / 2)), I::I64LeS, I::I64ExtendI32U]);
        let rounded = Register::word(self.word([I::I64Sub]));
        let unfit = match bound {
            Some(bound) => self.outside(source, rounded, bound)?,
            None => None,
        };
        match target {
            Lane::Wide => Ok((Register::Two(self.widen(source, rounded)?), unfit)),
            Lane::Bool | Lane::Int { .. } | Lane::Float32 | Lane::Float64 => Ok((rounded, unfit)),
        }
    }
}

/// 10^digits, where 64 bits hold it.
fn factor(digits: u32) -> Result<i64> {
    let factor = power_of_ten(digits).and_then(|factor| i64::try_from(factor).ok());
    factor.ok_or_else(|| not_done("a cast of that scale"))
}
