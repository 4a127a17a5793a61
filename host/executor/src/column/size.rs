//! Bytes that a column holds, as memory accounting sees them.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;

/// An array's own part of the buffers it may share with others. The values of a dictionary are not counted:
/// all batches of a row group share them.
pub(crate) fn bytes_of(array: &ArrayRef) -> u64 {
    let rows = array.len();
    let validity = array.nulls().map_or(0, |_| rows / 8);
    let values = match array.data_type() {
        DataType::Boolean => rows / 8,
        DataType::Dictionary(codes, _) => rows * codes.primitive_width().unwrap_or(4),
        DataType::Utf8View => {
            let views = array.as_string_view();
            16 * rows + if views.data_buffers().is_empty() { 0 } else { views.total_buffer_bytes_used() }
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            16 * rows + if views.data_buffers().is_empty() { 0 } else { views.total_buffer_bytes_used() }
        }
        other => match other.primitive_width() {
            Some(width) => rows * width,
            None => array.to_data().get_slice_memory_size().unwrap_or(0),
        },
    };
    (values + validity) as u64
}

pub(crate) fn bytes_of_all(arrays: &[ArrayRef]) -> u64 {
    arrays.iter().map(bytes_of).sum()
}
