//! A chunk: the columns of some rows on their way through a pipeline.

use arrow::array::{Array, ArrayRef, new_null_array};
use nyala_schema::Result;

use crate::column::indices::{Composer, Indices};

/// An array, or some rows of it.
#[derive(Clone)]
pub(crate) struct Column {
    pub(crate) array: ArrayRef,
    /// `None`: all rows of the array.
    pub(crate) indices: Option<Indices>,
}

/// Columns of one length.
#[derive(Clone)]
pub(crate) struct Chunk {
    pub(crate) rows: usize,
    pub(crate) columns: Vec<Column>,
}

impl Column {
    pub(crate) fn new(array: ArrayRef) -> Self {
        Self { array, indices: None }
    }

    pub(crate) fn selected(array: ArrayRef, indices: &Indices) -> Self {
        Self { array, indices: Some(indices.clone()) }
    }

    /// The column's rows as an array of their own.
    pub(crate) fn gather(&self) -> Result<ArrayRef> {
        match &self.indices {
            None => Ok(self.array.clone()),
            Some(indices) => take(&self.array, indices),
        }
    }
}

/// The rows of `array` that `indices` names.
pub(crate) fn take(array: &ArrayRef, indices: &Indices) -> Result<ArrayRef> {
    if array.is_empty() {
        return Ok(new_null_array(array.data_type(), indices.len()));
    }
    Ok(arrow::compute::take(array, indices.array(), None)?)
}

impl Chunk {
    pub(crate) fn new(rows: usize, columns: Vec<Column>) -> Self {
        debug_assert!(
            columns.iter().all(|c| c.indices.as_ref().map_or(c.array.len(), Indices::len) == rows),
            "columns of one length"
        );
        Self { rows, columns }
    }

    pub(crate) fn from_arrays(rows: usize, arrays: Vec<ArrayRef>) -> Self {
        Self::new(rows, arrays.into_iter().map(Column::new).collect())
    }

    /// Column `index` as an array of the chunk's length. Remembered, so that a later use does not copy again.
    pub(crate) fn materialise(&mut self, index: usize) -> Result<ArrayRef> {
        let column = &mut self.columns[index];
        if column.indices.is_some() {
            *column = Column::new(column.gather()?);
        }
        Ok(column.array.clone())
    }

    pub(crate) fn materialise_all(&mut self, indices: &[usize]) -> Result<Vec<ArrayRef>> {
        indices.iter().map(|&index| self.materialise(index)).collect()
    }

    /// The columns `kept`, unchanged.
    pub(crate) fn pick(&self, kept: &[usize]) -> Vec<Column> {
        kept.iter().map(|&index| self.columns[index].clone()).collect()
    }

    /// The columns `kept` for the rows at `positions` of this chunk.
    pub(crate) fn pick_rows(&self, kept: &[usize], positions: &Indices) -> Result<Vec<Column>> {
        let mut composer = Composer::new(positions);
        kept.iter().map(|&index| composer.apply(&self.columns[index])).collect()
    }

    /// The rows at `positions`, all columns.
    pub(crate) fn select(&self, positions: &Indices) -> Result<Chunk> {
        let mut composer = Composer::new(positions);
        let columns = self.columns.iter().map(|column| composer.apply(column)).collect::<Result<_>>()?;
        Ok(Chunk::new(positions.len(), columns))
    }

    /// Rows `offset..offset + rows`.
    pub(crate) fn slice(&self, offset: usize, rows: usize) -> Chunk {
        let columns = self.columns.iter().map(|column| match &column.indices {
            None => Column::new(column.array.slice(offset, rows)),
            Some(indices) => Column {
                array: column.array.clone(),
                indices: Some(Indices::from_array(indices.array().slice(offset, rows))),
            },
        });
        Chunk::new(rows, columns.collect())
    }
}
