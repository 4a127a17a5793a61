//! Rows that workers keep and that become one long column each when all have come.

use std::sync::{Arc, Mutex};

use arrow::array::ArrayRef;
use arrow::datatypes::DataType;
use nyala_schema::{Error, ErrorCode, Result};

use crate::column::concat::{compact, concat};
use crate::column::size::bytes_of_all;
use crate::lock::lock;
use crate::memory::Reservation;
use crate::state::Stage;

/// Fewer rows than this are put together by one job: more jobs would only wait for each other.
const PARALLEL_ROWS_MIN: usize = 32_768;

/// One worker's rows.
pub(crate) struct Keeper {
    /// For each column its batches.
    columns: Vec<Vec<ArrayRef>>,
    rows: usize,
    reservation: Reservation,
}

/// The rows of all workers.
pub(crate) struct Kept {
    types: Vec<DataType>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    parts: Vec<Vec<ArrayRef>>,
    rows: usize,
    /// The columns put together, `None` as long as they are not.
    columns: Vec<Option<ArrayRef>>,
    reservations: Vec<Reservation>,
}

impl Keeper {
    pub(crate) fn new(column_count: usize, reservation: Reservation) -> Self {
        Self { columns: vec![Vec::new(); column_count], rows: 0, reservation }
    }

    /// # Errors
    /// OutOfMemory.
    pub(crate) fn add(&mut self, arrays: Vec<ArrayRef>, rows: usize) -> Result<()> {
        let arrays = arrays.into_iter().map(|array| compact(array, false)).collect::<Result<Vec<_>>>()?;
        self.reservation.grow(bytes_of_all(&arrays))?;
        for (parts, array) in self.columns.iter_mut().zip(arrays) {
            parts.push(array);
        }
        self.rows += rows;
        Ok(())
    }
}

impl Kept {
    pub(crate) fn new(types: Vec<DataType>) -> Arc<Self> {
        let state = State {
            parts: vec![Vec::new(); types.len()],
            columns: vec![None; types.len()],
            ..State::default()
        };
        Arc::new(Self { types, state: Mutex::new(state) })
    }

    pub(crate) fn column_count(&self) -> usize {
        self.types.len()
    }

    /// # Errors
    /// TooComplex when there are more rows than row numbers.
    pub(crate) fn absorb(&self, keeper: Keeper) -> Result<()> {
        let mut state = lock(&self.state);
        for (all, parts) in state.parts.iter_mut().zip(keeper.columns) {
            all.extend(parts);
        }
        state.rows += keeper.rows;
        state.reservations.push(keeper.reservation);
        if state.rows >= u32::MAX as usize {
            return Err(Error::new(ErrorCode::TooComplex, "an operator cannot keep 4 billion rows at once"));
        }
        Ok(())
    }

    pub(crate) fn rows(&self) -> usize {
        lock(&self.state).rows
    }

    /// Jobs that put the columns together.
    pub(crate) fn concat_stage(self: &Arc<Self>) -> Stage {
        let count = self.types.len();
        if count == 0 {
            return vec![];
        }
        let job = |columns: std::ops::Range<usize>| {
            let this = self.clone();
            Box::new(move || columns.clone().try_for_each(|column| this.concat(column)))
                as Box<dyn FnOnce() -> Result<()> + Send>
        };
        if self.rows() < PARALLEL_ROWS_MIN {
            return vec![job(0..count)];
        }
        (0..count).map(|column| job(column..column + 1)).collect()
    }

    fn concat(&self, column: usize) -> Result<()> {
        let parts = std::mem::take(&mut lock(&self.state).parts[column]);
        let array = concat(&parts, &self.types[column])?;
        lock(&self.state).columns[column] = Some(array);
        Ok(())
    }

    /// The columns after the concat stage.
    ///
    /// # Errors
    /// Internal before it.
    pub(crate) fn columns(&self) -> Result<Vec<ArrayRef>> {
        let state = lock(&self.state);
        let missing = || Error::internal("kept rows are read before they are complete");
        state.columns.iter().map(|column| column.clone().ok_or_else(missing)).collect()
    }

    /// Accounts more memory to the operator until the rows are released.
    pub(crate) fn hold(&self, reservation: Reservation) {
        lock(&self.state).reservations.push(reservation);
    }

    pub(crate) fn release(&self) {
        let mut state = lock(&self.state);
        state.parts.iter_mut().for_each(Vec::clear);
        state.columns.iter_mut().for_each(|column| *column = None);
        state.reservations.clear();
    }
}
