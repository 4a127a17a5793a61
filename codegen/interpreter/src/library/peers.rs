//! One partition of a window, with its rows grouped by equal order keys.

use std::ops::Range;

use arrow::array::ArrayRef;
use arrow::compute::{SortOptions, partition};
use nyala_schema::Result;

/// Rows of one partition, in order.
pub(super) struct Partition {
    pub rows: usize,
    /// The columns by which the rows are ordered.
    pub order: Vec<(ArrayRef, SortOptions)>,
    /// First row of each group of peers; `rows` at the end.
    pub group_starts: Vec<usize>,
    /// Group of each row.
    pub groups: Vec<u32>,
}

impl Partition {
    /// Without order columns all rows are peers.
    pub fn new(order: Vec<(ArrayRef, SortOptions)>, rows: usize) -> Result<Self> {
        let columns: Vec<ArrayRef> = order.iter().map(|(column, _)| column.clone()).collect();
        let whole = 0..rows;
        let ranges = if columns.is_empty() { vec![whole] } else { partition(&columns)?.ranges() };
        let mut group_starts: Vec<usize> = ranges.iter().map(|range| range.start).collect();
        group_starts.push(rows);
        let groups = ranges
            .iter()
            .enumerate()
            .flat_map(|(group, range)| std::iter::repeat_n(group as u32, range.len()))
            .collect();
        Ok(Self { rows, order, group_starts, groups })
    }

    /// The rows that are equal to `row` in order, itself among them.
    pub fn peers(&self, row: usize) -> Range<usize> {
        let group = self.groups[row] as usize;
        self.group_starts[group]..self.group_starts[group + 1]
    }

    pub fn group_count(&self) -> usize {
        self.group_starts.len() - 1
    }
}
