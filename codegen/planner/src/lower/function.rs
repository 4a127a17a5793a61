//! Operators and functions that are calls of the library, and those that are not.
//!
//! Internal names, which no user can write: `bit_and`, `bit_or`, `bit_xor`, `shift_left`, `shift_right` over integers,
//! `string_concat` over two texts (NULL if one is).

use arrow::datatypes::DataType;
use datafusion_expr::expr::ScalarFunction;
use datafusion_expr::{Expr as Logical, ExprSchemable, Operator, Volatility as LogicalVolatility};
use nyala_frontend::GuestUdf;
use nyala_schema::expr::Volatility;
use nyala_schema::{Callee, Error, Expr, Result};

use super::literal::not;
use super::{Lowering, Scope, from_datafusion, literal};
use crate::column::plan_type;

/// The internal function that stands for a binary operator.
pub fn operator_function(operator: Operator) -> Option<&'static str> {
    Some(match operator {
        Operator::BitwiseAnd => "bit_and",
        Operator::BitwiseOr => "bit_or",
        Operator::BitwiseXor => "bit_xor",
        Operator::BitwiseShiftLeft => "shift_left",
        Operator::BitwiseShiftRight => "shift_right",
        Operator::StringConcat => "string_concat",
        _ => return None,
    })
}

/// A call of an internal function, which gives NULL just when an argument is NULL.
pub fn internal_call(function: &str, arguments: Vec<Expr>, data_type: DataType) -> Expr {
    let nullable = arguments.iter().any(Expr::nullable);
    Expr::Call {
        function: function.into(),
        arguments,
        data_type,
        nullable,
        volatility: Volatility::Immutable,
    }
}

impl Lowering<'_> {
    pub(super) fn function(
        &mut self,
        expr: &Logical,
        function: &ScalarFunction,
        scope: &Scope<'_>,
    ) -> Result<Expr> {
        let mut arguments = Vec::with_capacity(function.args.len());
        for argument in &function.args {
            arguments.push(self.expression(argument, scope)?);
        }
        if let Some(udf) = function.func.inner().downcast_ref::<GuestUdf>() {
            return guest_call(expr, udf, arguments, scope);
        }
        let (_, field) = expr.to_field(scope).map_err(from_datafusion)?;
        let data_type = plan_type(field.data_type());
        if function.func.name() == "coalesce" {
            return coalesce(arguments, data_type);
        }
        Ok(Expr::Call {
            function: function.func.name().into(),
            arguments,
            data_type,
            nullable: field.is_nullable(),
            volatility: match function.func.signature().volatility {
                LogicalVolatility::Immutable => Volatility::Immutable,
                LogicalVolatility::Stable => Volatility::Stable,
                LogicalVolatility::Volatile => Volatility::Volatile,
            },
        })
    }
}

fn guest_call(expr: &Logical, udf: &GuestUdf, arguments: Vec<Expr>, scope: &Scope<'_>) -> Result<Expr> {
    let called = udf.function();
    let called = called.ok_or_else(|| Error::internal(format!("no function was chosen for {expr}")))?;
    let (_, field) = expr.to_field(scope).map_err(from_datafusion)?;
    let typed = arguments.into_iter().zip(&called.arguments);
    let arguments = typed.map(|(argument, data_type)| literal::cast(argument, data_type.clone(), false));
    Ok(Expr::Call {
        function: Callee::Guest(called.clone()),
        arguments: arguments.collect(),
        data_type: called.returns.clone(),
        nullable: field.is_nullable(),
        volatility: called.volatility,
    })
}

/// As CASE, so that a later argument is evaluated only where the earlier are NULL.
fn coalesce(mut arguments: Vec<Expr>, data_type: DataType) -> Result<Expr> {
    let last = arguments.pop().ok_or_else(|| Error::internal("coalesce without arguments"))?;
    let last = literal::cast(last, data_type.clone(), false);
    if arguments.is_empty() {
        return Ok(last);
    }
    let branch = |argument: Expr| {
        (not(Expr::IsNull(Box::new(argument.clone()))), literal::cast(argument, data_type.clone(), false))
    };
    let branches = arguments.into_iter().map(branch).collect();
    Ok(Expr::Case { branches, otherwise: Some(Box::new(last)), data_type: data_type.clone() })
}
