//! What the catalog says of functions, operators and the modules that they come from.

use std::sync::Arc;

use arrow::datatypes::DataType;

use crate::expr::Volatility;
use crate::guest::{GuestCode, GuestFunction, GuestOperator, Limits, ModuleHash, OperatorInput};
use crate::guest::{OperatorOutput, OperatorParameter, Tier};

/// Lower-case unless it was quoted.
pub type FunctionName = String;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum FunctionKind {
    Scalar,
    Aggregate,
    Table,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Argument {
    pub name: String,
    pub data_type: DataType,
}

/// One overload: a name with the types of its arguments, which with the kind and result stay the same over its versions.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDefinition {
    pub name: FunctionName,
    pub kind: FunctionKind,
    pub arguments: Vec<Argument>,
    /// A struct of the columns for a table function.
    pub returns: DataType,
    /// Ascending by number; never empty.
    pub versions: Vec<FunctionVersion>,
    /// The number of the version that new queries use.
    pub current: u32,
    /// The named module that declared it; it is dropped with it.
    pub module: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FunctionVersion {
    pub number: u32,
    pub body: FunctionBody,
    pub volatility: Volatility,
    pub strict: bool,
    /// Per row, in hundredths of an addition.
    pub cost: u32,
    /// For table functions: rows out per row in, in hundredths.
    pub rows_per_row: u32,
    pub limits: Limits,
}

#[derive(Debug, Clone, PartialEq)]
pub enum FunctionBody {
    /// `source` is the WAT text that the module was made of, if it was.
    Guest { module: ModuleHash, export: String, tier: Tier, source: Option<String> },
    /// An expression over the arguments' names; `uses` names the user-defined functions in it.
    Sql { text: String, uses: Vec<FunctionName> },
}

/// Bytes are in the blob store under `hash`.
#[derive(Debug, Clone, PartialEq)]
pub struct ModuleDefinition {
    pub name: String,
    pub hash: ModuleHash,
    pub size_bytes: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub struct OperatorDefinition {
    pub name: String,
    pub operator: Arc<GuestOperator>,
    pub module: Option<String>,
}

impl FunctionDefinition {
    pub fn current_version(&self) -> &FunctionVersion {
        self.version(self.current).unwrap_or(&self.versions[0])
    }

    pub fn version(&self, number: u32) -> Option<&FunctionVersion> {
        self.versions.iter().find(|version| version.number == number)
    }

    pub fn argument_types(&self) -> Vec<DataType> {
        self.arguments.iter().map(|argument| argument.data_type.clone()).collect()
    }

    /// What a plan holds of a version whose body is in a module; `None` for SQL.
    pub fn guest(&self, version: &FunctionVersion) -> Option<GuestFunction> {
        let FunctionBody::Guest { module, export, tier, .. } = &version.body else { return None };
        Some(GuestFunction {
            code: GuestCode {
                name: self.name.clone(),
                version: version.number,
                module: *module,
                export: export.clone(),
                limits: version.limits,
            },
            tier: *tier,
            arguments: self.argument_types(),
            returns: self.returns.clone(),
            strict: version.strict,
            volatility: version.volatility,
            cost: version.cost,
            rows_per_row: version.rows_per_row,
        })
    }
}

/// What a statement or manifest says of a function before its code has been looked at.
#[derive(Debug, Clone, PartialEq)]
pub struct FunctionDeclaration {
    pub name: FunctionName,
    pub kind: FunctionKind,
    pub arguments: Vec<Argument>,
    pub returns: DataType,
    pub volatility: Volatility,
    /// `None`: strict for modules, called on NULL for SQL.
    pub strict: Option<bool>,
    /// `None`: by kind and tier.
    pub cost: Option<u32>,
    pub rows_per_row: Option<u32>,
    pub limits: Limits,
    /// `None`: the function's own name.
    pub export: Option<String>,
}

/// What a statement or manifest says of an operator.
#[derive(Debug, Clone, PartialEq)]
pub struct OperatorDeclaration {
    pub name: String,
    pub inputs: Vec<OperatorInput>,
    pub parameters: Vec<OperatorParameter>,
    pub output: OperatorOutput,
    pub rows_per_row: Option<u32>,
    pub cost: Option<u32>,
    pub keeps_order: bool,
    pub limits: Limits,
    pub export: Option<String>,
}
