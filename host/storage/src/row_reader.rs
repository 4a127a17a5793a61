//! The batches of one morsel, each column opened when it is first asked for.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, UInt32Array};
use nyala_schema::{Error, Result};

use crate::layout::Constant;
use crate::scanner::MorselReader;

/// One output column over all rows that a reader counts.
pub enum Column {
    /// The same in every row.
    Constant(Constant),
    /// The number of the row, counted from this.
    Positions(i64),
    /// All rows, in memory.
    Whole(ArrayRef),
    Stream(Box<dyn ColumnStream>),
}

/// A column that is decoded from the front to the back.
pub trait ColumnStream: Send {
    /// Rows `start..start + rows`, or of these the rows that `selection` names, counted from `start`. `start` never
    /// goes back.
    ///
    /// # Errors
    /// As `MorselReader::column`.
    fn read(&mut self, start: usize, rows: usize, selection: Option<&[u32]>) -> Result<ArrayRef>;
}

/// What a column is first asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wanted {
    /// Most rows of a batch.
    Most,
    /// Few rows of a batch.
    Few,
}

/// Fewer than one in so many rows of a batch are few.
const FEW: usize = 3;

/// The columns of one morsel.
pub trait OpenColumns: Send {
    /// # Errors
    /// As `MorselReader::column`.
    fn open(&mut self, index: usize, wanted: Wanted) -> Result<Column>;
}

/// A cursor over rows of which each column is opened when it is needed.
pub struct RowReader {
    source: Box<dyn OpenColumns>,
    columns: Vec<Option<Column>>,
    /// The rows that are wanted, the next ones last.
    ranges: Vec<Range<usize>>,
    start: usize,
    length: usize,
}

impl RowReader {
    /// `ranges`: the rows that are wanted, ascending; rows between them are passed over.
    pub fn new(source: Box<dyn OpenColumns>, columns: usize, mut ranges: Vec<Range<usize>>) -> Self {
        ranges.reverse();
        let columns = std::iter::repeat_with(|| None).take(columns).collect();
        Self { source, columns, ranges, start: 0, length: 0 }
    }

    /// The first row of the current batch.
    pub fn batch_start(&self) -> usize {
        self.start
    }

    fn read(&mut self, index: usize, selection: Option<&[u32]>) -> Result<ArrayRef> {
        let (start, length) = (self.start, self.length);
        let column = self
            .columns
            .get_mut(index)
            .ok_or_else(|| Error::internal(format!("a scan has no output column {index}")))?;
        let column = match column {
            Some(column) => column,
            None => {
                let is_few = selection.is_some_and(|selection| selection.len() * FEW < length);
                let wanted = if is_few { Wanted::Few } else { Wanted::Most };
                column.insert(self.source.open(index, wanted)?)
            }
        };
        match column {
            Column::Constant(constant) => constant.repeat(selection.map_or(length, <[u32]>::len)),
            Column::Positions(first) => Ok(positions(*first + start as i64, length, selection)),
            Column::Whole(array) => {
                let batch = array.slice(start, length);
                selection.map_or_else(|| Ok(Arc::clone(&batch)), |selection| chosen(&batch, selection))
            }
            Column::Stream(stream) => stream.read(start, length, selection),
        }
    }
}

fn positions(first: i64, rows: usize, selection: Option<&[u32]>) -> ArrayRef {
    let numbers: Int64Array = match selection {
        None => (first..first + rows as i64).collect::<Vec<_>>().into(),
        Some(selection) => selection.iter().map(|&row| first + i64::from(row)).collect::<Vec<_>>().into(),
    };
    Arc::new(numbers)
}

/// The rows of `batch` that `selection` names.
///
/// # Errors
/// Internal when one lies outside.
pub fn chosen(batch: &ArrayRef, selection: &[u32]) -> Result<ArrayRef> {
    let indices = UInt32Array::from(selection.to_vec());
    Ok(arrow::compute::take(batch, &indices, None)?)
}

impl MorselReader for RowReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        (self.start, self.length) = (self.start + self.length, 0);
        if self.ranges.last().is_some_and(|range| range.end <= self.start) {
            self.ranges.pop();
        }
        if let Some(range) = self.ranges.last() {
            self.start = self.start.max(range.start);
            self.length = rows_max.min(range.end - self.start);
        }
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        self.read(index, None)
    }

    fn column_selected(&mut self, index: usize, selection: &[u32]) -> Result<ArrayRef> {
        if selection.len() == self.length {
            return self.read(index, None);
        }
        if selection.last().is_some_and(|&row| row as usize >= self.length) {
            return Err(Error::internal("a selection reaches past its batch"));
        }
        self.read(index, Some(selection))
    }
}
