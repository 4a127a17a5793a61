//! PARTITION (…): which files of a table are meant.

use arrow::datatypes::DataType;
use nyala_frontend::PartitionValue;
use nyala_schema::managed::shape::PartitionField;
use nyala_schema::managed::{DataFile, TableShape, Transform};
use nyala_schema::type_name::sql_identifier;
use nyala_schema::{Error, ErrorCode, Result, Value};
use sqlparser::ast::{Expr, SelectItem, SetExpr};

use super::stream;
use super::target::Target;
use crate::query;
use crate::session::Session;

/// Values of some of the fields that a table is partitioned by.
pub struct PartitionFilter {
    /// Field and value.
    values: Vec<(usize, Value)>,
}

impl PartitionFilter {
    /// # Errors
    /// `UndefinedObject` when the table is not partitioned by that; those of computing the values.
    pub fn new(session: &Session, sql: &str, target: &Target, values: &[PartitionValue]) -> Result<Self> {
        let shape = &target.table().shape;
        let value = |value: &PartitionValue| {
            let index = field_of(target, value)?;
            let computed = evaluate(session, sql, &value.value)?;
            Ok((index, partition_value(shape, shape.partition_by[index], &computed)?))
        };
        Ok(Self { values: values.iter().map(value).collect::<Result<_>>()? })
    }

    /// Whether it says a value of every field, so that it means one partition.
    pub fn is_whole(&self, shape: &TableShape) -> bool {
        (0..shape.partition_by.len()).all(|field| self.values.iter().any(|(index, _)| *index == field))
    }

    pub fn matches(&self, file: &DataFile) -> bool {
        self.values.iter().all(|(field, value)| file.partition.get(*field).is_some_and(|it| same(it, value)))
    }

    /// # Errors
    /// `UndefinedObject` when no file of the table is of this partition.
    pub fn check_exists(&self, target: &Target) -> Result<()> {
        if self.values.is_empty() || target.table().files.iter().any(|file| self.matches(file)) {
            return Ok(());
        }
        let shape = &target.table().shape;
        let terms = self
            .values
            .iter()
            .map(|(field, value)| format!("{} = {value}", term(shape, shape.partition_by[*field])));
        let terms: Vec<String> = terms.collect();
        let message = format!("table \"{}\" has no partition ({})", target.name, terms.join(", "));
        Err(Error::new(ErrorCode::UndefinedObject, message)
            .with_hint(format!("SHOW PARTITIONS {} lists those that it has", target.name)))
    }
}

/// What a partition is known by among those of one table.
pub fn key(values: &[Value]) -> String {
    values.iter().map(|value| format!("{value:?}\u{0}")).collect()
}

fn same(one: &Value, other: &Value) -> bool {
    one.is_null() && other.is_null() || one == other
}

fn field_of(target: &Target, value: &PartitionValue) -> Result<usize> {
    let shape = &target.table().shape;
    let column = shape.column(&value.term.column);
    let field = |field: &PartitionField| {
        column.is_some_and(|column| column.id == field.column) && field.transform == value.term.transform
    };
    shape.partition_by.iter().position(field).ok_or_else(|| {
        let wanted = value.term.transform.to_sql(&value.term.column);
        let message = format!("table \"{}\" is not partitioned by {wanted}", target.name);
        let error = Error::new(ErrorCode::UndefinedObject, message);
        let terms: Vec<String> = shape.partition_by.iter().map(|field| term(shape, *field)).collect();
        if terms.is_empty() {
            return error.with_hint("it has no PARTITIONED BY");
        }
        error.with_hint(format!("it is partitioned by {}", terms.join(", ")))
    })
}

fn term(shape: &TableShape, field: PartitionField) -> String {
    let column = shape.column_by_id(field.column);
    field.transform.to_sql(column.map_or("?", |column| column.name.as_str()))
}

/// The value of an expression without columns.
fn evaluate(session: &Session, sql: &str, expr: &Expr) -> Result<Value> {
    let (_, mut query) = query::parsed("SELECT 1".to_owned())?;
    let SetExpr::Select(select) = query.body.as_mut() else {
        return Err(Error::internal("SELECT 1 is no SELECT"));
    };
    select.projection = vec![SelectItem::UnnamedExpr(expr.clone())];
    let mut value = None;
    stream::each_batch(session, &session.tables(), sql, &query, |batch| {
        value = Some(Value::from_row(batch.column(0), 0));
        Ok(())
    })?;
    value.ok_or_else(|| Error::internal("an expression gives no value"))
}

