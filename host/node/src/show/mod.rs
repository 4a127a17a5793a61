//! SHOW and DESCRIBE.
//!
//! [`tables`] lists what there is and describes it, [`managed`] shows what is known of a managed table, [`history`] what was,
//! and [`running`] what runs now.

mod history;
mod managed;
mod running;
mod tables;

pub use running::kill;

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, StringArray};
use arrow::compute::kernels::comparison::ilike;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_frontend::{DescribeTarget, ShowTarget};
use nyala_schema::option::OPTIONS;
use nyala_schema::table::TableDefinition;
use nyala_schema::{Error, Result};

use crate::answer::{Answer, ReadyRows};
use crate::session::Session;
use crate::transaction::statements::isolation_name;
use crate::work::TRAVEL_OPTIONS;
use crate::{function, query};

pub fn run(session: &Session, target: &ShowTarget) -> Result<Answer> {
    match target {
        ShowTarget::Tables { schema, like } => {
            tables::list(session, schema.as_deref(), like.as_deref(), |_| true)
        }
        ShowTarget::Views { schema, like } => {
            let is_view = |table: &TableDefinition| matches!(table, TableDefinition::View { .. });
            tables::list(session, schema.as_deref(), like.as_deref(), is_view)
        }
        ShowTarget::Schemas { like } => tables::schemas(session, like.as_deref()),
        ShowTarget::Columns { table } => tables::describe(session, table),
        ShowTarget::CreateTable { table } => tables::create_table(session, table),
        ShowTarget::Dropped { like } => history::dropped(session, like.as_deref()),
        ShowTarget::History { table: Some(table), limit } => history::of_table(session, table, *limit),
        ShowTarget::History { table: None, limit } => history::of_catalog(session, *limit),
        ShowTarget::Properties { table } => managed::properties(session, table),
        ShowTarget::Files { table } => managed::files(session, table),
        ShowTarget::Partitions { table } => managed::partitions(session, table),
        ShowTarget::Statistics { table } => managed::statistics(session, table),
        ShowTarget::Functions { like } => function::functions(session, like.as_deref()),
        ShowTarget::FunctionHealth { like } => function::health(session, like.as_deref()),
        ShowTarget::Modules { like } => function::modules(session, like.as_deref()),
        ShowTarget::Operators { like } => function::operators(session, like.as_deref()),
        ShowTarget::Queries => running::queries(session),
        ShowTarget::Nodes => running::nodes(session),
        ShowTarget::Connections => running::connections(session),
        ShowTarget::Profile { id } => running::profile(session, *id),
        ShowTarget::Options => {
            let options = OPTIONS.iter().map(|option| {
                Ok(vec![
                    option.name.to_owned(),
                    session.options.get(option.name)?,
                    option.description.to_owned(),
                ])
            });
            let travel = TRAVEL_OPTIONS.iter().map(|(option, description)| {
                Ok(vec![(*option).to_owned(), session.travels_to(option), (*description).to_owned()])
            });
            text_rows(
                &["option", "value", "description"],
                &options.chain(travel).collect::<Result<Vec<_>>>()?,
            )
        }
        ShowTarget::Option { name } => text_rows(&[name], &[vec![option(session, name)?]]),
    }
}

/// The value of an option, or of what else a session can be asked for.
fn option(session: &Session, name: &str) -> Result<String> {
    match name.to_lowercase().as_str() {
        "transaction_isolation" => Ok(isolation_name(session.isolation()).to_owned()),
        "schema" | "current_schema" => Ok(session.schema()),
        lower if TRAVEL_OPTIONS.iter().any(|(option, _)| *option == lower) => Ok(session.travels_to(lower)),
        _ => session.options.get(name).map_err(|error| nearest_show(error, name)),
    }
}

/// What is no option may be a misspelt list.
fn nearest_show(error: Error, name: &str) -> Error {
    const LISTS: [&str; 14] = [
        "TABLES",
        "VIEWS",
        "SCHEMAS",
        "FUNCTIONS",
        "MODULES",
        "OPERATORS",
        "HISTORY",
        "DROPPED",
        "QUERIES",
        "NODES",
        "CONNECTIONS",
        "FILES",
        "PARTITIONS",
        "STATISTICS",
    ];
    let options = OPTIONS.iter().map(|option| option.name);
    match nyala_frontend::nearest(name, LISTS.into_iter().chain(options)) {
        Some(near) => error.with_hint(format!("did you mean SHOW {near}?")),
        None => error,
    }
}

pub fn describe(session: &Session, sql: &str, target: &DescribeTarget) -> Result<Answer> {
    match target {
        DescribeTarget::Table(name) => tables::describe(session, name),
        DescribeTarget::Function(overload) => function::describe(session, overload),
        DescribeTarget::Query(query) => schema_rows(query::plan(session, sql, query)?.schema()),
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
