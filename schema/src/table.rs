//! What the catalog says of a table or view.

use arrow::datatypes::SchemaRef;

use crate::scan::FileFormat;

/// Lower-case unless it was quoted.
pub type TableName = String;

#[derive(Debug, Clone, PartialEq)]
pub enum TableDefinition {
    /// Files somewhere else, read as they are.
    External(ExternalTable),
    /// Rows kept in memory; they end with the process.
    Memory { schema: SchemaRef, version: u64 },
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
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::External(table) => &table.schema,
            Self::Memory { schema, .. } | Self::View { schema, .. } => schema,
        }
    }

    pub fn kind(&self) -> &'static str {
        match self {
            Self::External(_) => "external",
            Self::Memory { .. } => "memory",
            Self::View { .. } => "view",
        }
    }
}
