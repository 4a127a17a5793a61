//! Vectors of row numbers: what filters and joins change instead of copying columns.

use std::sync::Arc;

use arrow::array::{AsArray, UInt32Array};
use arrow::datatypes::UInt32Type;
use nyala_schema::Result;

use crate::column::chunk::Column;

/// Row numbers into arrays, shared by all columns that have passed the same steps. A NULL number is a NULL row.
#[derive(Clone)]
pub(crate) struct Indices(Arc<Vector>);

struct Vector {
    rows: UInt32Array,
    /// Strictly ascending and without NULLs, as a selection for row code has to be.
    ascending: bool,
}

impl Indices {
    /// Strictly ascending row numbers.
    pub(crate) fn ascending(rows: Vec<u32>) -> Self {
        debug_assert!(rows.windows(2).all(|pair| pair[0] < pair[1]));
        Self(Arc::new(Vector { rows: UInt32Array::from(rows), ascending: true }))
    }

    /// Row numbers in any order.
    pub(crate) fn any_order(rows: Vec<u32>) -> Self {
        Self(Arc::new(Vector { rows: UInt32Array::from(rows), ascending: false }))
    }

    pub(crate) fn from_array(rows: UInt32Array) -> Self {
        Self(Arc::new(Vector { rows, ascending: false }))
    }

    pub(crate) fn array(&self) -> &UInt32Array {
        &self.0.rows
    }

    pub(crate) fn len(&self) -> usize {
        self.0.rows.len()
    }

    /// The numbers when they can be a selection.
    pub(crate) fn as_selection(&self) -> Option<&[u32]> {
        self.0.ascending.then(|| self.0.rows.values().as_ref())
    }

    pub(crate) fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    /// The row numbers at `positions` of this vector.
    fn at(&self, positions: &Indices) -> Result<Self> {
        let rows = arrow::compute::take(&self.0.rows, &positions.0.rows, None)?;
        let rows = rows.as_primitive::<UInt32Type>().clone();
        Ok(Self(Arc::new(Vector { rows, ascending: self.0.ascending && positions.0.ascending })))
    }
}

/// Applies one new vector to many columns, composing it once for each vector that they share.
pub(crate) struct Composer<'a> {
    positions: &'a Indices,
    done: Vec<(Indices, Indices)>,
}

impl<'a> Composer<'a> {
    pub(crate) fn new(positions: &'a Indices) -> Self {
        Self { positions, done: Vec::new() }
    }

    /// States that `of` at the positions is `is`, when the caller knows it already.
    pub(crate) fn know(&mut self, of: &Indices, is: &Indices) {
        self.done.push((of.clone(), is.clone()));
    }

    pub(crate) fn apply(&mut self, column: &Column) -> Result<Column> {
        let indices = match &column.indices {
            None => self.positions.clone(),
            Some(old) => match self.done.iter().find(|(of, _)| of.is_same(old)) {
                Some((_, composed)) => composed.clone(),
                None => {
                    let composed = old.at(self.positions)?;
                    self.know(old, &composed);
                    composed
                }
            },
        };
        Ok(Column { array: column.array.clone(), indices: Some(indices) })
    }
}
