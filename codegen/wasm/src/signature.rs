//! The WASM signatures of row-tier functions.

use arrow::datatypes::{DataType, TimeUnit};
use nyala_schema::guest::GuestFunction;

/// A core type of numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Number {
    I32,
    I64,
    F32,
    F64,
}

impl Number {
    /// How a value of an SQL type is passed; `None` for those that the row tier does not have.
    pub fn of(data_type: &DataType) -> Option<Number> {
        match data_type {
            DataType::Boolean | DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Date32 => {
                Some(Number::I32)
            }
            DataType::Int64
            | DataType::Timestamp(TimeUnit::Microsecond, _)
            | DataType::Time64(TimeUnit::Microsecond)
            | DataType::Decimal64(..) => Some(Number::I64),
            DataType::Float32 => Some(Number::F32),
            DataType::Float64 => Some(Number::F64),
            _ => None,
        }
    }

    pub(crate) fn value_type(self) -> wasm_encoder::ValType {
        match self {
            Number::I32 => wasm_encoder::ValType::I32,
            Number::I64 => wasm_encoder::ValType::I64,
            Number::F32 => wasm_encoder::ValType::F32,
            Number::F64 => wasm_encoder::ValType::F64,
        }
    }
}

/// The type of the export that a row-tier function is.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Signature {
    pub parameters: Vec<Number>,
    pub result: Number,
}

impl Signature {
    /// `None` where some type is not of the row tier.
    pub fn of(function: &GuestFunction) -> Option<Signature> {
        let parameters = function.arguments.iter().map(Number::of).collect::<Option<_>>()?;
        Some(Signature { parameters, result: Number::of(&function.returns)? })
    }
}
