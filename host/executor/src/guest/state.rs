//! A user's operator between its pipelines.

use std::sync::{Arc, Mutex};

use nyala_pipeline::state::{GuestInputSpec, GuestSpec, SortColumn};
use nyala_schema::{Error, Result};

use crate::guest::partition::{Partition, Sorted, job_groups, partitions};
use crate::guest::run::run;
use crate::keep::collect::CollectSink;
use crate::keep::{Kept, Piece, ResultRows};
use crate::lock::lock;
use crate::memory::Reservation;
use crate::run::Query;
use crate::sort::Sorter;
use crate::state::{Stage, data_types};

/// Partitions with together so many rows are handled by one job.
const JOB_ROWS_MIN: usize = 16_384;
/// The stage in which the guest runs; the sorters have those before.
const SORTER_STAGES: usize = 3;

pub(crate) struct GuestState {
    spec: GuestSpec,
    /// By input.
    sorters: Vec<Arc<Sorter>>,
    pieces: Mutex<Vec<Option<Piece>>>,
    rows: Mutex<Option<Arc<ResultRows>>>,
    /// Of the rows given.
    reservation: Mutex<Option<Reservation>>,
}

impl GuestState {
    pub(crate) fn new(spec: &GuestSpec, reservation: Reservation) -> Arc<Self> {
        Arc::new(Self {
            sorters: spec.inputs.iter().map(sorter).collect(),
            spec: spec.clone(),
            pieces: Mutex::default(),
            rows: Mutex::default(),
            reservation: Mutex::new(Some(reservation)),
        })
    }

    /// # Errors
    /// Internal when there is no such input.
    pub(crate) fn sink(
        &self,
        input: usize,
        columns: &[usize],
        reservation: Reservation,
    ) -> Result<CollectSink> {
        let sorter = self.sorters.get(input).ok_or_else(|| Error::internal("an input too many"))?;
        Ok(CollectSink::new(&sorter.kept, columns, reservation))
    }

    pub(crate) fn stage(self: &Arc<Self>, query: &Arc<Query>, number: usize) -> Result<Stage> {
        if number < SORTER_STAGES {
            let stages = self.sorters.iter().flat_map(|sorter| sorter.stage(query.threads, number));
            let stage: Stage = stages.collect();
            if !stage.is_empty() {
                return Ok(stage);
            }
        }
        let is_started = !lock(&self.pieces).is_empty();
        let stage = if is_started { vec![] } else { self.guest_stage(query)? };
        if stage.is_empty() {
            self.complete();
        }
        Ok(stage)
    }

    fn guest_stage(self: &Arc<Self>, query: &Arc<Query>) -> Result<Stage> {
        let all = partitions(&self.sorted()?)?;
        let rows: usize = self.sorters.iter().map(|sorter| sorter.kept.rows()).sum();
        let groups = job_groups(all, rows.div_ceil(query.threads.max(1) * 4).max(JOB_ROWS_MIN));
        *lock(&self.pieces) = groups.iter().map(|_| None).collect();
        let job = |(index, partitions): (usize, Vec<Partition>)| {
            let (this, query) = (self.clone(), query.clone());
            Box::new(move || {
                let account = |bytes: u64| match lock(&this.reservation).as_mut() {
                    Some(reservation) => reservation.grow(bytes),
                    None => Ok(()),
                };
                let piece = run(&this.spec, &query, &this.sorted()?, &partitions, &account)?;
                lock(&this.pieces)[index] = Some(piece);
                Ok(())
            }) as Box<dyn FnOnce() -> Result<()> + Send>
        };
        Ok(groups.into_iter().enumerate().map(job).collect())
    }

    fn sorted(&self) -> Result<Vec<Sorted<'_>>> {
        let inputs = self.sorters.iter().zip(&self.spec.inputs);
        inputs
            .map(|(sorter, spec)| {
                let (columns, rows) = (sorter.kept.columns()?, sorter.kept.rows());
                Ok(Sorted { spec, columns, rows, order: sorter.order()? })
            })
            .collect()
    }

    fn complete(&self) {
        let pieces = std::mem::take(&mut *lock(&self.pieces)).into_iter().flatten().collect();
        *lock(&self.rows) = Some(Arc::new(ResultRows { pieces }));
        self.sorters.iter().for_each(|sorter| sorter.release());
    }

    /// # Errors
    /// Internal when they are not complete.
    pub(crate) fn rows(&self) -> Result<Arc<ResultRows>> {
        let rows = lock(&self.rows).clone();
        rows.ok_or_else(|| Error::internal("an operator's rows are read before they are complete"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.rows) = None;
        *lock(&self.reservation) = None;
        self.sorters.iter().for_each(|sorter| sorter.release());
    }
}

/// By partition, then order.
fn sorter(input: &GuestInputSpec) -> Arc<Sorter> {
    let partition_by =
        input.partition_by.iter().map(|&index| SortColumn { index, descending: false, nulls_first: true });
    let keys = partition_by.chain(input.order_by.iter().copied()).collect();
    Sorter::new(Kept::new(data_types(&input.types)), keys, usize::MAX)
}
