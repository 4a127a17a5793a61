//! What a table is made with, checked when it is made: defaults, conditions, and the values that partitions are named by.

use std::sync::Arc;

use arrow::array::AsArray;
use arrow::compute::{DatePart, date_part};
use arrow::datatypes::{DataType, Int32Type, Schema};
use datafusion_common::tree_node::{TreeNode, TreeNodeRecursion};
use datafusion_common::{DFSchema, DataFusionError, ScalarValue};
use datafusion_expr::{Cast, Expr};
use nyala_schema::lookup::World;
use nyala_schema::managed::{TableShape, Transform};
use nyala_schema::option::Options;
use nyala_schema::value::Value;
use nyala_schema::{Error, ErrorCode, Result};
use sqlparser::ast::Spanned;

use crate::assignment::is_assignable;
use crate::constant::folded;
use crate::context::{Context, NoTables, StackSize};
use crate::diagnose::{at, translate};
use crate::locate::position_of;
use crate::optimize::{config_for, default_config};
use crate::parse::parse_kept_expression;
use crate::plan::Frontend;
use crate::shape::Shape;
use crate::statement::PartitionValue;
use crate::suggest::{did_you_mean, nearest, quoted};
use crate::types::sql_name;

impl Frontend {
    /// Checks the text of a column's default: an expression without columns, subqueries and aggregates, of a type that the
    /// column can take.
    ///
    /// # Errors
    /// What is wrong with it, with the column's name.
    pub fn check_default(
        &self,
        column: &str,
        data_type: &DataType,
        default: &str,
        world: &dyn World,
    ) -> Result<()> {
        let what = format!("DEFAULT of {}", quoted(column));
        Shape::of(default).run(|| {
            let context = Context::new(world, default_config(), StackSize::Usual);
            let written = parse_kept_expression(default).map_err(|error| of(&what, &error))?;
            crate::dml::check_literal(column, data_type, &written)?;
            let schema = DFSchema::empty();
            let planned = context.plan_expr(default, &written, &schema).map_err(|error| of(&what, &error))?;
            check_row_expression(&context, &planned, &what)?;
            let given = context.checked_type(&planned, &schema);
            let given = given.map_err(|error| of(&what, &translate(error, &context.scope(default))))?;
            if is_assignable(&given, data_type) {
                return Ok(());
            }
            let message =
                format!("{what} is {}, but the column is {}", sql_name(&given), sql_name(data_type));
            Err(Error::new(ErrorCode::DatatypeMismatch, message))
        })
    }

    /// Checks the text of a CHECK: a condition over the table's columns, without subqueries and aggregates. `table` is the
    /// name that its columns may be written with.
    ///
    /// # Errors
    /// What is wrong with it, with the name of the check if it has one.
    pub fn check_condition(
        &self,
        table: &str,
        columns: &Schema,
        name: Option<&str>,
        condition: &str,
        world: &dyn World,
    ) -> Result<()> {
        let what =
            name.map_or_else(|| format!("CHECK ({condition})"), |name| format!("CHECK {}", quoted(name)));
        let short = nyala_schema::table::split_name(table).1;
        Shape::of(condition).run(|| {
            let context = Context::new(world, default_config(), StackSize::Usual);
            let written = parse_kept_expression(condition).map_err(|error| of(&what, &error))?;
            let schema = DFSchema::try_from_qualified_schema(short, columns)
                .map_err(|error| of(&what, &translate(error, &context.scope(condition))))?;
            let planned =
                context.plan_expr(condition, &written, &schema).map_err(|error| of(&what, &error))?;
            check_row_expression(&context, &planned, &what)?;
            if planned.is_volatile() {
                let error = Error::unsupported(format!("{what} gives another answer each time"));
                return Err(error.with_hint("write it with the columns of the row alone"));
            }
            let given = context.checked_type(&planned, &schema);
            let given = given.map_err(|error| of(&what, &translate(error, &context.scope(condition))))?;
            if matches!(given, DataType::Boolean | DataType::Null) {
                return Ok(());
            }
            let message = format!("{what} is {}: it takes a condition", sql_name(&given));
            Err(Error::new(ErrorCode::DatatypeMismatch, message))
        })
    }

