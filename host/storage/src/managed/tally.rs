//! What one thread learnt of a column while it wrote.

use arrow::array::ArrayRef;
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

    /// A number that is not NULL.
    #[inline(always)]
    pub fn number(&mut self, bits: u64) {
        self.sketcher.number(bits);
    }

    /// A text that is not NULL, which `texts` counts.
    pub fn text(&mut self, text: &[u8]) {
        self.sketcher.text(text);
    }

    /// Bytes of so many texts.
    pub fn texts(&mut self, bytes: usize, count: usize) {
        self.text_bytes += bytes as u64;
        self.texts += count as u64;
    }

    /// # Errors
    /// As [`ColumnSketcher::add`].
    pub fn add(&mut self, array: &ArrayRef) -> Result<()> {
        self.sketcher.add(array)
    }
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
