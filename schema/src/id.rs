//! Identifiers, each its own type so that they cannot be confused.

use std::fmt;

macro_rules! identifiers {
    ($($(#[$doc:meta])* $name:ident = $prefix:literal;)*) => {$(
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub u32);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!($prefix, "{}"), self.0)
            }
        }
    )*};
}

identifiers! {
    /// A fragment of one query.
    FragmentId = "f";
    /// An operator of one query; unique over all its fragments.
    OperatorId = "o";
    /// A runtime filter that a join build makes and scans apply.
    RuntimeFilterId = "rf";
    /// A column of a managed table, whatever its name is.
    ColumnId = "c";
}

/// A data file of a table: unique in the table, ascending in the order in which files came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FileId(pub u64);

/// A managed table, whatever its name is. Unique without anybody being asked: a UUID.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u128);

/// 32 hexadecimal digits: the name of its folder.
impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}
