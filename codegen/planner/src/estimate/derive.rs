//! What is expected of computed values.

use arrow::datatypes::DataType;
use nyala_schema::Expr;
use nyala_schema::expr::ArithmeticOp;
use nyala_schema::operator::AggregateCall;

use super::{Bell, ColumnEstimate, position};
use crate::column::Columns;

const DAYS_PER_YEAR: f64 = 365.25;
const MONTHS_PER_YEAR: f64 = 12.0;
/// Different characters at one place of a text.
const SYMBOLS: f64 = 10.0;
/// Different lengths of texts.
const LENGTHS: f64 = 50.0;

/// What is expected of an expression over columns.
pub fn estimate(expr: &Expr, columns: &Columns) -> ColumnEstimate {
    match expr {
        Expr::Column { index, .. } => columns.estimate(*index).clone(),
        Expr::Literal(value) => {
            let point = position(value).map(|at| (at, at));
            let unknown = ColumnEstimate::unknown(value.data_type());
            ColumnEstimate { distinct: 1.0, distinct_table: 1.0, range: point, ..unknown }
        }
        Expr::Cast { input, data_type, .. } => cast(estimate(input, columns), &input.data_type(), data_type),
        Expr::Negate(input) => scaled(estimate(input, columns), -1.0, 0.0),
        Expr::Arithmetic { op, left, right, data_type } => {
            linear(*op, left, right, columns).unwrap_or_else(|| combined(expr, data_type, columns))
        }
        Expr::Call { function, arguments, data_type, .. } => {
            let name = function.library().unwrap_or_default();
            calendar(name, arguments, data_type, columns)
                .or_else(|| few_values(name, arguments, columns))
                .unwrap_or_else(|| combined(expr, data_type, columns))
        }
        Expr::Case { branches, otherwise, data_type } => {
            let constants = branches.iter().map(|(_, value)| value).chain(otherwise.as_deref());
            let mut result = combined(expr, data_type, columns);
            if constants.clone().all(|value| matches!(value, Expr::Literal(_))) {
                result.distinct = result.distinct.min(constants.count() as f64);
                result.distinct_table = result.distinct;
            }
            result
        }
        other => ColumnEstimate::unknown(&other.data_type()),
    }
}

fn cast(input: ColumnEstimate, from: &DataType, to: &DataType) -> ColumnEstimate {
    let comparable = from.is_numeric() && to.is_numeric();
    let known = ColumnEstimate::unknown(to);
    if !comparable {
        // Text stays text.
        let spread = input.spread.filter(|_| from.is_string() && to.is_string());
        return ColumnEstimate { range: None, bell: None, spread, width: known.width, ..input };
    }
    ColumnEstimate { width: known.width, ..input }
}

/// `value × factor + offset`.
fn scaled(mut input: ColumnEstimate, factor: f64, offset: f64) -> ColumnEstimate {
    let at = |position: f64| position * factor + offset;
    input.range = input.range.map(|(min, max)| (at(min).min(at(max)), at(min).max(at(max))));
    input.spread = input.spread.and_then(|spread| spread.scaled(factor, offset));
    input.bell =
        input.bell.map(|bell| Bell { mean: at(bell.mean), deviation: bell.deviation * factor.abs() });
    input
}

/// Arithmetic of one expression and one number.
fn linear(op: ArithmeticOp, left: &Expr, right: &Expr, columns: &Columns) -> Option<ColumnEstimate> {
    let number = |expr: &Expr| match expr {
        Expr::Literal(value) if value.data_type().is_numeric() => value.as_f64(),
        Expr::Cast { input, .. } => match input.as_ref() {
            Expr::Literal(value) => value.as_f64(),
            _ => None,
        },
        _ => None,
    };
    if let Some(constant) = number(right) {
        let input = estimate(left, columns);
        return match op {
            ArithmeticOp::Add => Some(scaled(input, 1.0, constant)),
            ArithmeticOp::Subtract => Some(scaled(input, 1.0, -constant)),
            ArithmeticOp::Multiply => Some(scaled(input, constant, 0.0)),
            ArithmeticOp::Divide if constant != 0.0 => Some(scaled(input, 1.0 / constant, 0.0)),
            ArithmeticOp::Divide | ArithmeticOp::Remainder => None,
        };
    }
    let constant = number(left)?;
    let input = estimate(right, columns);
    match op {
        ArithmeticOp::Add => Some(scaled(input, 1.0, constant)),
        ArithmeticOp::Subtract => Some(scaled(input, -1.0, constant)),
        ArithmeticOp::Multiply => Some(scaled(input, constant, 0.0)),
        ArithmeticOp::Divide | ArithmeticOp::Remainder => None,
    }
}

