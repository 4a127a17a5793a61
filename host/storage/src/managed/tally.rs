//! What one thread learnt of a column while it wrote.

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::id::ColumnId;
use nyala_schema::managed::ColumnSketch;

use super::sketch::{ColumnSketcher, merge_sketches};

pub struct ColumnTally {
    column: ColumnId,
    sketcher: ColumnSketcher,
    /// Bytes of text and binary.
    text_bytes: u64,
    /// Values of text and binary that are not NULL.
    texts: u64,
}

impl ColumnTally {
    pub fn new(column: ColumnId) -> Self {
        Self { column, sketcher: ColumnSketcher::new(), text_bytes: 0, texts: 0 }
    }

    /// # Errors
    /// As [`ColumnSketcher::add`].
    pub fn add(&mut self, array: &ArrayRef) -> Result<()> {
        let bytes = match array.data_type() {
            DataType::Utf8View => Some(view_bytes(array.as_string_view().views())),
            DataType::BinaryView => Some(view_bytes(array.as_binary_view().views())),
            _ => None,
        };
        if let Some(bytes) = bytes {
            self.text_bytes += bytes;
            self.texts += (array.len() - array.null_count()) as u64;
        }
        self.sketcher.add(array)
    }
}

/// The view of NULL has no bytes.
fn view_bytes(views: &[u128]) -> u64 {
    views.iter().map(|view| u64::from(*view as u32)).sum()
}

/// One sketch for each column, of what all threads saw.
///
/// # Errors
/// Internal when a sketch is none.
pub fn merged(threads: Vec<Vec<ColumnTally>>) -> Result<Vec<ColumnSketch>> {
    let mut columns: Vec<Vec<ColumnTally>> = Vec::new();
    for thread in threads {
        columns.resize_with(thread.len(), Vec::new);
        columns.iter_mut().zip(thread).for_each(|(column, tally)| column.push(tally));
    }
    columns
        .into_iter()
        .filter_map(|tallies| Some((tallies.first()?.column, tallies)))
        .map(of_column)
        .collect()
}

fn of_column((column, tallies): (ColumnId, Vec<ColumnTally>)) -> Result<ColumnSketch> {
    let texts: u64 = tallies.iter().map(|tally| tally.texts).sum();
    let bytes: u64 = tallies.iter().map(|tally| tally.text_bytes).sum();
    let sketches: Vec<_> = tallies.into_iter().map(|tally| tally.sketcher.finish()).collect();
    let width = (texts > 0).then(|| bytes as f64 / texts as f64);
    Ok(ColumnSketch { column, sketch: merge_sketches(&sketches)?, width })
}
