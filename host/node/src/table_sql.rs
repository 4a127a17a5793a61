//! Tables as the statements that would make them.

use std::fmt::Write;
use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::id::ColumnId;
use nyala_schema::managed::{ManagedTable, TableColumn, TableShape};
use nyala_schema::scan::{Compression, CsvOptions, FileFormat};
use nyala_schema::table::{ExternalTable, TableDefinition};
use nyala_schema::type_name::{sql_identifier, sql_type_name};
use nyala_schema::value::Value;

/// CREATE TABLE, EXTERNAL TABLE or VIEW, with its comments behind it.
pub fn create_sql(snapshot: &Snapshot, name: &str, definition: &TableDefinition) -> String {
    let quoted = quoted_name(name);
    let mut sql = match definition {
        TableDefinition::Managed(table) => managed_sql(&quoted, table),
        TableDefinition::External(table) => external_sql(&quoted, table),
        TableDefinition::View { sql, .. } => format!("CREATE VIEW {quoted} AS {sql}"),
        TableDefinition::Memory { schema, .. } => {
            let columns = schema.fields().iter().map(|f| format!("{} {}", sql_identifier(f.name()), sql_type_name(f.data_type())));
            format!("CREATE TABLE {quoted} ({})", columns.collect::<Vec<_>>().join(", "))
        }
    };
    let noun = if matches!(definition, TableDefinition::View { .. }) { "VIEW" } else { "TABLE" };
    let own = CommentTarget::Object(ObjectKind::Table, name.to_owned());
    if let Some(text) = snapshot.comments.get(&own) {
        let _ = write!(sql, ";\nCOMMENT ON {noun} {quoted} IS {}", literal(text));
    }
    for field in definition.schema().fields() {
        let target = CommentTarget::Column(name.to_owned(), field.name().clone());
        if let Some(text) = snapshot.comments.get(&target) {
            let column = sql_identifier(field.name());
            let _ = write!(sql, ";\nCOMMENT ON COLUMN {quoted}.{column} IS {}", literal(text));
        }
    }
    sql
}

/// Each part of a name as SQL writes it.
pub fn quoted_name(name: &str) -> String {
    name.split('.').map(sql_identifier).collect::<Vec<_>>().join(".")
}

/// Text in quotes.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn managed_sql(name: &str, table: &ManagedTable) -> String {
    let shape = &table.shape;
    let columns = shape.columns.iter().map(column_sql);
    let checks = shape.checks.iter().map(|check| format!("CONSTRAINT {} CHECK ({})", sql_identifier(&check.name), check.sql));
    let lines: Vec<String> = columns.chain(checks).map(|line| format!("  {line}")).collect();
    let mut sql = format!("CREATE TABLE {name} (\n{}\n)", lines.join(",\n"));
    if !shape.partition_by.is_empty() {
        let _ = write!(sql, "\nPARTITIONED BY ({})", partitioned_by(shape));
    }
    if !shape.sort_by.is_empty() {
        let _ = write!(sql, "\nSORTED BY ({})", sorted_by(shape));
    }
    let chosen = table.properties.chosen();
    if !chosen.is_empty() {
        let chosen: Vec<String> = chosen.iter().map(|(name, value)| format!("{name} = {}", literal(value))).collect();
        let _ = write!(sql, "\nWITH ({})", chosen.join(", "));
    }
    sql
}

fn column_sql(column: &TableColumn) -> String {
    let mut sql = format!("{} {}", sql_identifier(&column.name), sql_type_name(&column.data_type));
    if !column.nullable {
        sql.push_str(" NOT NULL");
    }
    if let Some(default) = &column.default {
        let _ = write!(sql, " DEFAULT {default}");
    }
    sql
}

/// What stands in the parentheses of PARTITIONED BY.
pub fn partitioned_by(shape: &TableShape) -> String {
    let terms = shape.partition_by.iter().map(|field| field.transform.to_sql(&column_name(shape, field.column)));
    terms.collect::<Vec<_>>().join(", ")
}

/// What stands in the parentheses of SORTED BY.
pub fn sorted_by(shape: &TableShape) -> String {
    let terms = shape.sort_by.iter().map(|field| {
        let direction = if field.descending { " DESC" } else { "" };
        // As ORDER BY has it when nothing is said.
        let nulls = match (field.nulls_first, field.descending) {
            (true, false) => " NULLS FIRST",
            (false, true) => " NULLS LAST",
            _ => "",
        };
        format!("{}{direction}{nulls}", column_name(shape, field.column))
    });
    terms.collect::<Vec<_>>().join(", ")
}

fn column_name(shape: &TableShape, id: ColumnId) -> String {
    shape.column_by_id(id).map_or_else(|| id.to_string(), |column| sql_identifier(&column.name))
}

/// `region = 'north', year(at) = 54`; `None` for a table without partitions.
pub fn partition_text(shape: &TableShape, values: &[Value]) -> Option<String> {
    if values.is_empty() {
        return None;
    }
    let terms = shape.partition_by.iter().zip(values).map(|(field, value)| {
        format!("{} = {value}", field.transform.to_sql(&column_name(shape, field.column)))
    });
    Some(terms.collect::<Vec<_>>().join(", "))
}

fn external_sql(name: &str, table: &ExternalTable) -> String {
    let fields = table.schema.fields();
    let own = fields.len() - table.partition_columns;
    let column = |field: &Arc<arrow::datatypes::Field>| {
        let null = if field.is_nullable() { "" } else { " NOT NULL" };
        format!("  {} {}{null}", sql_identifier(field.name()), sql_type_name(field.data_type()))
    };
    let columns: Vec<String> = fields[..own].iter().map(column).collect();
    let mut sql = format!("CREATE EXTERNAL TABLE {name} (\n{}\n)", columns.join(",\n"));
    if table.partition_columns > 0 {
        let terms: Vec<String> = fields[own..]
            .iter()
            .map(|field| format!("{} {}", sql_identifier(field.name()), sql_type_name(field.data_type())))
            .collect();
        let _ = write!(sql, "\nPARTITIONED BY ({})", terms.join(", "));
    }
    let _ = write!(sql, "\nSTORED AS {}", table.format.to_string().to_uppercase());
    let options = format_options(&table.format);
    let _ = write!(sql, "\nLOCATION {}", literal(&table.location));
    if !options.is_empty() {
        let options: Vec<String> =
            options.iter().map(|(name, value)| format!("{} {}", literal(name), literal(value))).collect();
        let _ = write!(sql, "\nOPTIONS ({})", options.join(", "));
    }
    sql
}

/// Those that are not as by default.
fn format_options(format: &FileFormat) -> Vec<(&'static str, String)> {
    let mut chosen = Vec::new();
    let compression = match format {
        FileFormat::Csv(options) => {
            let default = CsvOptions::default();
            if options.header != default.header {
                chosen.push(("header", options.header.to_string()));
            }
            if options.delimiter != default.delimiter {
                chosen.push(("delimiter", char::from(options.delimiter).to_string()));
            }
            if options.quote != default.quote {
                chosen.push(("quote", char::from(options.quote).to_string()));
            }
            if let Some(null) = &options.null_text {
                chosen.push(("null", null.clone()));
            }
            options.compression
        }
        FileFormat::Json(compression) => *compression,
        FileFormat::Parquet | FileFormat::Arrow => Compression::None,
    };
    match compression {
        Compression::None => {}
        Compression::Gzip => chosen.push(("compression", "gzip".to_owned())),
        Compression::Zstd => chosen.push(("compression", "zstd".to_owned())),
    }
    chosen
}
