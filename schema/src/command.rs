//! Changes of the catalog, as data: what is replicated and applied.

use arrow::datatypes::DataType;
use bytes::Bytes;

use crate::function::{
    FunctionDefinition, FunctionName, FunctionVersion, ModuleDefinition, OperatorDefinition,
};
use crate::id::{ColumnId, TableId};
use crate::managed::{ColumnSummary, TableAlteration, TableChange};
use crate::table::{TableDefinition, TableName};

#[derive(Debug, Clone, PartialEq)]
pub enum Command {
    CreateTable {
        name: TableName,
        definition: TableDefinition,
        on_conflict: OnConflict,
    },
    DropTable {
        name: TableName,
        if_exists: bool,
        kind: DropKind,
    },
    /// An overload with its first version. `Replace` adds a version and makes it current where kind, arguments and result
    /// are the same; another result replaces the overload.
    CreateFunction {
        definition: FunctionDefinition,
        on_conflict: OnConflict,
    },
    /// `version.number` is given by the catalog: one more than the greatest. It becomes current.
    AddFunctionVersion {
        overload: Overload,
        version: FunctionVersion,
    },
    SetFunctionVersion {
        overload: Overload,
        number: u32,
    },
    DropFunction {
        overload: Overload,
        if_exists: bool,
    },
    /// A module with all that its manifest declares; `Replace` gives what is declared again a new version, and drops
    /// what is not declared any more.
    CreateModule {
        definition: ModuleDefinition,
        functions: Vec<FunctionDefinition>,
        operators: Vec<OperatorDefinition>,
        on_conflict: OnConflict,
    },
    /// With the functions and operators that it declared.
    DropModule {
        name: String,
        if_exists: bool,
    },
    CreateOperator {
        definition: OperatorDefinition,
        on_conflict: OnConflict,
    },
    DropOperator {
        name: String,
        if_exists: bool,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    /// With `cascade` also everything in it.
    DropSchema {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// A table, external table or view under another name, perhaps in another schema.
    RenameTable {
        from: TableName,
        to: TableName,
    },
    /// With `requires` only when that is the table's version still.
    AlterTable {
        name: TableName,
        alteration: TableAlteration,
        requires: Option<u64>,
    },
    ChangeTable(TableChange),
    /// `None` takes the comment away.
    Comment {
        target: CommentTarget,
        text: Option<String>,
    },
    /// A new version of the table that is as `to` was, in rows and shape.
    RollbackTable {
        name: TableName,
        to: u64,
    },
    /// All that exists as it was in a version of the catalog: dropped things come back, newer things go (and can be
    /// brought back), tables get a version that is as theirs was.
    RollbackCatalog {
        to: u64,
    },
    /// Brings back what was dropped last under a name, `renamed` if that is given.
    Undrop {
        kind: ObjectKind,
        name: String,
        renamed: Option<String>,
    },
    /// What ANALYZE found of a table in one of its versions.
    SetSummary {
        name: TableName,
        id: TableId,
        columns: Vec<(ColumnId, ColumnSummary)>,
        rows: u64,
    },
    /// Forgets versions that ended before a time (milliseconds since 1970), of one table or of everything.
    Expire {
        table: Option<TableName>,
        before_ms: i64,
    },
    /// A snapshot as the catalog encodes it, with all its history, in the place of an empty catalog.
    Install {
        snapshot: Bytes,
    },
    /// Several as one. Refused as a whole with `SerializationFailure` when a table that was read has changed.
    Transaction {
        reads: Vec<TableRead>,
        commands: Vec<Command>,
    },
}

/// A command with the time at which it was accepted: what is logged, replicated and applied.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Milliseconds since 1970. Time in the catalog does not go back, whatever clocks do.
    pub at_ms: i64,
    pub command: Command,
}

/// A table as a transaction read it; a version of 0 says that there was none of this name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableRead {
    pub name: TableName,
    pub version: u64,
}

/// What a comment is on.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CommentTarget {
    Object(ObjectKind, String),
    Column(TableName, String),
}

/// A kind of thing that has a name of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    Schema,
    /// Views too: they share their names.
    Table,
    Function,
    Operator,
    Module,
}

/// One overload of a function; without `arguments` the only one of that name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Overload {
    pub name: FunctionName,
    pub arguments: Option<Vec<DataType>>,
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
