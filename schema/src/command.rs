//! Changes of the catalog, as data: what is replicated and applied.

use arrow::datatypes::DataType;

use crate::function::{
    FunctionDefinition, FunctionName, FunctionVersion, ModuleDefinition, OperatorDefinition,
};
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
