//! INSERT … VALUES of literals, without a plan: what single rows are inserted with, thousands of times a second.
//!
//! Only what means the same in every plan is taken: whole numbers, decimals that fit, text for text, dates and times in the
//! standard form. Everything else, errors too, is left to a query.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Decimal128Array, Float32Array, Float64Array, Int64Array, StringArray, UInt64Array,
};
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, TimeUnit};
use nyala_frontend::{Insert, InsertSource};
use nyala_schema::managed::TableShape;
use nyala_schema::managed::shape::TableColumn;
use sqlparser::ast::{DataType as SqlType, Expr, SetExpr, TypedString, UnaryOperator, Value, ValueWithSpan};

/// The columns of the table with the rows of the statement; `None` when that needs a query.
pub fn columns(insert: &Insert, shape: &TableShape) -> Option<Vec<ArrayRef>> {
    if !insert.partition.is_empty() || !shape.checks.is_empty() {
        return None;
    }
    let rows = rows(&insert.source)?;
    let given = if insert.columns.is_empty() { shape.columns.len() } else { insert.columns.len() };
    if rows.is_empty() || rows.iter().any(|row| row.len() != given) || !names_are_known(insert, shape) {
        return None;
    }
    let column = |(index, column): (usize, &TableColumn)| {
        let position = if insert.columns.is_empty() {
            Some(index)
        } else {
            insert.columns.iter().position(|name| *name == column.name)
        };
        // A default is an expression; NULL is what there is without one.
        let literals = rows.iter().map(|row| match position.map(|position| row[position]) {
            Some(Some(expr)) => Literal::of(expr),
            Some(None) | None => column.default.is_none().then_some(Literal::Null),
        });
        let values: Vec<Literal> = literals.collect::<Option<_>>()?;
        array(&column.data_type, &values)
    };
    shape.columns.iter().enumerate().map(column).collect()
}

/// Each column once, and only columns of the table.
fn names_are_known(insert: &Insert, shape: &TableShape) -> bool {
    let names = &insert.columns;
    names
        .iter()
        .enumerate()
        .all(|(index, name)| shape.column(name).is_some() && !names[..index].contains(name))
}

fn rows(source: &InsertSource) -> Option<Vec<Vec<Option<&Expr>>>> {
    match source {
        InsertSource::Rows(rows) => {
            Some(rows.iter().map(|row| row.iter().map(Option::as_ref).collect()).collect())
        }
        InsertSource::Query(query) => {
            let plain = query.with.is_none()
                && query.order_by.is_none()
                && query.limit_clause.is_none()
                && query.fetch.is_none();
            match query.body.as_ref() {
                SetExpr::Values(values) if plain => {
                    Some(values.rows.iter().map(|row| row.iter().map(Some).collect()).collect())
                }
                _ => None,
            }
        }
        InsertSource::Defaults => None,
    }
}

