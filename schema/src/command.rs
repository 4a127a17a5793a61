//! Changes of the catalog, as data: what is replicated and applied.

use crate::table::{TableDefinition, TableName};

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    CreateTable { name: TableName, definition: TableDefinition, on_conflict: OnConflict },
    DropTable { name: TableName, if_exists: bool, kind: DropKind },
}

/// What CREATE does where the name is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    Fail,
    /// IF NOT EXISTS
    Keep,
    /// OR REPLACE
    Replace,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DropKind {
    Table,
    View,
}
