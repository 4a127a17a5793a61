//! One version of a table.

use std::fmt;
use std::sync::Arc;

use super::shape::TableShape;

/// What a commit made of a table. Which files a version has follows from the versions in which files came and went.
#[derive(Debug, Clone, PartialEq)]
pub struct TableVersion {
    /// From 1, without gaps.
    pub number: u64,
    /// The version of the catalog that it came with.
    pub catalog_version: u64,
    /// Milliseconds since 1970.
    pub at_ms: i64,
    pub operation: TableOperation,
    pub shape: Arc<TableShape>,
    pub rows_added: u64,
    pub rows_removed: u64,
    /// Rows of the table.
    pub rows: u64,
    /// Files of the table.
    pub files: u64,
    /// Bytes of the table.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TableOperation {
    Create,
    Insert,
    Overwrite,
    Update,
    Delete,
    Merge,
    Truncate,
    Copy,
    Optimize,
    Alter,
    /// To this version.
    Rollback(u64),
}

impl fmt::Display for TableOperation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Create => "CREATE",
            Self::Insert => "INSERT",
            Self::Overwrite => "INSERT OVERWRITE",
            Self::Update => "UPDATE",
            Self::Delete => "DELETE",
            Self::Merge => "MERGE",
            Self::Truncate => "TRUNCATE",
            Self::Copy => "COPY",
            Self::Optimize => "OPTIMIZE",
            Self::Alter => "ALTER",
            Self::Rollback(to) => return write!(f, "ROLLBACK TO {to}"),
        })
    }
}