/// A literal as it was written.
enum Literal<'a> {
    Null,
    Boolean(bool),
    Number { text: &'a str, negative: bool },
    Text(&'a str),
    Date(&'a str),
    Timestamp(&'a str),
}

impl<'a> Literal<'a> {
    fn of(expr: &'a Expr) -> Option<Self> {
        match expr {
            Expr::Value(ValueWithSpan { value, .. }) => Self::of_value(value),
            Expr::Nested(inner) => Self::of(inner),
            Expr::UnaryOp { op: UnaryOperator::Minus, expr } => match Self::of(expr)? {
                Self::Number { text, negative: false } => Some(Self::Number { text, negative: true }),
                _ => None,
            },
            Expr::TypedString(TypedString { data_type, value, .. }) => match (data_type, &value.value) {
                (SqlType::Date, Value::SingleQuotedString(text)) => Some(Self::Date(text)),
                (SqlType::Timestamp(None, _), Value::SingleQuotedString(text)) => Some(Self::Timestamp(text)),
                _ => None,
            },
            _ => None,
        }
    }

    fn of_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Null => Some(Self::Null),
            Value::Boolean(value) => Some(Self::Boolean(*value)),
            Value::Number(text, false) => Some(Self::Number { text, negative: false }),
            Value::SingleQuotedString(text) => Some(Self::Text(text)),
            _ => None,
        }
    }
}

/// The values as a column of the type; `None` when one is not plainly of it.
fn array(data_type: &DataType, values: &[Literal<'_>]) -> Option<ArrayRef> {
    match data_type {
        DataType::Int8 | DataType::Int16 | DataType::Int32 | DataType::Int64 => {
            let numbers: Int64Array = each(values, |value| whole(value)?.try_into().ok())?.into();
            cast_exactly(Arc::new(numbers), data_type)
        }
        DataType::UInt8 | DataType::UInt16 | DataType::UInt32 | DataType::UInt64 => {
            let numbers: UInt64Array = each(values, |value| whole(value)?.try_into().ok())?.into();
            cast_exactly(Arc::new(numbers), data_type)
        }
        DataType::Float64 => Some(Arc::new(Float64Array::from(each(values, float)?))),
        DataType::Float32 => {
            let numbers =
                each(values, |value| Some(float(value)? as f32).filter(|number| number.is_finite()))?;
            Some(Arc::new(Float32Array::from(numbers)))
        }
        DataType::Decimal128(precision, scale) => {
            let numbers = each(values, |value| decimal(value, *precision, *scale))?;
            let numbers = Decimal128Array::from(numbers).with_precision_and_scale(*precision, *scale).ok()?;
            Some(Arc::new(numbers))
        }
        DataType::Boolean => Some(Arc::new(BooleanArray::from(each(values, |value| match value {
            Literal::Boolean(value) => Some(*value),
            _ => None,
        })?))),
        DataType::Utf8 | DataType::Utf8View | DataType::LargeUtf8 => {
            Some(Arc::new(StringArray::from(each(values, |value| match value {
                Literal::Text(text) => Some(*text),
                _ => None,
            })?)))
        }
        DataType::Date32 => {
            let texts = each(values, |value| match value {
                Literal::Text(text) | Literal::Date(text) => is_of(text, DATE).then_some(*text),
                _ => None,
            })?;
            cast_exactly(Arc::new(StringArray::from(texts)), data_type)
        }
        DataType::Timestamp(TimeUnit::Microsecond | TimeUnit::Nanosecond, None) => {
            let texts = each(values, |value| match value {
                Literal::Text(text) | Literal::Timestamp(text) => is_of(text, TIMESTAMP).then_some(*text),
                _ => None,
            })?;
            cast_exactly(Arc::new(StringArray::from(texts)), data_type)
        }
        _ => None,
    }
}

/// Digits stand for any digit.
const DATE: &str = "0000-00-00";
const TIMESTAMP: &str = "0000-00-00 00:00:00";

fn is_of(text: &str, form: &str) -> bool {
    text.len() == form.len()
        && text.bytes().zip(form.bytes()).all(|(byte, form)| match form {
            b'0' => byte.is_ascii_digit(),
            _ => byte == form,
        })
}

/// NULL for NULL, `value` for all else; `None` when that has none.
fn each<'a, T>(values: &[Literal<'a>], value: impl Fn(&Literal<'a>) -> Option<T>) -> Option<Vec<Option<T>>> {
    let convert = |literal: &Literal<'a>| match literal {
        Literal::Null => Some(None),
        literal => value(literal).map(Some),
    };
    values.iter().map(convert).collect()
}

fn whole(value: &Literal<'_>) -> Option<i128> {
    match value {
        Literal::Number { text, negative } if text.bytes().all(|byte| byte.is_ascii_digit()) => {
            let number: i128 = text.parse().ok()?;
            Some(if *negative { -number } else { number })
        }
        _ => None,
    }
}

fn float(value: &Literal<'_>) -> Option<f64> {
    match value {
        Literal::Number { text, negative } => {
            let number: f64 = text.parse().ok().filter(|number: &f64| number.is_finite())?;
            Some(if *negative { -number } else { number })
        }
        _ => None,
    }
}

/// Unscaled; only numbers that need no rounding.
fn decimal(value: &Literal<'_>, precision: u8, scale: i8) -> Option<i128> {
    let Literal::Number { text, negative } = value else { return None };
    let scale = usize::try_from(scale).ok()?;
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let digits_only = whole.bytes().chain(fraction.bytes()).all(|byte| byte.is_ascii_digit());
    if !digits_only || fraction.len() > scale || whole.len() + fraction.len() == 0 {
        return None;
    }
    let digits = format!("{whole}{fraction:0<scale$}");
    let number: i128 = digits.parse().ok()?;
    let fits = digits.trim_start_matches('0').len() <= usize::from(precision);
    fits.then_some(if *negative { -number } else { number })
}

fn cast_exactly(values: ArrayRef, data_type: &DataType) -> Option<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    cast_with_options(&values, data_type, &options).ok()
}
