//! Window functions: rows sorted by partition and order, then each partition given to the function library.

use std::ops::Range;
use std::sync::{Arc, Mutex};

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use nyala_pipeline::Library;
use nyala_pipeline::state::{SortColumn, WindowSpec};
use nyala_schema::{Error, Result};

use crate::column::Indices;
use crate::column::chunk::take;
use crate::column::concat::concat;
use crate::column::dictionary::unpack;
use crate::column::size::bytes_of_all;
use crate::keep::collect::CollectSink;
use crate::keep::{Kept, Piece, ResultRows};
use crate::lock::lock;
use crate::memory::Reservation;
use crate::run::Query;
use crate::sort::{KeyEncoder, Sorter};
use crate::state::{Stage, data_types};

/// Partitions with together so many rows are handled by one job.
const JOB_ROWS_MIN: usize = 16_384;
/// The stage in which the functions run; the sorter has those before.
const SORTER_STAGES: usize = 3;

pub(crate) struct WindowState {
    spec: WindowSpec,
    sorter: Arc<Sorter>,
    pieces: Mutex<Vec<Option<Piece>>>,
    rows: Mutex<Option<Arc<ResultRows>>>,
    reservation: Mutex<Option<Reservation>>,
}

impl WindowState {
    pub(crate) fn new(spec: &WindowSpec, reservation: Reservation) -> Arc<Self> {
        let partition_by =
            spec.partition_by.iter().map(|&index| SortColumn { index, descending: false, nulls_first: true });
        let keys = partition_by.chain(spec.order_by.iter().copied()).collect();
        Arc::new(Self {
            sorter: Sorter::new(Kept::new(data_types(&spec.types)), keys, usize::MAX),
            spec: spec.clone(),
            pieces: Mutex::default(),
            rows: Mutex::default(),
            reservation: Mutex::new(Some(reservation)),
        })
    }

    pub(crate) fn sink(&self, columns: &[usize], reservation: Reservation) -> CollectSink {
        CollectSink::new(&self.sorter.kept, columns, reservation)
    }

    pub(crate) fn stage(self: &Arc<Self>, query: &Arc<Query>, number: usize) -> Result<Stage> {
        if number < SORTER_STAGES {
            let stage = self.sorter.stage(query.threads, number);
            if !stage.is_empty() {
                return Ok(stage);
            }
        }
        let is_started = !lock(&self.pieces).is_empty();
        let stage = if is_started { vec![] } else { self.function_stage(query)? };
        if stage.is_empty() {
            self.complete()?;
        }
        Ok(stage)
    }

    fn function_stage(self: &Arc<Self>, query: &Arc<Query>) -> Result<Stage> {
        let order = self.sorter.order()?;
        let groups = job_groups(&self.partitions(&order)?, query.threads);
        *lock(&self.pieces) = groups.iter().map(|_| None).collect();
        let job = |(index, partitions): (usize, Vec<Range<usize>>)| {
            let (this, order, library) = (self.clone(), order.clone(), query.library.clone());
            Box::new(move || {
                let piece = this.run(&order, &partitions, library.as_ref())?;
                if let Some(reservation) = lock(&this.reservation).as_mut() {
                    reservation.grow(bytes_of_all(&piece.columns))?;
                }
                lock(&this.pieces)[index] = Some(piece);
                Ok(())
            }) as Box<dyn FnOnce() -> Result<()> + Send>
        };
        Ok(groups.into_iter().enumerate().map(job).collect())
    }

    /// Ranges of the sorted rows with equal partition keys.
    fn partitions(&self, order: &UInt32Array) -> Result<Vec<Range<usize>>> {
        let rows = order.len();
        if rows == 0 {
            return Ok(vec![]);
        }
        if self.spec.partition_by.is_empty() {
            return Ok(vec![Range { start: 0, end: rows }]);
        }
        let columns = self.sorter.kept.columns()?;
        let keys: Vec<ArrayRef> =
            self.spec.partition_by.iter().map(|&index| columns[index].clone()).collect();
        let types: Vec<_> = keys.iter().map(|key| key.data_type().clone()).collect();
        let sort = vec![SortColumn { index: 0, descending: false, nulls_first: true }; keys.len()];
        let keys = KeyEncoder::new(&types, &sort)?.encode(&keys, self.sorter.kept.rows())?;
        let order = order.values();
        let mut partitions = Vec::new();
        let mut start = 0;
        for row in 1..=rows {
            if row == rows || keys.compare(order[row - 1], &keys, order[row]).is_ne() {
                partitions.push(start..row);
                start = row;
            }
        }
        Ok(partitions)
    }

    /// The rows of consecutive partitions with the results of all calls.
    fn run(&self, order: &UInt32Array, partitions: &[Range<usize>], library: &dyn Library) -> Result<Piece> {
        let start = partitions.first().map_or(0, |range| range.start);
        let rows = partitions.last().map_or(0, |range| range.end) - start;
        let indices = Indices::from_array(order.slice(start, rows));
        let kept = self.sorter.kept.columns()?;
        let mut columns =
            kept.iter().map(|column| unpack(&take(column, &indices)?)).collect::<Result<Vec<_>>>()?;
        let mut results: Vec<Vec<ArrayRef>> =
            vec![Vec::with_capacity(partitions.len()); self.spec.calls.len()];
        for range in partitions {
            let slices: Vec<ArrayRef> =
                columns.iter().map(|column| column.slice(range.start - start, range.len())).collect();
            let arrays = library.window(&self.spec, &slices, range.len())?;
            if arrays.len() != results.len() || arrays.iter().any(|array| array.len() != range.len()) {
                return Err(Error::internal("window functions gave columns of another shape"));
            }
            results.iter_mut().zip(arrays).for_each(|(all, array)| all.push(array));
        }
        for (parts, function) in results.iter().zip(&self.spec.calls) {
            let wanted = &function.result.data_type;
            let result = match parts.first() {
                Some(first) => concat(parts, first.data_type())?,
                None => new_empty_array(wanted),
            };
            columns.push(if result.data_type() == wanted {
                result
            } else {
                arrow::compute::cast(&result, wanted)?
            });
        }
        Ok(Piece::new(rows, columns))
    }

    fn complete(&self) -> Result<()> {
        let pieces = std::mem::take(&mut *lock(&self.pieces)).into_iter().flatten().collect();
        *lock(&self.rows) = Some(Arc::new(ResultRows { pieces }));
        self.sorter.release();
        Ok(())
    }

    /// # Errors
    /// Internal when they are not complete.
    pub(crate) fn rows(&self) -> Result<Arc<ResultRows>> {
        lock(&self.rows).clone().ok_or_else(|| Error::internal("windows are read before they are complete"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.rows) = None;
        *lock(&self.reservation) = None;
        self.sorter.release();
    }
}

/// Consecutive partitions for each job.
fn job_groups(partitions: &[Range<usize>], threads: usize) -> Vec<Vec<Range<usize>>> {
    let rows = partitions.last().map_or(0, |range| range.end);
    let wanted = rows.div_ceil(threads.max(1) * 4).max(JOB_ROWS_MIN);
    let mut groups: Vec<Vec<Range<usize>>> = Vec::new();
    let mut room = 0;
    for range in partitions {
        if room == 0 {
            groups.push(Vec::new());
            room = wanted;
        }
        room = room.saturating_sub(range.len());
        if let Some(group) = groups.last_mut() {
            group.push(range.clone());
        }
    }
    groups
}
