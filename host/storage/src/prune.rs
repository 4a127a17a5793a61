//! Whether a part of a table can have rows that pass a filter, by its bounds.

use arrow::datatypes::DataType;
pub use nyala_schema::Bound;
use nyala_schema::expr::CompareOp;
use nyala_schema::{Expr, Value};

/// What is known of one column in one part of a table. Bounds need not occur.
#[derive(Debug, Clone, Default)]
pub struct Bounds {
    pub min: Option<Bound>,
    pub max: Option<Bound>,
    pub nulls: Option<u64>,
    pub rows: u64,
}

impl Bounds {
    /// Whether a row may have a value in `min..=max`, integers only; `true` when nothing is known.
    pub fn may_contain(&self, min: i128, max: i128) -> bool {
        match (&self.min, &self.max) {
            (Some(Bound::Int(low)), Some(Bound::Int(high))) => *low <= max && min <= *high,
            _ => self.rows == 0 || self.nulls.is_none_or(|nulls| nulls < self.rows),
        }
    }
}

/// `false` only when no row can pass all of `filters`.
pub fn may_pass(filters: &[Expr], bounds: &dyn Fn(usize) -> Bounds) -> bool {
    filters.iter().all(|filter| may_hold(filter, bounds))
}

fn may_hold(filter: &Expr, bounds: &dyn Fn(usize) -> Bounds) -> bool {
    match filter {
        Expr::And(left, right) => may_hold(left, bounds) && may_hold(right, bounds),
        Expr::Or(left, right) => may_hold(left, bounds) || may_hold(right, bounds),
        Expr::Compare { op, left, right } => match (column(left), literal(right)) {
            (Some((index, data_type)), Some(value)) => compare(*op, &bounds(index), &data_type, value),
            _ => match (column(right), literal(left)) {
                (Some((index, data_type)), Some(value)) => {
                    compare(mirrored(*op), &bounds(index), &data_type, value)
                }
                _ => true,
            },
        },
        Expr::InList { input, values, negated: false } => match column(input) {
            Some((index, data_type)) => {
                let bounds = bounds(index);
                values.iter().any(|value| compare(CompareOp::Equal, &bounds, &data_type, value))
            }
            None => true,
        },
        Expr::IsNull(input) => match column(input) {
            Some((index, _)) => bounds(index).nulls != Some(0),
            None => true,
        },
        Expr::Not(input) => match input.as_ref() {
            Expr::IsNull(input) => match column(input) {
                Some((index, _)) => {
                    let bounds = bounds(index);
                    bounds.nulls != Some(bounds.rows)
                }
                None => true,
            },
            _ => true,
        },
        Expr::Literal(value) => value.as_bool() == Some(true) || value.data_type() != &DataType::Boolean,
        _ => true,
    }
}

/// A column, looking through casts that keep its order and values.
fn column(expr: &Expr) -> Option<(usize, DataType)> {
    match expr {
        Expr::Column { index, data_type, .. } => Some((*index, data_type.clone())),
        Expr::Cast { input, data_type, .. } => {
            let (index, inner) = column(input)?;
            let keeps = inner.is_integer() && data_type.is_integer() && widens(&inner, data_type)
                || is_text(&inner) && is_text(data_type)
                || same_scale(&inner, data_type);
            keeps.then(|| (index, data_type.clone()))
        }
        _ => None,
    }
}

fn widens(from: &DataType, to: &DataType) -> bool {
    from.is_signed_integer() == to.is_signed_integer() && from.primitive_width() <= to.primitive_width()
}

fn is_text(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
}

fn scale(data_type: &DataType) -> Option<i8> {
    match data_type {
        DataType::Decimal32(_, s) | DataType::Decimal64(_, s) | DataType::Decimal128(_, s) => Some(*s),
        _ => None,
    }
}

fn same_scale(left: &DataType, right: &DataType) -> bool {
    scale(left).is_some() && scale(left) == scale(right)
}

fn literal(expr: &Expr) -> Option<&Value> {
    match expr {
        Expr::Literal(value) => Some(value),
        _ => None,
    }
}

fn mirrored(op: CompareOp) -> CompareOp {
    match op {
        CompareOp::Less => CompareOp::Greater,
        CompareOp::LessOrEqual => CompareOp::GreaterOrEqual,
        CompareOp::Greater => CompareOp::Less,
        CompareOp::GreaterOrEqual => CompareOp::LessOrEqual,
        CompareOp::Equal => CompareOp::Equal,
        CompareOp::NotEqual => CompareOp::NotEqual,
        CompareOp::Distinct => CompareOp::Distinct,
        CompareOp::NotDistinct => CompareOp::NotDistinct,
    }
}

