//! The statements of Nyala, as data.

use arrow::datatypes::DataType;
use nyala_schema::command::{DropKind, OnConflict, Overload};
use nyala_schema::function::{FunctionDeclaration, FunctionKind, OperatorDeclaration};
use nyala_schema::guest::ModuleHash;
use nyala_schema::scan::FileFormat;
use nyala_schema::table::TableName;
use sqlparser::ast::Query;

use crate::definition::{CodeSource, FunctionChange, Language};

/// Exactly one statement. Names are lower-case unless they were quoted.
#[derive(Debug, Clone, PartialEq)]
pub enum Statement {
    Query(Box<Query>),
    Explain {
        format: ExplainFormat,
        analyze: bool,
        statement: Box<Statement>,
    },
    /// `columns` is empty when they are to be found in the files; `format` is `None` when it is to be found by name.
    CreateExternalTable {
        name: TableName,
        columns: Vec<ColumnDefinition>,
        format: Option<FileFormat>,
        location: String,
        partition_by: Vec<PartitionColumn>,
        on_conflict: OnConflict,
    },
    CreateTableAs {
        name: TableName,
        query: Box<Query>,
        on_conflict: OnConflict,
    },
    /// An empty table in memory.
    CreateTable {
        name: TableName,
        columns: Vec<ColumnDefinition>,
        on_conflict: OnConflict,
    },
    /// `columns` is empty when the query gives all of them in order.
    Insert {
        table: TableName,
        columns: Vec<String>,
        query: Box<Query>,
    },
    CreateView {
        name: TableName,
        columns: Option<Vec<String>>,
        /// The text of the query, for the catalog.
        query_sql: String,
        query: Box<Query>,
        on_conflict: OnConflict,
    },
    Drop {
        kind: DropKind,
        name: TableName,
        if_exists: bool,
    },
    /// `code` is text where `language` is SQL, and no text where it is WASM.
    CreateFunction {
        declaration: FunctionDeclaration,
        code: CodeSource,
        language: Language,
        on_conflict: OnConflict,
    },
    CreateOperator {
        declaration: OperatorDeclaration,
        code: CodeSource,
        language: Language,
        on_conflict: OnConflict,
    },
    CreateModule {
        name: String,
        path: String,
        /// What the file must hash to.
        sha256: Option<ModuleHash>,
        on_conflict: OnConflict,
    },
    /// `kind` is `None` for DROP FUNCTION, which drops functions of any kind.
    DropFunction {
        kind: Option<FunctionKind>,
        overload: Overload,
        if_exists: bool,
    },
    DropModule {
        name: String,
        if_exists: bool,
    },
    DropOperator {
        name: String,
        if_exists: bool,
    },
    AlterFunction {
        overload: Overload,
        change: FunctionChange,
    },
    ExplainFunction {
        overload: Overload,
    },
    /// Writes a file. `format` is `None` when the path is to say it; `options` are those that `FileFormat` has no
    /// place for, such as Parquet's compression: lower-case name and value.
    Copy {
        source: CopySource,
        path: String,
        format: Option<FileFormat>,
        options: Vec<(String, String)>,
    },
    Describe(DescribeTarget),
    Show(ShowTarget),
    Set {
        name: String,
        value: String,
    },
    /// One option, or all of them.
    Reset {
        name: Option<String>,
    },
}

/// What EXPLAIN shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExplainFormat {
    /// The optimised logical plan.
    Logical,
    /// The fragments: the default.
    Fragments,
    Pipelines,
    /// The typed intermediate code of each pipeline.
    Ir,
    /// Cranelift's text of each pipeline.
    Clif,
    All,
}

impl ExplainFormat {
    pub const NAMES: [&'static str; 6] = ["logical", "fragments", "pipelines", "ir", "clif", "all"];

    /// By its name, in any case; `text` is another word for the default.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name.to_lowercase().as_str() {
            "logical" => Self::Logical,
            "fragments" | "text" => Self::Fragments,
            "pipelines" => Self::Pipelines,
            "ir" => Self::Ir,
            "clif" => Self::Clif,
            "all" => Self::All,
            _ => return None,
        })
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct ColumnDefinition {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
}

/// A column that the directories' names give; its type is to be found when it is not said.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionColumn {
    pub name: String,
    pub data_type: Option<DataType>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum CopySource {
    Query(Box<Query>),
    Table(TableName),
}

#[derive(Debug, Clone, PartialEq)]
pub enum DescribeTarget {
    /// A table, a view or a file pattern.
    Table(TableName),
    /// The columns that a query gives.
    Query(Box<Query>),
    Function(Overload),
}

/// `like` is a pattern of LIKE.
#[derive(Debug, Clone, PartialEq)]
pub enum ShowTarget {
    Tables { like: Option<String> },
    Views { like: Option<String> },
    Columns { table: TableName },
    Functions { like: Option<String> },
    FunctionHealth { like: Option<String> },
    Modules { like: Option<String> },
    Operators { like: Option<String> },
    Options,
    Option { name: String },
}
