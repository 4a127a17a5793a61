//! Which fraction of rows a predicate lets through.

use nyala_schema::Expr;
use nyala_schema::expr::CompareOp;

use super::spread::Point;
use super::{ColumnEstimate, derive};
use crate::column::{ColumnId, Columns};

/// Of a comparison whose operands nothing is known of.
const RANGE_UNKNOWN: f64 = 1.0 / 3.0;
/// Of one column less than another.
const COLUMNS_ORDERED: f64 = 0.5;
const EQUALITY_UNKNOWN: f64 = 0.01;
/// Values that a function is guessed to have.
const FUNCTION_VALUES: f64 = 25.0;
const LIKE_ONE_PART: f64 = 0.06;
/// Each further part of a pattern.
const LIKE_FURTHER_PART: f64 = 0.2;
const LIKE_FEW_VALUES: f64 = 0.15;
/// A column with fewer values is a classification, of which a pattern matches a fair part.
const FEW_VALUES: f64 = 1000.0;
/// No predicate is taken to drop all rows.
const SMALLEST: f64 = 1e-9;

/// The fraction of rows for which all of `predicates` hold.
pub fn conjunction(predicates: &[Expr], columns: &Columns) -> f64 {
    let mut ranges: Vec<Interval> = vec![];
    let mut fraction = 1.0;
    let mut parts = predicates.iter().collect::<Vec<_>>();
    while let Some(part) = parts.pop() {
        if let Expr::And(left, right) = part {
            parts.extend([left.as_ref(), right.as_ref()]);
        } else if !add_bound(part, columns, &mut ranges) {
            fraction *= predicate(part, columns);
        }
    }
    for range in ranges {
        fraction *= range.fraction(columns);
    }
    fraction.clamp(SMALLEST, 1.0)
}

/// The fraction of rows for which `expr` holds.
pub fn predicate(expr: &Expr, columns: &Columns) -> f64 {
    let fraction = match expr {
        Expr::Literal(value) => f64::from(u8::from(value.as_bool() == Some(true))),
        Expr::And(..) => conjunction(std::slice::from_ref(expr), columns),
        Expr::Or(..) => disjunction(expr, columns),
        Expr::Not(input) => 1.0 - predicate(input, columns),
        Expr::Compare { op, left, right } => compare(*op, left, right, columns),
        Expr::IsNull(input) => match input.as_ref() {
            Expr::Column { index, .. } => columns.estimate(*index).null_fraction,
            _ => EQUALITY_UNKNOWN,
        },
        Expr::Like { input, pattern, negated, .. } => negate_if(*negated, like(input, pattern, columns)),
        Expr::InList { input, values, negated } => {
            let input = derive::estimate(input, columns);
            let any: f64 = values.iter().map(|value| equals(&input, Point::of(value).as_ref())).sum();
            negate_if(*negated, any.min(1.0))
        }
        Expr::Column { .. } => 0.5,
        _ => RANGE_UNKNOWN,
    };
    fraction.clamp(SMALLEST, 1.0)
}

/// Notes in the columns' estimates what predicates on single columns leave of their values.
pub fn narrow(predicates: &[Expr], columns: &mut Columns) {
    let mut used: Vec<(ColumnId, Vec<Expr>)> = vec![];
    for predicate in predicates {
        let Some(column) = only_column(predicate) else { continue };
        match used.iter_mut().find(|(known, _)| *known == column) {
            Some((_, parts)) => parts.push(predicate.clone()),
            None => used.push((column, vec![predicate.clone()])),
        }
    }
    for (column, parts) in used {
        let fraction = conjunction(&parts, columns);
        let estimate = columns.estimate_mut(column);
        estimate.distinct = (estimate.distinct * fraction).max(1.0);
    }
}

fn only_column(expr: &Expr) -> Option<ColumnId> {
    let mut found = None;
    let mut is_only = true;
    expr.for_each_column(&mut |id| {
        is_only &= found.is_none_or(|known| known == id);
        found = Some(id);
    });
    if is_only { found } else { None }
}

fn negate_if(negated: bool, fraction: f64) -> f64 {
    if negated { 1.0 - fraction } else { fraction }
}

