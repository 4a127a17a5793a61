//! What the catalog says of a table or view.

use arrow::datatypes::SchemaRef;

use crate::managed::ManagedTable;
use crate::scan::FileFormat;

/// Lower-case unless it was quoted: `table` in the schema `main`, `schema.table` in another. Neither part has a dot.
pub type TableName = String;

/// The schema that is always there.
pub const MAIN_SCHEMA: &str = "main";

/// What the standard calls a catalog: there is one.
pub const CATALOG: &str = "nyala";

/// Schema and table of a name.
pub fn split_name(name: &str) -> (&str, &str) {
    name.split_once('.').unwrap_or((MAIN_SCHEMA, name))
}

/// The name of a table in a schema.
pub fn join_name(schema: &str, table: &str) -> TableName {
    if schema == MAIN_SCHEMA { table.to_owned() } else { format!("{schema}.{table}") }
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableDefinition {
    /// Files somewhere else, read as they are.
    External(ExternalTable),
    /// Files of our own.
    Managed(ManagedTable),
    /// A query under a name, as SQL text, with the columns it had when it was made. `uses` names the user-defined
    /// functions and operators in it.
    View { sql: String, columns: Option<Vec<String>>, schema: SchemaRef, uses: Vec<String> },
}

#[derive(Debug, Clone, PartialEq)]
pub struct ExternalTable {
    /// All columns, those of partitions last.
    pub schema: SchemaRef,
    pub format: FileFormat,
    /// A file, a directory or a glob.
    pub location: String,
    /// How many of the last columns come from `name=value` directories.
    pub partition_columns: usize,
}

impl TableDefinition {
    pub fn schema(&self) -> SchemaRef {
        match self {
            Self::External(table) => table.schema.clone(),
            Self::Managed(table) => table.shape.schema(),
            Self::View { schema, .. } => schema.clone(),
        }
    }

    pub fn managed(&self) -> Option<&ManagedTable> {
        match self {
            Self::Managed(table) => Some(table),
            Self::External(_) | Self::View { .. } => None,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::External(_) => "external",
            Self::Managed(_) => "managed",
            Self::View { .. } => "view",
        }
    }
}
