//! In which order the parts of a conjunction drop rows.

use arrow::datatypes::DataType;
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::{Callee, Expr, Value};

use super::is_volatile;
use crate::inspect::{call_cost, cast_may_fail};

/// The parts of a conjunction, those first that cost little and cannot fail. A part that may fail stays behind all
/// that were written before it, for they may guard it; nothing moves past a volatile part.
pub(super) fn ordered_conjuncts(predicate: &Expr) -> Vec<&Expr> {
    let mut parts = vec![];
    collect(predicate, &mut parts);
    let mut ordered = Vec::with_capacity(parts.len());
    for segment in parts.split_inclusive(|part| is_volatile(part)) {
        let (tail, body) = match segment.split_last() {
            Some((last, body)) if is_volatile(last) => (Some(*last), body),
            _ => (None, segment),
        };
        let (failing, mut safe): (Vec<&Expr>, Vec<&Expr>) =
            body.iter().copied().partition(|part| may_fail(part));
        safe.sort_by_key(|part| cost(part));
        ordered.extend(safe);
        ordered.extend(failing);
        ordered.extend(tail);
    }
    ordered
}

fn collect<'e>(expr: &'e Expr, parts: &mut Vec<&'e Expr>) {
    if let Expr::And(left, right) = expr {
        collect(left, parts);
        collect(right, parts);
    } else {
        parts.push(expr);
    }
}

/// Relative price of evaluating an expression for a row.
fn cost(expr: &Expr) -> u32 {
    let children = expr.children().into_iter().map(cost).fold(0, u32::saturating_add);
    let own = match expr {
        Expr::Column { .. } | Expr::Literal(_) => 0,
        Expr::Not(_) | Expr::IsNull(_) | Expr::Negate(_) | Expr::And(..) | Expr::Or(..) => 1,
        Expr::Arithmetic { op: ArithmeticOp::Divide | ArithmeticOp::Remainder, .. } => 10,
        Expr::Arithmetic { .. } => 2,
        Expr::Compare { left, .. } => text_price(&left.data_type(), 2, 12),
        Expr::InList { input, values, .. } => {
            text_price(&input.data_type(), 6, 16)
                + u32::try_from(values.len()).unwrap_or(u32::MAX).min(16) / 4
        }
        Expr::Case { .. } => 6,
        Expr::Cast { input, data_type, .. } => {
            text_price(&input.data_type(), 2, 60).max(text_price(data_type, 2, 60))
        }
        Expr::Like { pattern, .. } => like_price(pattern),
        Expr::Call { function, .. } => match function {
            Callee::Library(_) => call_cost(function),
            Callee::Guest(_) => call_cost(function).saturating_mul(2),
        },
    };
    children.saturating_add(own)
}

fn text_price(data_type: &DataType, other: u32, text: u32) -> u32 {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => text,
        DataType::Dictionary(_, value) => text_price(value, other, text),
        _ => other,
    }
}

/// A pattern that starts with text is decided by the first bytes of most rows.
fn like_price(pattern: &Expr) -> u32 {
    let starts_with_text = match pattern {
        Expr::Literal(value) => Value::as_str(value).is_some_and(|text| !text.starts_with(['%', '_'])),
        _ => false,
    };
    if starts_with_text { 30 } else { 60 }
}

/// By types alone; ranges may show later that nothing fails.
fn may_fail(expr: &Expr) -> bool {
    let own = match expr {
        Expr::Arithmetic { data_type, .. } => !data_type.is_floating(),
        Expr::Negate(input) => !input.data_type().is_floating(),
        Expr::Cast { input, data_type, safe } => !*safe && cast_may_fail(&input.data_type(), data_type),
        Expr::Call { .. } => true,
        Expr::Column { .. }
        | Expr::Literal(_)
        | Expr::Compare { .. }
        | Expr::And(..)
        | Expr::Or(..)
        | Expr::Not(_)
        | Expr::IsNull(_)
        | Expr::Case { .. }
        | Expr::Like { .. }
        | Expr::InList { .. } => false,
    };
    own || expr.children().into_iter().any(may_fail)
}