/// Cases of one column exclude each other, others are independent.
fn disjunction(expr: &Expr, columns: &Columns) -> f64 {
    let mut parts = vec![];
    let mut open = vec![expr];
    while let Some(part) = open.pop() {
        match part {
            Expr::Or(left, right) => open.extend([left.as_ref(), right.as_ref()]),
            other => parts.push(other),
        }
    }
    let equality = |part: &&Expr| match part {
        Expr::Compare { op: CompareOp::Equal, .. } => only_column(part),
        _ => None,
    };
    let first = parts.first().and_then(equality);
    if first.is_some() && parts.iter().all(|part| equality(part) == first) {
        return parts.iter().map(|part| predicate(part, columns)).sum();
    }
    1.0 - parts.iter().map(|part| 1.0 - predicate(part, columns)).product::<f64>()
}

fn compare(op: CompareOp, left: &Expr, right: &Expr, columns: &Columns) -> f64 {
    let left_estimate = derive::estimate(left, columns);
    let right_estimate = derive::estimate(right, columns);
    let constant = |expr: &Expr| match expr {
        Expr::Literal(value) => Point::of(value),
        _ => None,
    };
    let equal = || match (constant(left), constant(right)) {
        (_, Some(at)) => equals(&left_estimate, Some(&at)),
        (Some(at), None) => equals(&right_estimate, Some(&at)),
        (None, None) => either_equals(&left_estimate, &right_estimate),
    };
    match op {
        CompareOp::Equal | CompareOp::NotDistinct => equal(),
        CompareOp::NotEqual | CompareOp::Distinct => 1.0 - equal(),
        CompareOp::Less | CompareOp::LessOrEqual | CompareOp::Greater | CompareOp::GreaterOrEqual => {
            match (constant(left), constant(right)) {
                (_, Some(at)) => ordered(op, &left_estimate, &at),
                (Some(at), None) => ordered(op.swapped(), &right_estimate, &at),
                (None, None) if is_column(left) && is_column(right) => COLUMNS_ORDERED,
                (None, None) => RANGE_UNKNOWN,
            }
        }
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Column { .. })
}

fn either_equals(left: &ColumnEstimate, right: &ColumnEstimate) -> f64 {
    let distinct = left.distinct.max(right.distinct);
    if distinct.is_infinite() { EQUALITY_UNKNOWN } else { 1.0 / distinct.max(1.0) }
}

fn equals(estimate: &ColumnEstimate, point: Option<&Point>) -> f64 {
    if let (Some((min, max)), Some(point)) = (estimate.range, point)
        && (point.at < min || point.at > max)
    {
        return SMALLEST;
    }
    let present = 1.0 - estimate.null_fraction;
    if let (Some(spread), Some(point)) = (&estimate.spread, point) {
        return present * spread.equal(point, estimate.distinct_table);
    }
    let values = match estimate.distinct_table {
        distinct if distinct.is_finite() => distinct.max(1.0),
        _ if estimate.origin.is_some() => FUNCTION_VALUES,
        _ => 1.0 / EQUALITY_UNKNOWN,
    };
    present / values
}

fn ordered(op: CompareOp, estimate: &ColumnEstimate, point: &Point) -> f64 {
    let present = 1.0 - estimate.null_fraction;
    let below = |inclusive: bool| share_below(estimate, point, inclusive);
    let share = match op {
        CompareOp::Less => below(false),
        CompareOp::LessOrEqual => below(true),
        CompareOp::Greater => below(true).map(|share| 1.0 - share),
        CompareOp::GreaterOrEqual => below(false).map(|share| 1.0 - share),
        CompareOp::Equal | CompareOp::NotEqual | CompareOp::Distinct | CompareOp::NotDistinct => None,
    };
    present * share.unwrap_or(RANGE_UNKNOWN)
}