/// Prefixes and remainders have few values.
fn few_values(function: &str, arguments: &[Expr], columns: &Columns) -> Option<ColumnEstimate> {
    let number = |index: usize| match arguments.get(index) {
        Some(Expr::Literal(value)) => value.as_f64(),
        _ => None,
    };
    let values = match function {
        "substr" | "substring" => SYMBOLS.powf(number(2)?.max(0.0)),
        "left" | "right" => SYMBOLS.powf(number(1)?.abs()),
        "character_length" | "octet_length" | "bit_length" => LENGTHS,
        _ => return None,
    };
    let mut result = estimate(arguments.first()?, columns);
    result.range = None;
    result.spread = None;
    result.distinct = result.distinct.min(values);
    result.distinct_table = result.distinct_table.min(values);
    Some(result)
}

/// Parts of dates have few values.
fn calendar(
    function: &str,
    arguments: &[Expr],
    data_type: &DataType,
    columns: &Columns,
) -> Option<ColumnEstimate> {
    let [Expr::Literal(part), date] = arguments else { return None };
    let input = estimate(date, columns);
    let years = match (date.data_type(), input.range) {
        (DataType::Date32, Some((min, max))) => ((max - min) / DAYS_PER_YEAR).ceil() + 1.0,
        _ => 50.0,
    };
    let is_trunc = matches!(function, "date_trunc");
    if !is_trunc && function != "date_part" {
        return None;
    }
    let cycles = if is_trunc { years } else { 1.0 };
    let distinct = match part.as_str()?.to_lowercase().as_str() {
        "year" => years,
        "quarter" => 4.0 * cycles,
        "month" => MONTHS_PER_YEAR * cycles,
        "week" => 53.0 * cycles,
        "day" if is_trunc => DAYS_PER_YEAR * cycles,
        "day" => 31.0,
        "dow" | "isodow" => 7.0,
        "doy" => 366.0,
        "hour" => 24.0,
        "minute" | "second" => 60.0,
        _ => return None,
    };
    let distinct = distinct.min(input.distinct);
    Some(ColumnEstimate {
        distinct,
        distinct_table: distinct,
        null_fraction: input.null_fraction,
        ..ColumnEstimate::unknown(data_type)
    })
}

/// At most every combination of the columns read.
fn combined(expr: &Expr, data_type: &DataType, columns: &Columns) -> ColumnEstimate {
    let mut used = vec![];
    expr.for_each_column(&mut |id| {
        if !used.contains(&id) {
            used.push(id);
        }
    });
    let mut result = ColumnEstimate::unknown(data_type);
    let distinct: f64 = used.iter().map(|&id| columns.estimate(id).distinct).product();
    if result.distinct.is_infinite() {
        result.distinct = distinct;
        result.distinct_table = used.iter().map(|&id| columns.estimate(id).distinct_table).product();
    }
    result.null_fraction = used.iter().map(|&id| columns.estimate(id).null_fraction).fold(0.0, f64::max);
    if let [id] = used[..] {
        result.origin = columns.estimate(id).origin;
        result.origin_rows = columns.estimate(id).origin_rows;
    }
    result
}

/// The results of an aggregate over `groups` groups of `rows` rows.
pub fn aggregate(call: &AggregateCall, rows: f64, groups: f64, columns: &Columns) -> ColumnEstimate {
    let size = (rows / groups).max(1.0);
    let argument = call.arguments.first().map(|argument| estimate(argument, columns));
    let unknown = ColumnEstimate::unknown(&call.data_type);
    let bell = match call.function.library().unwrap_or_default() {
        "count" => Some(Bell { mean: size, deviation: size.sqrt() }),
        // The sum of a random number of random values; the number as of a Poisson process.
        "sum" => argument.as_ref().and_then(spread).map(|(mean, deviation)| Bell {
            mean: mean * size,
            deviation: (size * (deviation * deviation + mean * mean)).sqrt(),
        }),
        "avg" => argument
            .as_ref()
            .and_then(spread)
            .map(|(mean, deviation)| Bell { mean, deviation: deviation / size.sqrt() }),
        _ => None,
    };
    let range = match (call.function.library().unwrap_or_default(), &argument) {
        ("min" | "max" | "first_value" | "last_value", Some(argument)) => argument.range,
        _ => None,
    };
    let distinct = match (call.function.library().unwrap_or_default(), argument) {
        ("min" | "max" | "first_value" | "last_value", Some(argument)) => argument.distinct.min(groups),
        ("count", _) => (size * 2.0).min(groups),
        _ => groups,
    };
    ColumnEstimate { distinct, distinct_table: distinct, bell, range, ..unknown }
}

fn spread(argument: &ColumnEstimate) -> Option<(f64, f64)> {
    if let Some(bell) = argument.bell {
        return Some((bell.mean, bell.deviation));
    }
    let (min, max) = argument.range?;
    Some(((min + max) / 2.0, (max - min) / 12f64.sqrt()))
}
