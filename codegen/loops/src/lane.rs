//! How values of each SQL type live in registers and in Arrow buffers.

use arrow::datatypes::{DataType, IntervalUnit};

/// The register form of a value. Integers of up to 64 bits are held extended to 64 bits, by their sign, so that
/// every operation on them exists once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Lane {
    /// 0 or 1 in a byte; bits in Arrow's buffers.
    Bool,
    /// `bytes` wide in memory: 1, 2, 4 or 8.
    Int {
        bytes: u8,
        signed: bool,
    },
    /// 128 bits, signed: wide decimals.
    Wide,
    Float32,
    Float64,
}

impl Lane {
    /// The lane of a fixed-width type that compiled code handles; `None` for all others.
    pub fn of(data_type: &DataType) -> Option<Lane> {
        let signed = |bytes| Some(Lane::Int { bytes, signed: true });
        let unsigned = |bytes| Some(Lane::Int { bytes, signed: false });
        match data_type {
            DataType::Boolean => Some(Lane::Bool),
            DataType::Int8 => signed(1),
            DataType::Int16 => signed(2),
            DataType::Int32 | DataType::Date32 | DataType::Time32(_) | DataType::Decimal32(..) => signed(4),
            DataType::Int64
            | DataType::Date64
            | DataType::Time64(_)
            | DataType::Timestamp(..)
            | DataType::Duration(_)
            | DataType::Decimal64(..) => signed(8),
            DataType::UInt8 => unsigned(1),
            DataType::UInt16 => unsigned(2),
            DataType::UInt32 => unsigned(4),
            DataType::UInt64 => unsigned(8),
            DataType::Decimal128(..) => Some(Lane::Wide),
            DataType::Float32 => Some(Lane::Float32),
            DataType::Float64 => Some(Lane::Float64),
            DataType::Interval(
                IntervalUnit::YearMonth | IntervalUnit::DayTime | IntervalUnit::MonthDayNano,
            ) => None,
            _ => None,
        }
    }

    /// Bytes of one value in a buffer; 1 for Booleans, which compiled code writes as bytes.
    pub fn bytes(self) -> usize {
        match self {
            Lane::Bool => 1,
            Lane::Int { bytes, .. } => usize::from(bytes),
            Lane::Wide => 16,
            Lane::Float32 => 4,
            Lane::Float64 => 8,
        }
    }

    pub fn is_float(self) -> bool {
        matches!(self, Lane::Float32 | Lane::Float64)
    }

    /// Whether comparisons treat the register as unsigned. Narrow unsigned integers are zero-extended: either way
    /// gives the same for them.
    pub fn is_unsigned(self) -> bool {
        matches!(self, Lane::Bool | Lane::Int { signed: false, .. })
    }

    /// The least and the greatest value of an integer lane.
    pub fn integer_range(self) -> Option<(i128, i128)> {
        match self {
            Lane::Int { bytes, signed } => {
                let bits = u32::from(bytes) * 8;
                Some(if signed {
                    (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1)
                } else {
                    (0, (1i128 << bits) - 1)
                })
            }
            Lane::Bool | Lane::Wide | Lane::Float32 | Lane::Float64 => None,
        }
    }
}

/// Precision and scale of a decimal type.
pub fn decimal(data_type: &DataType) -> Option<(u8, i8)> {
    match data_type {
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) | DataType::Decimal128(p, s) => Some((*p, *s)),
        _ => None,
    }
}

pub fn is_integer(data_type: &DataType) -> bool {
    data_type.is_integer()
}

/// 10 to the power of `digits`; `None` above 38.
pub fn power_of_ten(digits: u32) -> Option<i128> {
    if digits > 38 { None } else { 10i128.checked_pow(digits) }
}
