//! The statements of Nyala, as data.

use arrow::datatypes::DataType;
use nyala_schema::cluster::QueryId;
use nyala_schema::command::{CommentTarget, DropKind, ObjectKind, OnConflict, Overload};
use nyala_schema::function::{FunctionDeclaration, FunctionKind, OperatorDeclaration};
use nyala_schema::guest::ModuleHash;
use nyala_schema::managed::Transform;
use nyala_schema::scan::FileFormat;
use nyala_schema::table::TableName;
use sqlparser::ast::{Expr, Query, TableFactor, TableWithJoins, With};

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
    /// Only the clauses of `definition` that say nothing of columns are there.
    CreateTableAs {
        name: TableName,
        definition: TableClauses,
        query: Box<Query>,
        on_conflict: OnConflict,
    },
    /// An empty table.
    CreateTable {
        name: TableName,
        columns: Vec<ColumnDefinition>,
        definition: TableClauses,
        on_conflict: OnConflict,
    },
    Insert(Insert),
    Update(Update),
    Delete(Delete),
    Merge(Box<Merge>),
    /// Without `partition` all rows.
    Truncate {
        table: TableName,
        partition: Vec<PartitionValue>,
    },
    /// COPY t FROM: rows of files, columns by name.
    CopyFrom {
        table: TableName,
        columns: Vec<String>,
        location: String,
        format: Option<FileFormat>,
    },
    CreateSchema {
        name: String,
        if_not_exists: bool,
    },
    DropSchema {
        name: String,
        if_exists: bool,
        cascade: bool,
    },
    /// The schema in which names without one are looked up first, and created.
    Use {
        schema: String,
    },
    AlterTable {
        name: TableName,
        if_exists: bool,
        change: TableAlter,
    },
    Comment {
        target: CommentTarget,
        text: Option<String>,
    },
    Begin {
        isolation: Option<IsolationLevel>,
    },
    Commit,
    Rollback,
    /// Of the transaction that runs, or of the next ones with `for_session`.
    SetIsolation {
        level: IsolationLevel,
        for_session: bool,
    },
    RollbackTable {
        table: TableName,
        to: PointInTime,
    },
    RollbackCatalog {
        to: PointInTime,
    },
    Undrop {
        kind: ObjectKind,
        name: String,
        renamed: Option<String>,
    },
    /// Writes small files together and in order; `partition` limits it.
    Optimize {
        table: TableName,
        partition: Vec<PartitionValue>,
    },
    /// Forgets versions that are older than `older_than_ms` (the table's retention when `None`), of one table or all, and
    /// removes files that no version names.
    Vacuum {
        table: Option<TableName>,
        older_than_ms: Option<u64>,
    },
    Analyze {
        table: TableName,
        columns: Vec<String>,
    },
    Backup {
        to: String,
    },
    Restore {
        from: String,
        at: Option<PointInTime>,
    },
    /// Keeps a snapshot of the catalog now.
    Checkpoint,
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
        /// A file, or what would be in it.
        code: CodeSource,
        /// What it must hash to.
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
    /// Ends a statement of any session, on any node.
    KillQuery {
        id: QueryId,
    },
    /// One option, or all of them.
    Reset {
        name: Option<String>,
    },
}

/// A point of a history as it is written; [`Frontend::as_of`](crate::Frontend::as_of) says which it is.
#[derive(Debug, Clone, PartialEq)]
pub enum PointInTime {
    Version(u64),
    /// An expression without columns: a date, a timestamp, or a text of one.
    Time(Box<Expr>),
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
    /// The text of an expression without columns.
    pub default: Option<String>,
}

