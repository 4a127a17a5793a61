//! Which casts compiled code does, and how.

use arrow::datatypes::DataType;
use nyala_pipeline::Type;

use crate::lane::{Lane, decimal, is_integer, power_of_ten};

/// The way from one type to another.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Conversion {
    /// The same bits mean the same.
    Same,
    /// Integer to integer, by range.
    Integer,
    BoolToInteger,
    IntegerToBool,
    IntegerToFloat,
    FloatToFloat,
    /// Truncated; what the target cannot hold, NaN too, does not fit.
    FloatToInteger,
    /// Decimal of at most 64 bits divided by 10^digits, truncated.
    DecimalToInteger {
        digits: u32,
    },
    /// Unscaled value divided by 10^digits.
    DecimalToFloat {
        digits: u32,
    },
    /// Integer or decimal times 10^digits; the source has to lie within ±`bound`, where there is one.
    ScaleUp {
        digits: u32,
        bound: Option<i128>,
    },
    /// Decimal of at most 64 bits divided by 10^digits, rounded half away from zero; the result has to lie
    /// within ±`bound`, where there is one.
    ScaleDown {
        digits: u32,
        bound: Option<i128>,
    },
}

impl Conversion {
    /// `None` when the cast is left to the interpreter.
    pub fn between(from: &DataType, to: &DataType) -> Option<Conversion> {
        let source = Lane::of(from)?;
        Lane::of(to)?;
        if from == to {
            return Some(Conversion::Same);
        }
        if let Some((precision, scale)) = decimal(to) {
            return Self::to_decimal(from, source, precision, scale);
        }
        if let Some((_, scale)) = decimal(from) {
            let narrow = source != Lane::Wide && (0..=18).contains(&scale);
            let digits = u32::from(scale.unsigned_abs());
            return match to {
                DataType::Float64 if narrow => Some(Conversion::DecimalToFloat { digits }),
                _ if narrow && is_integer(to) => Some(Conversion::DecimalToInteger { digits }),
                _ => None,
            };
        }
        match (from, to) {
            (a, b) if is_integer(a) && is_integer(b) => Some(Conversion::Integer),
            (DataType::Boolean, b) if is_integer(b) => Some(Conversion::BoolToInteger),
            (a, DataType::Boolean) if is_integer(a) => Some(Conversion::IntegerToBool),
            (a, DataType::Float32 | DataType::Float64) if is_integer(a) => Some(Conversion::IntegerToFloat),
            (DataType::Float32, DataType::Float64) | (DataType::Float64, DataType::Float32) => {
                Some(Conversion::FloatToFloat)
            }
            (DataType::Float32 | DataType::Float64, b) if is_integer(b) => Some(Conversion::FloatToInteger),
            _ if same_bits(from, to) || same_bits(to, from) => Some(Conversion::Same),
            _ => None,
        }
    }

    fn to_decimal(from: &DataType, source: Lane, precision: u8, scale: i8) -> Option<Conversion> {
        let limit = power_of_ten(u32::from(precision))? - 1;
        let (digits, source_scale) = match decimal(from) {
            Some((p, s)) => (i32::from(p), i32::from(s)),
            None if is_integer(from) => (integer_digits(source)?, 0),
            None => return None,
        };
        let up = i32::from(scale) - source_scale;
        let room = i32::from(precision) - i32::from(scale) - (digits - source_scale);
        if up >= 0 {
            let factor = power_of_ten(up as u32)?;
            let bound = (room < 0).then_some(limit / factor);
            return Some(Conversion::ScaleUp { digits: up as u32, bound });
        }
        // Rounding up may need one more digit than the source has.
        let bound = (room < 1).then_some(limit);
        let narrow = source != Lane::Wide && up >= -18 && decimal(from).is_some();
        narrow.then_some(Conversion::ScaleDown { digits: up.unsigned_abs(), bound })
    }

    /// Whether some value of `from` has no counterpart in `to`: an error, or NULL for a safe cast.
    pub fn can_fail(self, from: &DataType, to: &DataType) -> bool {
        match self {
            Conversion::Same
            | Conversion::BoolToInteger
            | Conversion::IntegerToBool
            | Conversion::IntegerToFloat
            | Conversion::FloatToFloat
            | Conversion::DecimalToFloat { .. } => false,
            Conversion::FloatToInteger => true,
            Conversion::ScaleUp { bound, .. } | Conversion::ScaleDown { bound, .. } => bound.is_some(),
            Conversion::Integer | Conversion::DecimalToInteger { .. } => {
                let range = |data_type| Lane::of(data_type).and_then(Lane::integer_range);
                match (range(from), range(to)) {
                    (Some((low, high)), Some((least, greatest))) => low < least || high > greatest,
                    _ => true,
                }
            }
        }
    }
}

/// Whether a safe cast gives NULL for a value that is not NULL.
pub fn makes_nulls(from: &Type, to: &Type, safe: bool) -> bool {
    safe && Conversion::between(&from.data_type, &to.data_type)
        .is_none_or(|conversion| conversion.can_fail(&from.data_type, &to.data_type))
}

fn same_bits(from: &DataType, to: &DataType) -> bool {
    matches!(
        (from, to),
        (DataType::Date32 | DataType::Time32(_), DataType::Int32)
            | (DataType::Date64 | DataType::Time64(_) | DataType::Duration(_), DataType::Int64)
            | (DataType::Timestamp(_, None), DataType::Int64)
    )
}

fn integer_digits(lane: Lane) -> Option<i32> {
    let (low, high) = lane.integer_range()?;
    Some(low.unsigned_abs().max(high.unsigned_abs()).to_string().len() as i32)
}
