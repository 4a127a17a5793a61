//! Dictionary-encoded columns: their codes, and turning them back into plain ones.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, UInt8Type, UInt16Type, UInt32Type};
use nyala_schema::Result;

use crate::column::integers::Integers;

/// A dictionary column in its parts.
pub(crate) struct Dictionary<'a> {
    pub(crate) codes: Integers<'a>,
    pub(crate) nulls: Option<&'a NullBuffer>,
    pub(crate) values: &'a ArrayRef,
}

impl<'a> Dictionary<'a> {
    /// `None` when the array is no dictionary with unsigned codes of up to 32 bits.
    pub(crate) fn of(array: &'a dyn Array) -> Option<Self> {
        macro_rules! parts {
            ($type:ty, $variant:ident) => {{
                let array = array.as_dictionary::<$type>();
                let codes = Integers::$variant(array.keys().values());
                Some(Self { codes, nulls: array.keys().nulls(), values: array.values() })
            }};
        }
        let DataType::Dictionary(codes, _) = array.data_type() else { return None };
        match codes.as_ref() {
            DataType::UInt8 => parts!(UInt8Type, U8),
            DataType::UInt16 => parts!(UInt16Type, U16),
            DataType::UInt32 => parts!(UInt32Type, U32),
            _ => None,
        }
    }
}

/// Whether two arrays are the same memory, not merely equal.
pub(crate) fn is_same_array(left: &ArrayRef, right: &ArrayRef) -> bool {
    std::sync::Arc::ptr_eq(left, right) || left.to_data().ptr_eq(&right.to_data())
}

/// The column with each code replaced by its value; other columns as they are.
pub(crate) fn unpack(array: &ArrayRef) -> Result<ArrayRef> {
    match array.data_type() {
        DataType::Dictionary(_, value) => Ok(arrow::compute::cast(array, value)?),
        _ => Ok(array.clone()),
    }
}
