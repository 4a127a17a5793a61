//! Code that users uploaded, as plans name it: enough to run it without a look-up.

use std::fmt;

use arrow::datatypes::{DataType, FieldRef};

use crate::expr::Volatility;

/// SHA-256 of a module's bytes: the same code has the same name on every node and for ever.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleHash(pub [u8; ModuleHash::BYTES]);

impl ModuleHash {
    pub const BYTES: usize = 32;

    /// From 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.as_bytes();
        if digits.len() != 2 * Self::BYTES || !digits.iter().all(u8::is_ascii_hexdigit) {
            return None;
        }
        let mut bytes = [0; Self::BYTES];
        for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
            *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
        }
        Some(Self(bytes))
    }
}

/// 64 hexadecimal digits.
impl fmt::Display for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ModuleHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// How the host calls a function.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Tier {
    /// A plain export over numbers, compiled together with the loop over the rows.
    Row,
    /// Columns in the guest's memory, one call a batch.
    Batch,
}

/// What a failure of the guest does to the query.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnError {
    Fail,
    /// The rows of the batch that failed are NULL.
    Null,
}

/// What one instance may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Limits {
    pub memory_bytes: u64,
    pub time_per_batch_ms: u32,
    pub on_error: OnError,
}

impl Default for Limits {
    fn default() -> Self {
        Self { memory_bytes: 64 << 20, time_per_batch_ms: 10_000, on_error: OnError::Fail }
    }
}

/// An export of a module, at one version of the object that names it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestCode {
    /// The function or operator, as people know it.
    pub name: String,
    pub version: u32,
    pub module: ModuleHash,
    /// The name that exports are formed of.
    pub export: String,
    pub limits: Limits,
}

/// A scalar, aggregate or table function in a module.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestFunction {
    pub code: GuestCode,
    pub tier: Tier,
    pub arguments: Vec<DataType>,
    /// A struct of the columns for a table function.
    pub returns: DataType,
    /// NULL among the arguments gives NULL (no row for a table function, a skipped row for an aggregate) without a call.
    pub strict: bool,
    pub volatility: Volatility,
    /// Per row, in hundredths of an addition.
    pub cost: u32,
    /// For table functions: rows out per row in, in hundredths.
    pub rows_per_row: u32,
}

/// `name@version`.
impl fmt::Display for GuestCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}@{}", self.name, self.version)
    }
}

impl fmt::Display for GuestFunction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)
    }
}

/// An operator in a module, with what the planner may rely on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct GuestOperator {
    pub code: GuestCode,
    /// One for each table argument.
    pub inputs: Vec<OperatorInput>,
    pub parameters: Vec<OperatorParameter>,
    pub output: OperatorOutput,
    /// Rows out per row in, in hundredths.
    pub rows_per_row: u32,
    /// Per row in, in hundredths of an addition.
    pub cost: u32,
    /// Rows come out in the order of the first input.
    pub keeps_order: bool,
}

/// What an operator wants of a table argument. Both must be given in the call where they are required.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperatorInput {
    pub name: String,
    pub needs_partition: bool,
    pub needs_order: bool,
    /// It is handed all columns of the input, not only those by which it is partitioned and ordered.
    pub reads_all: bool,
}

/// A constant that a call names: `gap => INTERVAL '30' MINUTE`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct OperatorParameter {
    pub name: String,
    pub data_type: DataType,
    /// Without it NULL is given when a call leaves it out.
    pub required: bool,
}

/// The columns that an operator gives.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum OperatorOutput {
    /// Each row is one of the first input's with these columns added: what is filtered or left out there can be
    /// filtered or left out before.
    Extends(Vec<FieldRef>),
    /// These columns, of rows of its own.
    Columns(Vec<FieldRef>),
    /// The first input's columns and these, of rows of its own: nothing is passed through unchanged.
    LikeInput(Vec<FieldRef>),
}

impl OperatorOutput {
    /// The columns that the operator makes itself, behind those of the input if it hands them on.
    pub fn own_columns(&self) -> &[FieldRef] {
        match self {
            Self::Extends(columns) | Self::Columns(columns) | Self::LikeInput(columns) => columns,
        }
    }
}

impl fmt::Display for GuestOperator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.code)
    }
}

/// Which function an expression, aggregate or window calls.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Callee {
    /// Of the library, by its canonical name.
    Library(String),
    Guest(std::sync::Arc<GuestFunction>),
}

impl Callee {
    /// The name of a function of the library.
    pub fn library(&self) -> Option<&str> {
        match self {
            Self::Library(name) => Some(name),
            Self::Guest(_) => None,
        }
    }

    pub fn guest(&self) -> Option<&std::sync::Arc<GuestFunction>> {
        match self {
            Self::Library(_) => None,
            Self::Guest(function) => Some(function),
        }
    }

    /// Whether this is the library's function of that name.
    pub fn is(&self, name: &str) -> bool {
        self.library() == Some(name)
    }
}

impl From<&str> for Callee {
    fn from(name: &str) -> Self {
        Self::Library(name.to_owned())
    }
}

impl From<String> for Callee {
    fn from(name: String) -> Self {
        Self::Library(name)
    }
}

impl fmt::Display for Callee {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Library(name) => f.write_str(name),
            Self::Guest(function) => write!(f, "{function}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ModuleHash;

    #[test]
    fn a_hash_is_read_as_it_is_written() {
        let hash = ModuleHash(std::array::from_fn(|index| (index * 7) as u8));
        assert_eq!(ModuleHash::parse(&hash.to_string()), Some(hash));
        assert_eq!(ModuleHash::parse("abc"), None);
        assert_eq!(ModuleHash::parse(&"g".repeat(64)), None);
    }
}