    /// What a default is now, in its column's type: for the rows that are there when a column is added.
    ///
    /// # Errors
    /// `Unsupported` for a default that differs from row to row; what cannot be computed.
    pub fn default_value(&self, default: &str, data_type: &DataType, options: &Options) -> Result<Value> {
        Shape::of(default).run(|| {
            let context = Context::new(&NoTables, config_for(options), StackSize::Usual);
            let written = parse_kept_expression(default)?;
            let planned = context.plan_expr(default, &written, &DFSchema::empty())?;
            if planned.is_volatile() {
                let error = Error::unsupported("a column is added with one default for all rows");
                return Err(error.with_hint("add it without DEFAULT, set the default, then UPDATE"));
            }
            let value = constant(planned, data_type, &context);
            value.map_err(|error| translate(error, &context.scope(default)))
        })
    }

    /// The values that PARTITION (…) names, each with the number of its field in PARTITIONED BY, as files have them. `sql` is the
    /// text that they stand in. A year is written as a number, a month as '2026-03', a day as '2026-03-01', an hour as
    /// '2026-03-01 14'.
    ///
    /// # Errors
    /// `InvalidParameter` for what the table is not partitioned by; values that are none of the field's type.
    pub fn partition_values(
        &self,
        sql: &str,
        values: &[PartitionValue],
        shape: &TableShape,
        options: &Options,
    ) -> Result<Vec<(usize, Value)>> {
        Shape::of(sql).run(|| {
            let context = Context::new(&NoTables, config_for(options), StackSize::Usual);
            values.iter().map(|value| partition_value(&context, sql, value, shape)).collect()
        })
    }
}

/// What is wrong with a text that a statement only quotes has no place in the statement.
fn of(what: &str, error: &Error) -> Error {
    let outer = Error::new(error.code(), format!("{what}: {}", error.message()));
    match error.hint() {
        Some(hint) => outer.with_hint(hint),
        None => outer,
    }
}

/// Only of one row, and of functions that are always there.
fn check_row_expression(context: &Context, expr: &Expr, what: &str) -> Result<()> {
    let mut wrong = None;
    let walked = expr.apply(|part| {
        wrong = match part {
            Expr::AggregateFunction(_) | Expr::WindowFunction(_) => {
                Some((ErrorCode::Grouping, "an aggregate"))
            }
            Expr::ScalarSubquery(_) | Expr::Exists(_) | Expr::InSubquery(_) | Expr::SetComparison(_) => {
                Some((ErrorCode::Unsupported, "a subquery"))
            }
            _ => None,
        };
        Ok(if wrong.is_some() { TreeNodeRecursion::Stop } else { TreeNodeRecursion::Continue })
    });
    walked.map_err(|error| Error::internal(error.to_string()))?;
    if let Some((code, part)) = wrong {
        let error = Error::new(code, format!("{what} has {part}, but it is of one row alone"));
        return Err(error);
    }
    match context.uses().first() {
        Some(function) => {
            let message = format!("{what} uses {}, which somebody may drop", quoted(function));
            Err(Error::unsupported(message).with_hint("only built-in functions stand in what a table keeps"))
        }
        None => Ok(()),
    }
}

fn constant(expr: Expr, data_type: &DataType, context: &Context) -> Result<Value, DataFusionError> {
    let written = expr.to_string();
    match folded(Expr::Cast(Cast::new(Box::new(expr), data_type.clone())), context.config())? {
        Expr::Literal(value, _) => Ok(Value::new(value.cast_to(data_type)?.to_array()?)),
        _ => {
            let message = format!("{written} is not constant");
            Err(crate::context::external(Error::new(ErrorCode::InvalidParameter, message)))
        }
    }
}

