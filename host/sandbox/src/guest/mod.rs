//! The kinds of guests that are called with columns.

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{Array, ArrayRef, UInt32Array, new_null_array};
use arrow::buffer::NullBuffer;
use arrow::datatypes::DataType;
use nyala_pipeline::guest::{GuestUsage, Supervised, Supervisor};
use nyala_schema::{Error, Result};

use crate::health::Record;
use crate::instance::{Blueprint, Instance};
use crate::marshal;
use crate::statement::StatementClock;

mod aggregate;
mod operator;
mod scalar;
mod table;

pub(crate) use aggregate::Aggregate;
pub(crate) use operator::Operator;
pub(crate) use scalar::Scalar;
pub(crate) use table::Table;

/// The most rows of a call.
pub(crate) const ROWS_MAX: usize = 65_536;

/// Where instances come from, and where their doings are noted.
#[derive(Clone)]
pub(crate) struct Source {
    pub blueprint: Arc<Blueprint>,
    pub record: Arc<Record>,
    pub clock: Arc<StatementClock>,
}

impl Source {
    /// A new instance for the query that runs on this thread.
    fn instance(&self) -> Result<Instance> {
        let supervisor = Supervised::current();
        let now = self.clock.now(supervisor.as_ref());
        Instance::new(&self.blueprint, supervisor, now)
    }

    /// Runs one call and notes what it took. `act` gives the result and the memory that the instance held.
    fn noted<T>(
        &self,
        supervisor: Option<&Arc<dyn Supervisor>>,
        rows: usize,
        act: impl FnOnce() -> (Result<T>, u64),
    ) -> Result<T> {
        self.record.admit()?;
        // A guest that returns at once is never asked while it runs, however often it is called.
        if supervisor.is_some_and(|supervisor| supervisor.is_cancelled()) {
            return Err(Error::cancelled());
        }
        let start = Instant::now();
        let (result, memory_bytes) = act();
        let usage = GuestUsage { calls: 1, rows: rows as u64, time: start.elapsed(), traps: 0, memory_bytes };
        self.record.note(&usage, &result, supervisor);
        result
    }

    /// Bytes that arguments take in the guest's memory, when they are to be passed at once; `None` when they are better
    /// passed in pieces, so that most of the memory is left to the guest.
    fn room(&self, columns: &[ArrayRef], rows: usize) -> Result<Option<usize>> {
        const PART_FOR_ARGUMENTS: u64 = 4;
        let size = marshal::size_bytes(columns)?;
        let allowed = self.blueprint.code.limits.memory_bytes / PART_FOR_ARGUMENTS;
        let fits = rows <= 1 || (rows <= ROWS_MAX && size as u64 <= allowed);
        Ok(fits.then_some(size))
    }
}

/// An instance that belongs to one caller, made at its first call and dropped at its first failure.
struct Single<F> {
    source: Source,
    live: Option<(Instance, F)>,
    failed: bool,
}

impl<F: Clone> Single<F> {
    fn new(source: Source) -> Self {
        Self { source, live: None, failed: false }
    }

    /// Runs `act` on the instance; `open` finds its functions when it is new.
    fn call<T>(
        &mut self,
        rows: usize,
        open: impl FnOnce(&mut Instance) -> Result<F>,
        act: impl FnOnce(&mut Instance, &F) -> Result<T>,
    ) -> Result<T> {
        if self.failed {
            // What it held is lost: going on would give wrong results.
            let name = &self.source.blueprint.code;
            return Err(Error::internal(format!("function {name} was called after it had failed")));
        }
        let (mut live, source) = (self.live.take(), self.source.clone());
        let supervisor = Supervised::current();
        let result = source.noted(supervisor.as_ref(), rows, || {
            let result = source.run(&mut live, open, act);
            (result, live.as_ref().map_or(0, |(instance, _)| instance.memory_bytes()))
        });
        match &result {
            Ok(_) => self.live = live,
            Err(_) => self.failed = true,
        }
        result
    }
}

impl Source {
    fn run<F, T>(
        &self,
        live: &mut Option<(Instance, F)>,
        open: impl FnOnce(&mut Instance) -> Result<F>,
        act: impl FnOnce(&mut Instance, &F) -> Result<T>,
    ) -> Result<T> {
        let (instance, functions) = match live {
            Some(live) => live,
            None => {
                let mut instance = self.instance()?;
                let functions = open(&mut instance)?;
                live.insert((instance, functions))
            }
        };
        act(instance, functions)
    }
}

/// Columns in the types that the function declares.
fn exact(columns: &[ArrayRef], types: &[DataType]) -> Result<Vec<ArrayRef>> {
    if columns.len() != types.len() {
        let (found, wanted) = (columns.len(), types.len());
        return Err(Error::internal(format!("{found} arguments were passed to a function of {wanted}")));
    }
    let convert = |(column, data_type): (&ArrayRef, &DataType)| {
        if is_passed_as(column.data_type(), data_type) {
            return Ok(column.clone());
        }
        Ok(arrow::compute::cast(column, &nyala_pipeline::exact_type(data_type))?)
    };
    columns.iter().zip(types).map(convert).collect()
}

/// Whether a guest cannot tell the types apart: text in views or not, decimals of the same kind and scale.
fn is_passed_as(found: &DataType, wanted: &DataType) -> bool {
    match (found, wanted) {
        (DataType::Utf8 | DataType::Utf8View, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
        | (
            DataType::Binary | DataType::BinaryView,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView,
        ) => true,
        (
            DataType::Decimal32(_, found_scale)
            | DataType::Decimal64(_, found_scale)
            | DataType::Decimal128(_, found_scale),
            DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale),
        ) => found_scale == scale && marshal::kind(found).ok() == marshal::kind(wanted).ok(),
        _ => found == wanted,
    }
}

/// The rows of some columns that have no NULL, when there are others.
struct Kept {
    rows: UInt32Array,
    columns: Vec<ArrayRef>,
    /// Of all rows.
    nulls: NullBuffer,
}

/// `None` when no row has a NULL.
fn without_nulls(columns: &[ArrayRef]) -> Result<Option<Kept>> {
    let nulls = columns
        .iter()
        .fold(None, |all, column| NullBuffer::union(all.as_ref(), column.logical_nulls().as_ref()));
    let Some(nulls) = nulls.filter(|nulls| nulls.null_count() > 0) else { return Ok(None) };
    let mut rows = Vec::with_capacity(nulls.len() - nulls.null_count());
    rows.extend(nulls.valid_indices().map(|row| row as u32));
    let rows = UInt32Array::from(rows);
    let keep = |column: &ArrayRef| arrow::compute::take(column, &rows, None);
    let columns = columns.iter().map(keep).collect::<Result<_, _>>()?;
    Ok(Some(Kept { rows, columns, nulls }))
}

/// The opposite: values at the rows that are not NULL, which are as many as there are values.
fn with_nulls(values: &ArrayRef, nulls: &NullBuffer) -> Result<ArrayRef> {
    if values.is_empty() {
        return Ok(new_null_array(values.data_type(), nulls.len()));
    }
    let last = values.len() as u32 - 1;
    let mut next = 0;
    let place = |valid: bool| {
        let place = next.min(last);
        next += u32::from(valid);
        place
    };
    let places: Vec<u32> = nulls.iter().map(place).collect();
    Ok(arrow::compute::take(values, &UInt32Array::new(places.into(), Some(nulls.clone())), None)?)
}
