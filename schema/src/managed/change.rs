//! A change of a table's rows.

use super::data_file::{DataFile, Deletions};
use super::summary::ColumnSketch;
use super::version::TableOperation;
use crate::id::{FileId, TableId};
use crate::table::TableName;

/// What a statement made of a table, as files that came and went. Applied as a whole or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct TableChange {
    pub table: TableName,
    pub id: TableId,
    /// The version of the table that the statement read.
    pub base: u64,
    pub operation: TableOperation,
    /// Their ids are given by the catalog.
    pub add: Vec<DataFile>,
    pub remove: Vec<FileId>,
    /// Files of which more rows are gone now: each with all its deletions.
    pub delete: Vec<(FileId, Deletions)>,
    pub requirement: Requirement,
    /// Of the files that were added; none for few rows.
    pub sketches: Vec<ColumnSketch>,
}

/// What must still hold of the table, beside its being the same table in the same shape; otherwise the change is refused
/// with `SerializationFailure` and can be tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Requirement {
    /// Nothing: rows are only added.
    Nothing,
    /// The files that it removes, or deletes from, are there as they were read.
    Files,
    /// Nothing has changed since `base`.
    Version,
}