fn partition_value(
    context: &Context,
    sql: &str,
    value: &PartitionValue,
    shape: &TableShape,
) -> Result<(usize, Value)> {
    let term = &value.term;
    let fields = shape.partition_by.iter().map(|field| {
        let column = shape.column_by_id(field.column);
        (column, field.transform)
    });
    let found = fields.clone().position(|(column, transform)| {
        transform == term.transform && column.is_some_and(|column| column.name == term.column)
    });
    let place = position_of(value.value.span().start);
    let (Some(field), Some(column)) = (found, shape.column(&term.column)) else {
        let known: Vec<String> =
            fields.filter_map(|(column, transform)| Some(transform.to_sql(&column?.name))).collect();
        return Err(at(unknown_partition(&term.transform.to_sql(&term.column), &known), place));
    };
    let planned = context.plan_expr(sql, &value.value, &DFSchema::empty())?;
    let wanted = term.transform.result_type(&column.data_type);
    let result = match term.transform {
        Transform::Identity | Transform::Truncate(_) | Transform::Bucket(_) => {
            constant(planned, &wanted, context)
        }
        Transform::Year | Transform::Month | Transform::Day | Transform::Hour => {
            folded(planned, context.config()).and_then(|planned| counted(planned, term.transform, context))
        }
    };
    let result = result.map_err(|error| at(translate(error, &context.scope(sql)), place))?;
    Ok((field, result))
}

fn unknown_partition(written: &str, known: &[String]) -> Error {
    if known.is_empty() {
        return Error::new(ErrorCode::InvalidParameter, "the table is not partitioned");
    }
    let error = Error::new(ErrorCode::InvalidParameter, format!("the table is not partitioned by {written}"));
    match nearest(written, known.iter().map(String::as_str)) {
        Some(near) => error.with_hint(did_you_mean(near)),
        None => error.with_hint(format!("it is partitioned by {}", known.join(", "))),
    }
}

/// Years, months, days or hours since 1970.
fn counted(value: Expr, transform: Transform, context: &Context) -> Result<Value, DataFusionError> {
    let Expr::Literal(value, _) = value else { return constant(value, &DataType::Int32, context) };
    if value.is_null() {
        return Ok(Value::null(&DataType::Int32));
    }
    if transform == Transform::Year
        && let Ok(ScalarValue::Int32(Some(year))) = value.cast_to(&DataType::Int32)
        && value.data_type().is_numeric()
    {
        return number(year - FIRST_YEAR);
    }
    let completed = match (&value, transform) {
        (ScalarValue::Utf8(Some(text)) | ScalarValue::Utf8View(Some(text)), transform) => {
            let rest = match transform {
                Transform::Year => "-01-01",
                Transform::Month => "-01",
                Transform::Hour => ":00",
                _ => "",
            };
            let is_short = text.len() <= LENGTHS_WITHOUT_REST[usize::from(transform == Transform::Hour)];
            ScalarValue::from(if is_short { format!("{text}{rest}") } else { text.clone() })
        }
        _ => value,
    };
    let micros = DataType::Timestamp(arrow::datatypes::TimeUnit::Microsecond, None);
    let moment = completed.cast_to(&micros)?;
    let ScalarValue::TimestampMicrosecond(Some(time), _) = moment else {
        return constant(Expr::Literal(moment, None), &DataType::Int32, context);
    };
    let array = moment.to_array()?;
    let part = |part: DatePart| -> Result<i32, DataFusionError> {
        Ok(date_part(&array, part)?.as_primitive::<Int32Type>().value(0))
    };
    let whole = |length: i64| i32::try_from(time.div_euclid(length)).unwrap_or(i32::MAX);
    number(match transform {
        Transform::Year => part(DatePart::Year)? - FIRST_YEAR,
        Transform::Month => (part(DatePart::Year)? - FIRST_YEAR) * 12 + part(DatePart::Month)? - 1,
        Transform::Hour => whole(HOUR_US),
        _ => whole(24 * HOUR_US),
    })
}

const FIRST_YEAR: i32 = 1970;
const HOUR_US: i64 = 3_600_000_000;
/// Characters of `2026-03`, and of `2026-03-01 14`: a text that is longer says more than the field does.
const LENGTHS_WITHOUT_REST: [usize; 2] = [7, 13];

fn number(value: i32) -> Result<Value, DataFusionError> {
    Ok(Value::new(Arc::new(arrow::array::Int32Array::from(vec![value]))))
}