/// The value as files have it. Years, months, days and hours are written as such and counted from 1970.
fn partition_value(shape: &TableShape, field: PartitionField, value: &Value) -> Result<Value> {
    let column = shape.column_by_id(field.column).ok_or_else(|| {
        Error::internal(format!("a partition is of column {}, which is not there", field.column))
    })?;
    let data_type = field.transform.result_type(&column.data_type);
    if value.is_null() {
        return Ok(Value::null(&data_type));
    }
    let counted = match field.transform {
        Transform::Year => value.cast(&DataType::Int32)?.as_i128().map(|year| year - EPOCH_YEAR),
        Transform::Month => return months(value),
        Transform::Day => value.cast(&DataType::Date32)?.as_i128(),
        Transform::Hour => {
            value.cast(&seconds_type())?.as_i128().map(|seconds| seconds.div_euclid(SECONDS_PER_HOUR))
        }
        Transform::Identity | Transform::Bucket(_) | Transform::Truncate(_) => return value.cast(&data_type),
    };
    number(counted)
}

/// `region = 'north', year(at) = 2024`; `None` for a table without partitions.
pub fn partition_text(shape: &TableShape, values: &[Value]) -> Option<String> {
    if values.is_empty() {
        return None;
    }
    let terms = shape.partition_by.iter().zip(values).map(|(field, value)| {
        let column = shape.column_by_id(field.column);
        let name = column.map_or_else(|| field.column.to_string(), |column| sql_identifier(&column.name));
        let value = counted_text(field.transform, value).unwrap_or_else(|| value.to_string());
        format!("{} = {value}", field.transform.to_sql(&name))
    });
    Some(terms.collect::<Vec<_>>().join(", "))
}

/// A value that files have, as it is written: the way back of [`partition_value`]. `None` where it is written as files have
/// it.
fn counted_text(transform: Transform, value: &Value) -> Option<String> {
    let counted = value.as_i128()?;
    Some(match transform {
        Transform::Year => (EPOCH_YEAR + counted).to_string(),
        Transform::Month => {
            let (year, month) = (counted.div_euclid(MONTHS_PER_YEAR), counted.rem_euclid(MONTHS_PER_YEAR));
            format!("'{}-{:02}'", EPOCH_YEAR + year, month + 1)
        }
        Transform::Day => format!("'{}'", value.cast(&DataType::Date32).ok()?),
        Transform::Hour => {
            let seconds = Value::int64(i64::try_from(counted * SECONDS_PER_HOUR).ok()?);
            format!("'{}'", seconds.cast(&seconds_type()).ok()?)
        }
        Transform::Identity | Transform::Bucket(_) | Transform::Truncate(_) => return None,
    })
}

fn seconds_type() -> DataType {
    DataType::Timestamp(arrow::datatypes::TimeUnit::Second, None)
}

const EPOCH_YEAR: i128 = 1970;
const MONTHS_PER_YEAR: i128 = 12;
const SECONDS_PER_HOUR: i128 = 3600;

/// Of a date, or of text such as `2024-03`.
fn months(value: &Value) -> Result<Value> {
    let date = match value.as_str() {
        Some(text) if text.matches('-').count() == 1 => Value::utf8(&format!("{text}-01")),
        _ => value.clone(),
    };
    let date = date.cast(&DataType::Date32)?;
    let part = |part| -> Result<i128> {
        let array = arrow::compute::date_part(date.array(), part)?;
        Value::new(array).as_i128().ok_or_else(|| Error::internal("a date has no month"))
    };
    let years = part(arrow::compute::DatePart::Year)? - EPOCH_YEAR;
    number(Some(years * MONTHS_PER_YEAR + part(arrow::compute::DatePart::Month)? - 1))
}

fn number(value: Option<i128>) -> Result<Value> {
    let value = value.and_then(|value| i32::try_from(value).ok());
    let value =
        value.ok_or_else(|| Error::new(ErrorCode::InvalidParameter, "no partition can be of this value"))?;
    Value::int64(i64::from(value)).cast(&DataType::Int32)
}
