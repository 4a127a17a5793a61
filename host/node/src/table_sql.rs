//! Tables as the statements that would make them.

use std::fmt::Write;
use std::sync::Arc;

use nyala_catalog::Snapshot;
use nyala_frontend::create_table_sql;
use nyala_schema::command::{CommentTarget, ObjectKind};
use nyala_schema::scan::{Compression, CsvOptions, FileFormat};
use nyala_schema::table::{ExternalTable, TableDefinition};
use nyala_schema::type_name::{sql_identifier, sql_type_name};

/// CREATE TABLE, EXTERNAL TABLE or VIEW, with comments behind it.
pub fn create_sql(snapshot: &Snapshot, name: &str, definition: &TableDefinition) -> String {
    let quoted = quoted_name(name);
    let own = CommentTarget::Object(ObjectKind::Table, name.to_owned());
    let comment = snapshot.comments.get(&own).map(AsRef::as_ref);
    let fields = definition.schema();
    let columns = fields.fields().iter().filter_map(|field| {
        let target = CommentTarget::Column(name.to_owned(), field.name().clone());
        Some((field.name().clone(), snapshot.comments.get(&target)?.to_string()))
    });
    let columns: Vec<(String, String)> = columns.collect();
    let (mut sql, noun) = match definition {
        TableDefinition::Managed(table) => {
            return create_table_sql(name, &table.shape, &table.properties, comment, &columns);
        }
        TableDefinition::External(table) => (external_sql(&quoted, table), "TABLE"),
        TableDefinition::View { sql, .. } => (format!("CREATE VIEW {quoted} AS {sql}"), "VIEW"),
    };
    if let Some(text) = comment {
        let _ = write!(sql, ";\nCOMMENT ON {noun} {quoted} IS {}", literal(text));
    }
    for (column, text) in &columns {
        let column = sql_identifier(column);
        let _ = write!(sql, ";\nCOMMENT ON COLUMN {quoted}.{column} IS {}", literal(text));
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
