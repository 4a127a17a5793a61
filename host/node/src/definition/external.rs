//! CREATE EXTERNAL TABLE.

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};
use nyala_frontend::{ColumnDefinition, PartitionColumn};
use nyala_schema::scan::FileFormat;
use nyala_schema::table::{ExternalTable, TableDefinition};
use nyala_schema::{Error, Result};

use crate::session::Session;

pub fn definition(
    session: &Session,
    columns: &[ColumnDefinition],
    format: Option<FileFormat>,
    location: &str,
    partition_by: &[PartitionColumn],
) -> Result<TableDefinition> {
    let mut declared = columns.to_vec();
    for column in partition_by {
        if let (Some(data_type), false) = (&column.data_type, columns.iter().any(|c| c.name == column.name)) {
            declared.push(ColumnDefinition {
                name: column.name.clone(),
                data_type: data_type.clone(),
                nullable: true,
                default: None,
            });
        }
    }
    let declared = (!columns.is_empty()).then(|| schema_of(&declared));
    let names: Vec<String> = partition_by.iter().map(|column| column.name.clone()).collect();
    let location = absolute(location);
    let files = session.engine.storage.resolve(&location, format, declared.as_deref(), &names)?;
    let nyala_schema::scan::ScanSource::Files { format, .. } = files.source else {
        return Err(Error::internal("files resolved to something else"));
    };
    Ok(TableDefinition::External(ExternalTable {
        schema: files.schema,
        format,
        location,
        partition_columns: files.partition_columns,
    }))
}

/// A definition outlives the process's current folder.
fn absolute(location: &str) -> String {
    std::path::absolute(location)
        .map_or_else(|_| location.to_owned(), |path| path.to_string_lossy().into_owned())
}

fn schema_of(columns: &[ColumnDefinition]) -> SchemaRef {
    let field =
        |column: &ColumnDefinition| Field::new(&column.name, column.data_type.clone(), column.nullable);
    Arc::new(Schema::new(columns.iter().map(field).collect::<Vec<_>>()))
}
