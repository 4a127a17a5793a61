//! Names and layouts that both sides of a call into a module agree on; docs/reference/guest-abi.md says what they mean.
#![no_std]

/// The module of all imports.
pub const IMPORT_MODULE: &str = "nyala";
/// The custom section with the `CREATE` statements of what a module declares.
pub const MANIFEST_SECTION: &str = "nyala.manifest";
pub const EXPORT_MEMORY: &str = "memory";
pub const EXPORT_ALLOC: &str = "nyala_alloc";
pub const EXPORT_RESET: &str = "nyala_reset";
pub const ROW_PREFIX: &str = "nyala_row_";
pub const SCALAR_PREFIX: &str = "nyala_scalar_";
pub const AGGREGATE_PREFIX: &str = "nyala_aggregate_";
pub const TABLE_PREFIX: &str = "nyala_table_";
pub const OPERATOR_PREFIX: &str = "nyala_operator_";

/// What the values of a column are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum Kind {
    Boolean = 1,
    Int8 = 2,
    Int16 = 3,
    Int32 = 4,
    Int64 = 5,
    UInt32 = 6,
    Float32 = 7,
    Float64 = 8,
    Int128 = 9,
    Text = 10,
    Binary = 11,
    List = 12,
    Struct = 13,
    Interval = 14,
}

impl Kind {
    pub const ALL: [Kind; 14] = [
        Kind::Boolean,
        Kind::Int8,
        Kind::Int16,
        Kind::Int32,
        Kind::Int64,
        Kind::UInt32,
        Kind::Float32,
        Kind::Float64,
        Kind::Int128,
        Kind::Text,
        Kind::Binary,
        Kind::List,
        Kind::Struct,
        Kind::Interval,
    ];

    pub fn from_u32(value: u32) -> Option<Kind> {
        Kind::ALL.iter().copied().find(|kind| *kind as u32 == value)
    }

    /// Bytes of a value; 0 for those that are not of one width, and for bitmaps.
    pub fn width(self) -> usize {
        match self {
            Kind::Int8 => 1,
            Kind::Int16 => 2,
            Kind::Int32 | Kind::UInt32 | Kind::Float32 => 4,
            Kind::Int64 | Kind::Float64 => 8,
            Kind::Int128 | Kind::Interval => 16,
            Kind::Boolean | Kind::Text | Kind::Binary | Kind::List | Kind::Struct => 0,
        }
    }
}

/// Pointers are offsets into the module's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Column {
    pub kind: u32,
    pub rows: u32,
    pub validity: u32,
    pub values: u32,
    pub offsets: u32,
    pub values_len: u32,
    pub children: u32,
    pub child_count: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct Batch {
    pub columns: u32,
    pub column_count: u32,
    pub rows: u32,
}

/// How the columns of a pushed batch of one input are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[repr(C)]
pub struct OperatorInput {
    pub order_keys: u32,
    pub partition_keys: u32,
    pub columns: u32,
    pub kinds: u32,
    /// The place of the first order key among the input's columns, or -1.
    pub key_column: i32,
    /// An `i32` for each partition key: its place among the input's columns, or -1.
    pub partition_columns: u32,
}

pub const COLUMN_BYTES: u32 = core::mem::size_of::<Column>() as u32;
pub const BATCH_BYTES: u32 = core::mem::size_of::<Batch>() as u32;
pub const OPERATOR_INPUT_BYTES: u32 = core::mem::size_of::<OperatorInput>() as u32;
