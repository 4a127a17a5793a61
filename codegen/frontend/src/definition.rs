//! What statements and manifests say of uploaded functions, operators and modules.

use nyala_schema::expr::Volatility;
use nyala_schema::function::{FunctionDeclaration, OperatorDeclaration};
use nyala_schema::guest::{Limits, OnError};

/// What is written behind AS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSource {
    /// A file.
    Path(String),
    /// The code itself: WAT, or an expression of SQL.
    Text(String),
    /// A module that CREATE MODULE has named.
    Module(String),
    /// A module itself.
    Bytes(Vec<u8>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Wasm,
    Wat,
    /// An expression over the arguments.
    Sql,
}

/// One statement of a module's manifest.
#[derive(Debug, Clone, PartialEq)]
pub enum Declaration {
    Function(FunctionDeclaration),
    Operator(OperatorDeclaration),
}

#[derive(Debug, Clone, PartialEq)]
pub enum FunctionChange {
    AddVersion(NewVersion),
    SetVersion(u32),
    /// To the version before the current one.
    Rollback,
    /// Ends a quarantine.
    Resume,
}

/// The code of a version to be added. What is `None` stays as the current version has it.
#[derive(Debug, Clone, PartialEq)]
pub struct NewVersion {
    pub code: CodeSource,
    pub language: Language,
    pub volatility: Option<Volatility>,
    pub strict: Option<bool>,
    /// Per row, in hundredths of an addition.
    pub cost: Option<u32>,
    /// For table functions: rows out per row in, in hundredths.
    pub rows_per_row: Option<u32>,
    pub limits: LimitChanges,
    pub export: Option<String>,
}

/// The limits that a statement names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitChanges {
    pub memory_bytes: Option<u64>,
    pub time_per_batch_ms: Option<u32>,
    pub on_error: Option<OnError>,
}

impl LimitChanges {
    /// `limits` with what is named here put in its place.
    #[must_use]
    pub fn over(self, limits: Limits) -> Limits {
        Limits {
            memory_bytes: self.memory_bytes.unwrap_or(limits.memory_bytes),
            time_per_batch_ms: self.time_per_batch_ms.unwrap_or(limits.time_per_batch_ms),
            on_error: self.on_error.unwrap_or(limits.on_error),
        }
    }
}
