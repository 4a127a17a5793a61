//! Calls exports as the host does, for tests on the machine at hand.
//!
//! Most tests call the author's function, which needs nothing of this.

use nyala_guest_abi as abi;

use crate::argument::Argument;
use crate::builder::Builder;
use crate::column::{Batch, Column};
use crate::memory::{address, pointer};
use crate::returned::Returned;

trait Described {
    fn describe(&mut self, rows: usize) -> abi::Column;
}

impl<B: Builder> Described for B {
    fn describe(&mut self, rows: usize) -> abi::Column {
        Builder::describe(self, 0, rows)
    }
}

/// A batch to pass to an export.
#[derive(Default)]
pub struct Arguments {
    builders: Vec<Box<dyn Described>>,
    columns: Vec<abi::Column>,
    rows: usize,
    batch: abi::Batch,
}

impl Arguments {
    /// No columns yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a column.
    ///
    /// # Panics
    /// When a value is an error.
    pub fn column<T: Returned>(mut self, values: impl IntoIterator<Item = T>) -> Self {
        let mut builder = T::Builder::default();
        for value in values {
            value.give(&mut builder).expect("a value of a test");
        }
        self.rows = builder.rows();
        self.columns.push(Builder::describe(&mut builder, 0, self.rows));
        self.builders.push(Box::new(builder));
        self
    }

    /// Where the batch is, for as long as this lives.
    pub fn address(&mut self) -> u32 {
        let rows = self.rows;
        self.columns = self.builders.iter_mut().map(|builder| builder.describe(rows)).collect();
        self.batch = abi::Batch {
            columns: address(self.columns.as_ptr()),
            column_count: self.columns.len() as u32,
            rows: rows as u32,
        };
        address(&self.batch as *const abi::Batch)
    }
}

/// The address of a slice: the groups of rows, the inputs of an operator.
pub fn slice<T>(values: &[T]) -> u32 {
    address(values.as_ptr())
}

/// The values of a column that an export gave.
///
/// # Safety
/// `column` must be what an export gave, and not have been overwritten by a later call.
///
/// # Panics
/// When the values are of another type.
pub unsafe fn values<T: Argument<'static>>(column: u32) -> Vec<Option<T>> {
    // SAFETY: promised by the caller.
    unsafe { read(Column::read(&*pointer::<abi::Column>(column))) }
}

/// The values of a column of a batch that an export gave.
///
/// # Safety
/// As [`values`].
///
/// # Panics
/// When there is no such column, or the values are of another type.
pub unsafe fn batch_values<T: Argument<'static>>(batch: u32, column: usize) -> Vec<Option<T>> {
    // SAFETY: promised by the caller.
    unsafe { read(Batch::at(batch).column(column).expect("a column of that number")) }
}

unsafe fn read<T: Argument<'static>>(column: Column<'static>) -> Vec<Option<T>> {
    let reader = Option::<T>::open(Some(column)).expect("a column of that type");
    // SAFETY: the rows are those of the column.
    (0..column.rows()).map(|row| unsafe { Option::<T>::read(&reader, row) }).collect()
}
