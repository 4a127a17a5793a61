//! Disjunctions, with equalities of one expression as an IN list.

use nyala_schema::expr::CompareOp;
use nyala_schema::{Expr, Value};

/// `left OR right`.
pub fn either(left: Expr, right: Expr) -> Expr {
    match (allowed(&left), allowed(&right)) {
        (Some((input, mut values)), Some((other, more))) if input == other => {
            for value in more {
                if !values.contains(&value) {
                    values.push(value);
                }
            }
            Expr::InList { input: Box::new(input.clone()), values, negated: false }
        }
        _ => Expr::Or(Box::new(left), Box::new(right)),
    }
}

/// What is compared, and the constants that it may be equal to.
fn allowed(expr: &Expr) -> Option<(&Expr, Vec<Value>)> {
    match expr {
        Expr::InList { input, values, negated: false } => Some((input, values.clone())),
        Expr::Compare { op: CompareOp::Equal, left, right } => match (left.as_ref(), right.as_ref()) {
            (Expr::Literal(_), Expr::Literal(_)) => None,
            (input, Expr::Literal(value)) | (Expr::Literal(value), input)
                if *value.data_type() == input.data_type() =>
            {
                Some((input, vec![value.clone()]))
            }
            _ => None,
        },
        _ => None,
    }
}
