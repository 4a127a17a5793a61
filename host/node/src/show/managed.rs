//! SHOW PROPERTIES, FILES, PARTITIONS and STATISTICS of a managed table.

use std::collections::BTreeMap;
use std::sync::Arc;

use nyala_schema::managed::property::PROPERTIES;
use nyala_schema::managed::{ColumnSummary, DataFile, FileContent, ManagedTable, TableColumn};
use nyala_schema::option::format_bytes;
use nyala_schema::table::{TableDefinition, TableName};
use nyala_schema::{Error, Result};
use nyala_storage::managed::distinct_of;

use super::history::time_text;
use super::text_rows;
use crate::answer::Answer;
use crate::search_path::undefined_table;
use crate::session::Session;
use crate::write::partition_text;

/// A managed table with the name that the catalog has for it.
///
/// # Errors
/// `UndefinedTable`; `Unsupported` for what is none.
pub fn find(session: &Session, written: &str) -> Result<(TableName, Arc<TableDefinition>)> {
    let snapshot = session.snapshot();
    let name = session.existing_name(written);
    match snapshot.table(&name) {
        None => Err(undefined_table(&snapshot, &session.schema(), written)),
        Some(definition) => match definition.as_ref() {
            TableDefinition::Managed(_) => Ok((name, Arc::clone(definition))),
            other => Err(Error::unsupported(format!(
                "\"{written}\" is of kind {}: only managed tables have this",
                other.kind()
            ))),
        },
    }
}

fn of_managed<T>(
    session: &Session,
    written: &str,
    with: impl FnOnce(&ManagedTable) -> Result<T>,
) -> Result<T> {
    match find(session, written)?.1.as_ref() {
        TableDefinition::Managed(table) => with(table),
        other => Err(Error::internal(format!("a table of kind {} was found", other.kind()))),
    }
}

pub fn properties(session: &Session, written: &str) -> Result<Answer> {
    of_managed(session, written, |table| {
        let values: BTreeMap<&str, String> = table.properties.all().into_iter().collect();
        let rows = PROPERTIES.iter().map(|info| {
            let value = values.get(info.name).cloned().unwrap_or_default();
            vec![info.name.to_owned(), value, info.description.to_owned()]
        });
        text_rows(&["property", "value", "description"], &rows.collect::<Vec<_>>())
    })
}

pub fn files(session: &Session, written: &str) -> Result<Answer> {
    of_managed(session, written, |table| {
        let row = |file: &Arc<DataFile>| {
            let path = match &file.content {
                FileContent::Parquet { path, .. } => path.to_string(),
                FileContent::Rows(_) => "(in the catalog)".to_owned(),
            };
            vec![
                file.id.0.to_string(),
                path,
                file.rows.to_string(),
                (file.rows - file.live_rows()).to_string(),
                format_bytes(file.bytes()),
                file.added_in.to_string(),
                partition_text(&table.shape, &file.partition).unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> = table.files.iter().map(row).collect();
        text_rows(&["file", "path", "rows", "deleted_rows", "size", "version", "partition"], &rows)
    })
}

pub fn partitions(session: &Session, written: &str) -> Result<Answer> {
    of_managed(session, written, |table| {
        if table.shape.partition_by.is_empty() {
            return Err(Error::new(
                nyala_schema::ErrorCode::UndefinedObject,
                format!("\"{written}\" has no partitions"),
            )
            .with_hint("CREATE TABLE … PARTITIONED BY (…) makes a table that has"));
        }
        let mut sums = BTreeMap::<String, (u64, u64, u64)>::new();
        for file in table.files.iter() {
            let partition = partition_text(&table.shape, &file.partition).unwrap_or_default();
            let sum = sums.entry(partition).or_default();
            *sum = (sum.0 + 1, sum.1 + file.live_rows(), sum.2 + file.bytes());
        }
        let rows = sums.into_iter().map(|(partition, (files, rows, bytes))| {
            vec![partition, files.to_string(), rows.to_string(), format_bytes(bytes)]
        });
        text_rows(&["partition", "files", "rows", "size"], &rows.collect::<Vec<_>>())
    })
}

/// A row for the table, then one for each column.
pub fn statistics(session: &Session, written: &str) -> Result<Answer> {
    of_managed(session, written, |table| {
        let summary = &table.summary;
        let looked = match summary.analyzed {
            Some((at_ms, rows)) => format!("analyzed {} with {rows} rows", time_text(at_ms)),
            None => "never analyzed".to_owned(),
        };
        let empty = String::new;
        let mut rows = vec![vec![
            "(table)".to_owned(),
            summary.rows.to_string(),
            empty(),
            empty(),
            empty(),
            empty(),
            format_bytes(summary.bytes),
            looked,
        ]];
        let unknown = ColumnSummary::default();
        for column in &table.shape.columns {
            rows.push(column_row(column, summary.columns.get(&column.id).unwrap_or(&unknown))?);
        }
        text_rows(&["column", "rows", "nulls", "distinct", "min", "max", "width", "histogram"], &rows)
    })
}

fn column_row(column: &TableColumn, known: &ColumnSummary) -> Result<Vec<String>> {
    let bound = |bound: &Option<nyala_schema::Bound>| {
        let value = bound.as_ref().and_then(|bound| bound.to_value(&column.data_type));
        value.map(|value| value.to_string()).unwrap_or_default()
    };
    let distinct = known.sketch.as_ref().map(distinct_of).transpose()?;
    Ok(vec![
        column.name.clone(),
        String::new(),
        known.nulls.to_string(),
        distinct.map(|distinct| format!("{distinct:.0}")).unwrap_or_default(),
        bound(&known.min),
        bound(&known.max),
        known.width.map(|width| format!("{width:.1}")).unwrap_or_default(),
        known.histogram.as_ref().map(|it| format!("{} parts", it.bounds.len() - 1)).unwrap_or_default(),
    ])
}
