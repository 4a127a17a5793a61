//! A table as the statement that creates it.

use std::fmt::Write;

use arrow::datatypes::{DataType, TimeUnit};
use nyala_schema::managed::{SortField, TableProperties, TableShape};
use nyala_schema::table::split_name;
use sqlparser::ast::Expr;
use sqlparser::keywords::{
    ALL_KEYWORDS, ALL_KEYWORDS_INDEX, RESERVED_FOR_COLUMN_ALIAS, RESERVED_FOR_IDENTIFIER,
    RESERVED_FOR_TABLE_ALIAS,
};

use crate::parse::parse_expression;
use crate::suggest::quoted;

/// CREATE TABLE with everything that a table has, and COMMENT ON COLUMN for each comment on a column: statements with
/// semicolons between them, none at the end.
pub fn create_table_sql(
    name: &str,
    shape: &TableShape,
    properties: &TableProperties,
    comment: Option<&str>,
    column_comments: &[(String, String)],
) -> String {
    let mut lines: Vec<String> = Vec::new();
    for column in &shape.columns {
        let mut line = format!("  {} {}", identifier(&column.name), type_text(&column.data_type));
        if !column.nullable {
            line.push_str(" NOT NULL");
        }
        if let Some(default) = &column.default {
            let _ = write!(line, " DEFAULT {}", default_text(default));
        }
        lines.push(line);
    }
    for check in &shape.checks {
        lines.push(format!("  CONSTRAINT {} CHECK ({})", identifier(&check.name), check.sql));
    }
    let mut sql = format!("CREATE TABLE {} (\n{}\n)", table_name(name), lines.join(",\n"));
    let column = |id| shape.column_by_id(id).map(|column| identifier(&column.name)).unwrap_or_default();
    if !shape.partition_by.is_empty() {
        let terms = shape.partition_by.iter().map(|field| field.transform.to_sql(&column(field.column)));
        let _ = write!(sql, "\nPARTITIONED BY ({})", terms.collect::<Vec<_>>().join(", "));
    }
    if !shape.sort_by.is_empty() {
        let terms = shape.sort_by.iter().map(|field| sort_text(field, &column(field.column)));
        let _ = write!(sql, "\nSORTED BY ({})", terms.collect::<Vec<_>>().join(", "));
    }
    let chosen = properties.chosen();
    if !chosen.is_empty() {
        let chosen = chosen.iter().map(|(name, value)| format!("{name} = {}", text(value)));
        let _ = write!(sql, "\nWITH ({})", chosen.collect::<Vec<_>>().join(", "));
    }
    if let Some(comment) = comment {
        let _ = write!(sql, "\nCOMMENT {}", text(comment));
    }
    for (column, comment) in column_comments {
        let column = identifier(column);
        let _ = write!(sql, ";\nCOMMENT ON COLUMN {}.{column} IS {}", table_name(name), text(comment));
    }
    sql
}

fn sort_text(field: &SortField, column: &str) -> String {
    let direction = if field.descending { " DESC" } else { "" };
    let nulls = match (field.nulls_first, field.descending) {
        (first, descending) if first == descending => "",
        (true, _) => " NULLS FIRST",
        (false, _) => " NULLS LAST",
    };
    format!("{column}{direction}{nulls}")
}

fn text(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

fn table_name(name: &str) -> String {
    match name.split_once('.') {
        Some(_) => {
            let (schema, table) = split_name(name);
            format!("{}.{}", identifier(schema), identifier(table))
        }
        None => identifier(name),
    }
}

/// Words that begin a constraint among the columns.
const CONSTRAINT_WORDS: [&str; 6] = ["constraint", "check", "primary", "unique", "foreign", "default"];

/// A name in quotes if it needs them.
fn identifier(name: &str) -> String {
    let is_plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    let upper = name.to_uppercase();
    let keyword = ALL_KEYWORDS.binary_search(&upper.as_str()).ok().map(|index| ALL_KEYWORDS_INDEX[index]);
    let is_reserved = keyword.is_some_and(|keyword| {
        RESERVED_FOR_IDENTIFIER.contains(&keyword)
            || RESERVED_FOR_COLUMN_ALIAS.contains(&keyword)
            || RESERVED_FOR_TABLE_ALIAS.contains(&keyword)
    });
    if is_plain && !is_reserved && !CONSTRAINT_WORDS.contains(&name) { name.to_owned() } else { quoted(name) }
}

/// In parentheses where what follows could be taken for a part of it.
fn default_text(default: &str) -> String {
    let stands_alone = matches!(
        parse_expression(default),
        Ok(Expr::Value(_) | Expr::Function(_) | Expr::TypedString(_) | Expr::Nested(_) | Expr::Cast { .. })
    );
    if stands_alone { default.to_owned() } else { format!("({default})") }
}

/// A type in the words that CREATE TABLE reads as exactly it; one that SQL cannot name, in the nearest.
fn type_text(data_type: &DataType) -> String {
    match data_type {
        DataType::UInt8 => "TINYINT UNSIGNED".to_owned(),
        DataType::UInt16 => "SMALLINT UNSIGNED".to_owned(),
        DataType::UInt32 => "INTEGER UNSIGNED".to_owned(),
        DataType::UInt64 => "BIGINT UNSIGNED".to_owned(),
        DataType::Timestamp(TimeUnit::Second, None) => "TIMESTAMP_S".to_owned(),
        DataType::Timestamp(TimeUnit::Millisecond, None) => "TIMESTAMP_MS".to_owned(),
        DataType::Timestamp(TimeUnit::Nanosecond, None) => "TIMESTAMP_NS".to_owned(),
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            format!("{}[]", type_text(item.data_type()))
        }
        DataType::Struct(fields) => {
            let fields = fields
                .iter()
                .map(|field| format!("{} {}", identifier(field.name()), type_text(field.data_type())));
            format!("STRUCT<{}>", fields.collect::<Vec<_>>().join(", "))
        }
        other => crate::types::sql_name(other).to_uppercase(),
    }
}
