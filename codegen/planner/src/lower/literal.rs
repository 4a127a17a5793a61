//! Constants.

use arrow::datatypes::DataType;
use datafusion_common::ScalarValue;
use nyala_schema::expr::CompareOp;
use nyala_schema::{Expr, Result, Value};

use super::from_datafusion;
use crate::column::plan_type;

/// The value in the type in which plans hold it.
///
/// # Errors
/// `Internal` for a value that cannot be held as an array.
pub fn value(scalar: &ScalarValue) -> Result<Value> {
    let value = Value::new(scalar.to_array().map_err(from_datafusion)?);
    let data_type = plan_type(value.data_type());
    value.cast(&data_type)
}

pub fn null(data_type: &DataType) -> Expr {
    Expr::Literal(Value::null(data_type))
}

pub fn boolean(value: bool) -> Expr {
    Expr::Literal(Value::boolean(value))
}

pub fn compare(op: CompareOp, left: Expr, right: Expr) -> Expr {
    Expr::Compare { op, left: Box::new(left), right: Box::new(right) }
}

pub fn not(input: Expr) -> Expr {
    Expr::Not(Box::new(input))
}

/// A cast, unless the value has the type already.
pub fn cast(input: Expr, data_type: DataType, safe: bool) -> Expr {
    if input.data_type() == data_type {
        return input;
    }
    if let Expr::Literal(literal) = &input
        && literal.is_null()
    {
        return null(&data_type);
    }
    Expr::Cast { input: Box::new(input), data_type, safe }
}
