//! SHOW and DESCRIBE.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::kernels::comparison::ilike;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_frontend::{DescribeTarget, ShowTarget};
use nyala_schema::lookup::TableLookup;
use nyala_schema::option::OPTIONS;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, ErrorCode, Result};

use crate::answer::{Answer, ReadyRows};
use crate::session::Session;
use crate::{function, query};

pub fn run(session: &Session, target: &ShowTarget) -> Result<Answer> {
    match target {
        ShowTarget::Tables { like, .. } => tables(session, like.as_deref(), |_| true),
        ShowTarget::Views { like, .. } => {
            tables(session, like.as_deref(), |table| matches!(table, TableDefinition::View { .. }))
        }
        ShowTarget::Columns { table } => describe_table(session, table),
        ShowTarget::Functions { like } => function::functions(session, like.as_deref()),
        ShowTarget::FunctionHealth { like } => function::health(session, like.as_deref()),
        ShowTarget::Modules { like } => function::modules(session, like.as_deref()),
        ShowTarget::Operators { like } => function::operators(session, like.as_deref()),
        ShowTarget::Options => {
            let rows = OPTIONS.iter().map(|option| {
                Ok(vec![
                    option.name.to_owned(),
                    session.options.get(option.name)?,
                    option.description.to_owned(),
                ])
            });
            text_rows(&["option", "value", "description"], &rows.collect::<Result<Vec<_>>>()?)
        }
        ShowTarget::Schemas { .. }
        | ShowTarget::Dropped { .. }
        | ShowTarget::CreateTable { .. }
        | ShowTarget::Properties { .. }
        | ShowTarget::History { .. }
        | ShowTarget::Files { .. }
        | ShowTarget::Partitions { .. }
        | ShowTarget::Statistics { .. } => Err(Error::unsupported("this is not shown yet")),
        ShowTarget::Option { name } => text_rows(&[name], &[vec![session.options.get(name)?]]),
    }
}

pub fn describe(session: &Session, sql: &str, target: &DescribeTarget) -> Result<Answer> {
    match target {
        DescribeTarget::Table(name) => describe_table(session, name),
        DescribeTarget::Function(overload) => function::describe(session, overload),
        DescribeTarget::Query(query) => schema_rows(&query::plan(session, sql, query)?.fragment.root.schema),
    }
}

fn describe_table(session: &Session, name: &str) -> Result<Answer> {
    if let Some(definition) = session.snapshot().table(name) {
        return schema_rows(&definition.schema());
    }
    match session.tables().table(name)? {
        Some(table) => schema_rows(&table.schema),
        None => Err(Error::new(ErrorCode::UndefinedTable, format!("there is no table \"{name}\""))
            .with_hint("SHOW TABLES lists them")),
    }
}

fn schema_rows(schema: &Schema) -> Result<Answer> {
    let row = |field: &Arc<Field>| {
        let nullable = if field.is_nullable() { "YES" } else { "NO" };
        vec![field.name().clone(), type_name(field.data_type()), nullable.to_owned()]
    };
    text_rows(&["column", "type", "nullable"], &schema.fields().iter().map(row).collect::<Vec<_>>())
}

/// SQL's name of a type; Arrow's where SQL has none.
pub fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "BOOLEAN".into(),
        DataType::Int8 => "TINYINT".into(),
        DataType::Int16 => "SMALLINT".into(),
        DataType::Int32 => "INTEGER".into(),
        DataType::Int64 => "BIGINT".into(),
        DataType::UInt8 => "TINYINT UNSIGNED".into(),
        DataType::UInt16 => "SMALLINT UNSIGNED".into(),
        DataType::UInt32 => "INTEGER UNSIGNED".into(),
        DataType::UInt64 => "BIGINT UNSIGNED".into(),
        DataType::Float32 => "REAL".into(),
        DataType::Float64 => "DOUBLE".into(),
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View => "VARCHAR".into(),
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => "BYTEA".into(),
        DataType::Date32 | DataType::Date64 => "DATE".into(),
        DataType::Time32(_) | DataType::Time64(_) => "TIME".into(),
        DataType::Timestamp(_, None) => "TIMESTAMP".into(),
        DataType::Timestamp(_, Some(zone)) => format!("TIMESTAMP WITH TIME ZONE ({zone})"),
        DataType::Interval(_) => "INTERVAL".into(),
        DataType::Decimal32(p, s)
        | DataType::Decimal64(p, s)
        | DataType::Decimal128(p, s)
        | DataType::Decimal256(p, s) => {
            format!("DECIMAL({p},{s})")
        }
        DataType::List(item) | DataType::LargeList(item) => format!("{}[]", type_name(item.data_type())),
        other => other.to_string(),
    }
}

fn tables(
    session: &Session,
    like: Option<&str>,
    wanted: impl Fn(&TableDefinition) -> bool,
) -> Result<Answer> {
    let snapshot = session.snapshot();
    let mut rows = Vec::new();
    for (name, definition) in snapshot.tables.iter().filter(|(_, definition)| wanted(definition)) {
        if matches_pattern(name, like)? {
            rows.push(vec![name.clone(), definition.kind().to_owned()]);
        }
    }
    text_rows(&["table", "kind"], &rows)
}

pub fn matches_pattern(name: &str, like: Option<&str>) -> Result<bool> {
    let Some(pattern) = like else { return Ok(true) };
    let name = StringArray::from(vec![name]);
    Ok(ilike(&name, &StringArray::new_scalar(pattern))?.value(0))
}

/// Rows of text under these column names.
pub fn text_rows(columns: &[&str], rows: &[Vec<String>]) -> Result<Answer> {
    let fields: Vec<Field> = columns.iter().map(|name| Field::new(*name, DataType::Utf8, false)).collect();
    let arrays = (0..columns.len()).map(|index| {
        let values: Vec<&str> = rows.iter().map(|row| row[index].as_str()).collect();
        Arc::new(StringArray::from(values)) as ArrayRef
    });
    let batch = RecordBatch::try_new(Arc::new(Schema::new(fields)), arrays.collect())?;
    Ok(ReadyRows::answer(batch))
}
