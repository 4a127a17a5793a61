//! Casts between fixed-width types.

use arrow::datatypes::DataType;
use cranelift_codegen::ir::condcodes::{FloatCC, IntCC};
use cranelift_codegen::ir::{InstBuilder, Value, types};
use nyala_pipeline::ValueId;
use nyala_schema::Result;

use super::{Cell, Emitter, not_native};
use nyala_loops::Conversion;
use nyala_loops::{Lane, power_of_ten};

use crate::register::Registers;

impl Emitter<'_, '_> {
    pub(super) fn convert(&mut self, input: ValueId, safe: bool, to: &DataType) -> Result<Cell> {
        let from = &self.part.facts.get(input)?.ty.data_type;
        let conversion = Conversion::between(from, to).ok_or_else(|| not_native("a cast"))?;
        let (source, cell) = (self.lane(input)?, self.cell(input)?);
        let target = Lane::of(to).ok_or_else(|| not_native("a cast"))?;
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
        value: Value,
    ) -> Result<(Value, Option<Value>)> {
        Ok(match conversion {
            Conversion::Same => (value, None),
            Conversion::Integer => (value, self.out_of_range(source, target, value)),
            Conversion::BoolToInteger => (self.ins().uextend(types::I64, value), None),
            Conversion::IntegerToBool => (self.ins().icmp_imm_s(IntCC::NotEqual, value, 0), None),
            Conversion::IntegerToFloat => {
                let value = match source.is_unsigned() {
                    true => self.ins().fcvt_from_uint(target.register(), value),
                    false => self.ins().fcvt_from_sint(target.register(), value),
                };
                (value, None)
            }
            Conversion::FloatToFloat => match target {
                Lane::Float64 => (self.ins().fpromote(types::F64, value), None),
                _ => (self.ins().fdemote(types::F32, value), None),
            },
            Conversion::DecimalToFloat { digits } => {
                let value = self.ins().fcvt_from_sint(types::F64, value);
                let power = self.ins().f64const(10f64.powi(digits as i32));
                (self.ins().fdiv(value, power), None)
            }
            Conversion::FloatToInteger => self.float_to_integer(source, target, value),
            Conversion::DecimalToInteger { digits } => {
                let factor = factor(digits)?;
                let divisor = self.ins().iconst(types::I64, factor);
                let whole = self.ins().sdiv(value, divisor);
                (whole, self.out_of_range(source, target, whole))
            }
            Conversion::ScaleUp { digits, bound } => self.scale_up(source, target, value, digits, bound)?,
            Conversion::ScaleDown { digits, bound } => {
                self.scale_down(source, target, value, digits, bound)?
            }
        })
    }

    fn out_of_range(&mut self, source: Lane, target: Lane, value: Value) -> Option<Value> {
        let ((low, high), (least, greatest)) = (source.integer_range()?, target.integer_range()?);
        let unsigned = source.is_unsigned();
        let below = (low < least).then(|| {
            let least = self.integer(types::I64, least);
            self.ins().icmp(IntCC::SignedLessThan, value, least)
        });
        let above = (high > greatest).then(|| {
            let condition = if unsigned { IntCC::UnsignedGreaterThan } else { IntCC::SignedGreaterThan };
            let greatest = self.integer(types::I64, greatest);
            self.ins().icmp(condition, value, greatest)
        });
        match (below, above) {
            (Some(below), Some(above)) => Some(self.ins().bor(below, above)),
            (one, other) => one.or(other),
        }
    }

    /// Compared as 64-bit floats: exact for either width of float, and NaN fails every comparison.
    fn float_to_integer(&mut self, source: Lane, target: Lane, value: Value) -> (Value, Option<Value>) {
        let value = if source == Lane::Float32 { self.ins().fpromote(types::F64, value) } else { value };
        let (least, greatest) = target.integer_range().unwrap_or_default();
        // The bounds are powers of two, or one beside them where 53 bits hold that.
        let (low, condition) = match least {
            least if least < i128::from(i32::MIN) => (least, FloatCC::GreaterThanOrEqual),
            least => (least - 1, FloatCC::GreaterThan),
        };
        let low = self.ins().f64const(low as f64);
        let high = self.ins().f64const((greatest + 1) as f64);
        let above = self.ins().fcmp(condition, value, low);
        let below = self.ins().fcmp(FloatCC::LessThan, value, high);
        let fits = self.ins().band(above, below);
        let unfit = self.not(fits);
        let whole = match target.is_unsigned() {
            true => self.ins().fcvt_to_uint_sat(types::I64, value),
            false => self.ins().fcvt_to_sint_sat(types::I64, value),
        };
        (whole, Some(unfit))
    }

    fn scale_up(
        &mut self,
        source: Lane,
        target: Lane,
        value: Value,
        digits: u32,
        bound: Option<i128>,
    ) -> Result<(Value, Option<Value>)> {
        let factor = power_of_ten(digits).ok_or_else(|| not_native("a cast of that scale"))?;
        let unfit = match bound {
            None => None,
            Some(bound) if source == (Lane::Int { bytes: 8, signed: false }) => {
                let bound = self.integer(types::I64, bound.min(i128::from(u64::MAX)));
                Some(self.ins().icmp(IntCC::UnsignedGreaterThan, value, bound))
            }
            Some(bound) => Some(self.outside(source, value, bound)),
        };
        let value = match (source, target) {
            (Lane::Wide, Lane::Wide) => value,
            (Lane::Wide, _) => self.ins().ireduce(types::I64, value),
            (_, Lane::Wide) => self.widen(source, value),
            _ => value,
        };
        if digits == 0 {
            return Ok((value, unfit));
        }
        let register = target.register();
        let factor = match i64::try_from(factor) {
            // A sign-extended factor lets one instruction multiply two sign-extended halves.
            Ok(short) if register == types::I128 => {
                let short = self.ins().iconst(types::I64, short);
                self.ins().sextend(types::I128, short)
            }
            _ => self.integer(register, factor),
        };
        Ok((self.ins().imul(value, factor), unfit))
    }

    fn scale_down(
        &mut self,
        source: Lane,
        target: Lane,
        value: Value,
        digits: u32,
        bound: Option<i128>,
    ) -> Result<(Value, Option<Value>)> {
        let factor = factor(digits)?;
        let divisor = self.ins().iconst(types::I64, factor);
        let quotient = self.ins().sdiv(value, divisor);
        let whole = self.ins().imul(quotient, divisor);
        let rest = self.ins().isub(value, whole);
        let up = self.ins().icmp_imm_s(IntCC::SignedGreaterThanOrEqual, rest, factor / 2);
        let down = self.ins().icmp_imm_s(IntCC::SignedLessThanOrEqual, rest, -(factor / 2));
        let up = self.ins().uextend(types::I64, up);
        let down = self.ins().uextend(types::I64, down);
        let rounded = self.ins().iadd(quotient, up);
        let rounded = self.ins().isub(rounded, down);
        let unfit = bound.map(|bound| self.outside(source, rounded, bound));
        let value = if target == Lane::Wide { self.widen(source, rounded) } else { rounded };
        Ok((value, unfit))
    }
}

/// 10^digits, where 64 bits hold it.
fn factor(digits: u32) -> Result<i64> {
    let factor = power_of_ten(digits).and_then(|factor| i64::try_from(factor).ok());
    factor.ok_or_else(|| not_native("a cast of that scale"))
}