/// The bound of a literal that is compared with a column of `data_type`.
pub fn bound_of(value: &Value, data_type: &DataType) -> Option<Bound> {
    let comparable = value.data_type() == data_type
        || same_scale(value.data_type(), data_type)
        || is_text(value.data_type()) && is_text(data_type)
        || value.data_type().is_integer() && data_type.is_integer();
    if !comparable {
        return None;
    }
    if data_type.is_floating() {
        return value.as_f64().filter(|number| !number.is_nan()).map(Bound::Float);
    }
    match value.as_str() {
        Some(text) => Some(Bound::Text(text.as_bytes().to_vec())),
        None => value.as_i128().map(Bound::Int),
    }
}

fn compare(op: CompareOp, bounds: &Bounds, data_type: &DataType, value: &Value) -> bool {
    if value.is_null() {
        return matches!(op, CompareOp::Distinct | CompareOp::NotDistinct);
    }
    let nulls_only = bounds.nulls == Some(bounds.rows) && bounds.rows > 0;
    if nulls_only && op != CompareOp::Distinct {
        return false;
    }
    let (Some(value), Some(min), Some(max)) = (bound_of(value, data_type), &bounds.min, &bounds.max) else {
        return true;
    };
    // NaN is greater than every number and stands in no bound: only what NaN cannot pass is ruled out.
    let open_above = matches!(max, Bound::Float(_));
    match op {
        CompareOp::Equal | CompareOp::NotDistinct => *min <= value && value <= *max,
        CompareOp::NotEqual => open_above || !(*min == value && *max == value),
        CompareOp::Less => *min < value,
        CompareOp::LessOrEqual => *min <= value,
        CompareOp::Greater => open_above || *max > value,
        CompareOp::GreaterOrEqual => open_above || *max >= value,
        CompareOp::Distinct => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bounds(min: i128, max: i128) -> Bounds {
        Bounds { min: Some(Bound::Int(min)), max: Some(Bound::Int(max)), nulls: Some(0), rows: 10 }
    }

    fn filter(op: CompareOp, value: i64) -> Expr {
        let column = Expr::Column { index: 0, data_type: DataType::Int64, nullable: true };
        Expr::Compare { op, left: Box::new(column), right: Box::new(Expr::Literal(Value::int64(value))) }
    }

    #[test]
    fn comparisons_rule_out_what_lies_outside() {
        let passes = |op, value| may_pass(&[filter(op, value)], &|_| bounds(10, 20));
        assert!(passes(CompareOp::Equal, 10) && passes(CompareOp::Equal, 20));
        assert!(!passes(CompareOp::Equal, 9) && !passes(CompareOp::Equal, 21));
        assert!(!passes(CompareOp::Less, 10) && passes(CompareOp::LessOrEqual, 10));
        assert!(!passes(CompareOp::Greater, 20) && passes(CompareOp::GreaterOrEqual, 20));
        assert!(passes(CompareOp::NotEqual, 10));
        assert!(!may_pass(&[filter(CompareOp::NotEqual, 5)], &|_| bounds(5, 5)));
    }

    #[test]
    fn nulls_and_unknowns() {
        let column = || Box::new(Expr::Column { index: 0, data_type: DataType::Int64, nullable: true });
        assert!(!may_pass(&[Expr::IsNull(column())], &|_| bounds(1, 2)));
        let all_null = |_| Bounds { nulls: Some(10), rows: 10, ..Bounds::default() };
        assert!(!may_pass(&[filter(CompareOp::Equal, 1)], &all_null));
        assert!(!may_pass(&[Expr::Not(Box::new(Expr::IsNull(column())))], &all_null));
        assert!(may_pass(&[filter(CompareOp::Equal, 1)], &|_| Bounds::default()));
        let float = |_| Bounds {
            min: Some(Bound::Float(0.0)),
            max: Some(Bound::Float(1.0)),
            nulls: Some(0),
            rows: 1,
        };
        let column = Expr::Column { index: 0, data_type: DataType::Float64, nullable: true };
        let compare = |op| Expr::Compare {
            op,
            left: Box::new(column.clone()),
            right: Box::new(Expr::Literal(Value::float64(2.0))),
        };
        assert!(may_pass(&[compare(CompareOp::Greater)], &float), "a NaN may hide above the bound");
        assert!(!may_pass(&[compare(CompareOp::Equal)], &float));
    }
}