/// What stands behind the columns of CREATE TABLE, and what is said of all of them.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableClauses {
    /// Those of columns too.
    pub checks: Vec<CheckDefinition>,
    pub partition_by: Vec<PartitionTerm>,
    pub sort_by: Vec<SortTerm>,
    /// WITH (name = value): lower-case names.
    pub properties: Vec<(String, String)>,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CheckDefinition {
    pub name: Option<String>,
    /// The text of the condition.
    pub sql: String,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PartitionTerm {
    pub column: String,
    pub transform: Transform,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SortTerm {
    pub column: String,
    pub descending: bool,
    pub nulls_first: bool,
}

/// A partition column, or a term such as `year(ts)` as it is written in PARTITIONED BY, with its value: an expression
/// without columns.
#[derive(Debug, Clone, PartialEq)]
pub struct PartitionValue {
    pub term: PartitionTerm,
    pub value: Expr,
}

/// `columns` is empty when the query gives all of them in order (but those of `partition`).
#[derive(Debug, Clone, PartialEq)]
pub struct Insert {
    pub table: TableName,
    pub columns: Vec<String>,
    /// INSERT INTO t PARTITION (p = 1): columns whose value the statement says.
    pub partition: Vec<PartitionValue>,
    /// INSERT OVERWRITE: of a partitioned table, the partitions that rows come for; otherwise everything.
    pub overwrite: bool,
    pub source: InsertSource,
}

#[derive(Debug, Clone, PartialEq)]
pub enum InsertSource {
    Query(Box<Query>),
    /// VALUES in which DEFAULT stands, which is `None`.
    Rows(Vec<Vec<Option<Expr>>>),
    /// One row of DEFAULT VALUES.
    Defaults,
}

/// Expressions are as they were parsed, so that errors in them have their places; `update_query` makes a query of it.
#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub table: TableName,
    pub alias: Option<String>,
    /// Column and new value; `None` for DEFAULT.
    pub assignments: Vec<(String, Option<Expr>)>,
    pub from: Vec<TableWithJoins>,
    pub condition: Option<Expr>,
    pub with: Option<With>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    pub table: TableName,
    pub alias: Option<String>,
    pub using: Vec<TableWithJoins>,
    pub condition: Option<Expr>,
    pub with: Option<With>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Merge {
    pub table: TableName,
    pub alias: Option<String>,
    pub source: TableFactor,
    pub on: Expr,
    pub clauses: Vec<MergeClause>,
}

/// WHEN … THEN …; the first that fits a row is taken.
#[derive(Debug, Clone, PartialEq)]
pub struct MergeClause {
    pub when: MergeWhen,
    pub condition: Option<Expr>,
    pub action: MergeAction,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeWhen {
    Matched,
    /// Rows of the source that no row of the table matches.
    NotMatched,
    /// Rows of the table that no row of the source matches.
    NotMatchedBySource,
}

#[derive(Debug, Clone, PartialEq)]
pub enum MergeAction {
    Update(Vec<(String, Option<Expr>)>),
    Delete,
    /// Columns (all in order when empty) and values; `None` for DEFAULT.
    Insert {
        columns: Vec<String>,
        values: Vec<Option<Expr>>,
    },
    /// INSERT * and UPDATE *: columns by name.
    InsertAll,
    UpdateAll,
    DoNothing,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TableAlter {
    AddColumn {
        column: ColumnDefinition,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    /// The new name, with its schema where one was written.
    Rename {
        to: TableName,
    },
    SetSchema {
        schema: String,
    },
    SetDefault {
        column: String,
        default: Option<String>,
    },
    SetNullable {
        column: String,
        nullable: bool,
    },
    AddCheck(CheckDefinition),
    DropCheck {
        name: String,
        if_exists: bool,
    },
    SetSortBy(Vec<SortTerm>),
    /// Name and value, `None` for RESET.
    SetProperties(Vec<(String, Option<String>)>),
    DropPartition {
        partition: Vec<PartitionValue>,
        if_exists: bool,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IsolationLevel {
    ReadCommitted,
    /// REPEATABLE READ is another word for it.
    Snapshot,
    Serializable,
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
    /// Of one schema, or of all that names without one may mean.
    Tables {
        schema: Option<String>,
        like: Option<String>,
    },
    Views {
        schema: Option<String>,
        like: Option<String>,
    },
    Columns {
        table: TableName,
    },
    Functions {
        like: Option<String>,
    },
    FunctionHealth {
        like: Option<String>,
    },
    Modules {
        like: Option<String>,
    },
    Operators {
        like: Option<String>,
    },
    Options,
    Option {
        name: String,
    },
    Schemas {
        like: Option<String>,
    },
    /// What UNDROP can bring back.
    Dropped {
        like: Option<String>,
    },
    CreateTable {
        table: TableName,
    },
    Properties {
        table: TableName,
    },
    /// Of a table, or of the catalog.
    History {
        table: Option<TableName>,
        limit: Option<u64>,
    },
    Files {
        table: TableName,
    },
    Partitions {
        table: TableName,
    },
    Statistics {
        table: TableName,
    },
    /// Statements that run, on all nodes.
    Queries,
    Nodes,
    Connections,
    /// What a statement took that runs or ran.
    Profile {
        id: QueryId,
    },
}
