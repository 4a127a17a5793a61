//! What a compiled loop is handed: one block of counts and pointers, laid out as C does.

use std::ffi::c_void;

/// All that a loop reads and writes. Compiled code knows the offsets of the fields and nothing else of the host.
#[repr(C)]
#[derive(Debug)]
pub struct Frame {
    /// Times round the loop: rows, or entries of `selection`.
    pub count: u64,
    /// Rows of every input column; entries of `selection` must lie below.
    pub rows: u64,
    /// `count` row numbers; read by the selected variant only.
    pub selection: *const u32,
    /// `count` group numbers; read by the grouped variant only.
    pub groups: *const u32,
    /// Entries of `groups` must lie below.
    pub group_count: u64,
    pub records: *mut u8,
    /// Bytes of one record.
    pub stride: u64,
    /// Slots of 16 bytes, see `ParameterLayout`.
    pub parameters: *const u8,
    pub columns: *const ColumnSlot,
    pub outputs: *const OutputSlot,
    /// Room for `count` row numbers; written by loops that filter.
    pub survivors: *mut u32,
    pub survivor_count: u64,
    /// `intrinsic::multiply_wide`, handed over rather than embedded.
    pub multiply_wide: *const c_void,
}

/// One column that a loop reads.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct ColumnSlot {
    /// Values from row 0 on; for Booleans the byte that `bit_offset` counts from.
    pub values: *const u8,
    pub bit_offset: u64,
    /// Bitmap, 1 for a value; never null in the variant that looks at it.
    pub validity: *const u8,
    pub validity_offset: u64,
}

/// Where an output column goes. Booleans and validity are written as a byte per row.
#[repr(C)]
#[derive(Debug, Clone, Copy)]
pub struct OutputSlot {
    pub values: *mut u8,
    /// Written where the loop can produce NULL.
    pub validity: *mut u8,
}

/// What a loop returns: these, ORed; 0 when all is well. Some operation failed; which one, the interpreter tells.
pub const STATUS_FAILED: u64 = 1;
/// A sum of wide decimals overflowed. The state has changed already: the interpreter could not tell any more.
pub const STATUS_SUM_OVERFLOW: u64 = 2;
/// A row or group number was out of range; the loop was left at once.
pub const STATUS_BAD_INDEX: u64 = 4;