/// The share of values less than a constant (or equal to it).
fn share_below(estimate: &ColumnEstimate, point: &Point, inclusive: bool) -> Option<f64> {
    let at = point.at;
    if let Some(bell) = estimate.bell {
        return Some(normal_share((at - bell.mean) / bell.deviation.max(f64::MIN_POSITIVE)));
    }
    let spread = estimate.spread.as_ref();
    if let Some(share) = spread.and_then(|spread| spread.below(point, inclusive, estimate.distinct_table)) {
        return Some(share);
    }
    let (min, max) = estimate.range?;
    if min == max && estimate.distinct_table > 1.0 {
        // Texts that begin alike.
        return None;
    }
    if at < min {
        return Some(0.0);
    }
    if at > max {
        return Some(1.0);
    }
    // Values stand at equal distances, each for the step up to the next.
    let gaps = (estimate.distinct_table - 1.0).max(1.0);
    let step = if max > min { (max - min) / gaps } else { 1.0 };
    let reached = at - min + if inclusive { step } else { 0.0 };
    Some((reached / (max - min + step)).clamp(0.0, 1.0))
}

/// The standard normal distribution function, by the logistic approximation.
fn normal_share(z: f64) -> f64 {
    1.0 / (1.0 + (-1.5976 * z - 0.070_565_992 * z.powi(3)).exp())
}

fn like(input: &Expr, pattern: &Expr, columns: &Columns) -> f64 {
    let Expr::Literal(pattern) = pattern else { return RANGE_UNKNOWN };
    let Some(pattern) = pattern.as_str() else { return SMALLEST };
    let estimate = derive::estimate(input, columns);
    let parts = pattern.split('%').filter(|part| !part.is_empty()).count() as i32;
    if parts == 0 {
        return 1.0 - estimate.null_fraction;
    }
    if !pattern.contains(['%', '_']) {
        return equals(&estimate, None);
    }
    let first = if estimate.distinct_table < FEW_VALUES { LIKE_FEW_VALUES } else { LIKE_ONE_PART };
    first * LIKE_FURTHER_PART.powi(parts - 1)
}

/// Bounds on one column.
struct Interval {
    column: ColumnId,
    low: Option<(Point, bool)>,
    high: Option<(Point, bool)>,
}

impl Interval {
    fn fraction(&self, columns: &Columns) -> f64 {
        let estimate = columns.estimate(self.column);
        let present = 1.0 - estimate.null_fraction;
        let above = self.low.as_ref().map(|(at, inclusive)| share_below(estimate, at, !*inclusive));
        let below = self.high.as_ref().map(|(at, inclusive)| share_below(estimate, at, *inclusive));
        let share = match (above, below) {
            (Some(Some(low)), Some(Some(high))) => (high - low).max(equals(estimate, None)),
            (Some(Some(low)), None) => 1.0 - low,
            (None, Some(Some(high))) => high,
            (Some(_), Some(_)) => RANGE_UNKNOWN * RANGE_UNKNOWN,
            _ => RANGE_UNKNOWN,
        };
        present * share.max(SMALLEST)
    }
}

/// Takes up `expr` when it bounds a column by a constant.
fn add_bound(expr: &Expr, columns: &Columns, ranges: &mut Vec<Interval>) -> bool {
    let Expr::Compare { op, left, right } = expr else { return false };
    let (column, op, at) = match (left.as_ref(), right.as_ref()) {
        (Expr::Column { index, .. }, Expr::Literal(value)) => (*index, *op, Point::of(value)),
        (Expr::Literal(value), Expr::Column { index, .. }) => (*index, op.swapped(), Point::of(value)),
        _ => return false,
    };
    let (Some(at), None) = (at, columns.estimate(column).bell) else { return false };
    let (is_low, inclusive) = match op {
        CompareOp::Less => (false, false),
        CompareOp::LessOrEqual => (false, true),
        CompareOp::Greater => (true, false),
        CompareOp::GreaterOrEqual => (true, true),
        CompareOp::Equal | CompareOp::NotEqual | CompareOp::Distinct | CompareOp::NotDistinct => {
            return false;
        }
    };
    let index = match ranges.iter().position(|range| range.column == column) {
        Some(index) => index,
        None => {
            ranges.push(Interval { column, low: None, high: None });
            ranges.len() - 1
        }
    };
    let range = &mut ranges[index];
    let bound = if is_low { &mut range.low } else { &mut range.high };
    let is_looser = |known: &Point| if is_low { known.at <= at.at } else { known.at >= at.at };
    if bound.as_ref().is_none_or(|(known, _)| is_looser(known)) {
        *bound = Some((at, inclusive));
    }
    true
}
