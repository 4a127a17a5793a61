//! ORDER BY between its pipelines.

use std::sync::{Arc, Mutex};

use nyala_pipeline::state::SortSpec;
use nyala_schema::{Error, Result};

use crate::keep::collect::CollectSink;
use crate::keep::{Kept, Piece, ResultRows};
use crate::lock::lock;
use crate::memory::Reservation;
use crate::sort::sorter::Sorter;
use crate::sort::topn::TopNSink;
use crate::state::{SinkWorker, Stage, data_types};

/// More first rows than this are found by sorting all.
const TOPN_FETCH_MAX: u64 = 1 << 20;

pub(crate) struct SortState {
    spec: SortSpec,
    sorter: Arc<Sorter>,
    rows: Mutex<Option<Arc<ResultRows>>>,
    /// Of the order; given to the kept rows when it is made.
    reservation: Mutex<Option<Reservation>>,
}

impl SortState {
    pub(crate) fn new(spec: &SortSpec, reservation: Reservation) -> Arc<Self> {
        let fetch = spec.fetch.map_or(usize::MAX, |fetch| usize::try_from(fetch).unwrap_or(usize::MAX));
        let kept = Kept::new(data_types(&spec.types));
        Arc::new(Self {
            sorter: Sorter::new(kept, spec.keys.clone(), fetch),
            spec: spec.clone(),
            rows: Mutex::default(),
            reservation: Mutex::new(Some(reservation)),
        })
    }

    /// # Errors
    /// Unsupported for types without an order.
    pub(crate) fn sink(&self, columns: &[usize], reservation: Reservation) -> Result<Box<dyn SinkWorker>> {
        match self.spec.fetch {
            Some(fetch) if fetch <= TOPN_FETCH_MAX && !self.spec.keys.is_empty() => Ok(Box::new(
                TopNSink::new(&self.spec, fetch as usize, columns, &self.sorter.kept, reservation),
            )),
            _ => Ok(Box::new(CollectSink::new(&self.sorter.kept, columns, reservation))),
        }
    }

    pub(crate) fn stage(&self, threads: usize, number: usize) -> Result<Stage> {
        let stage = self.sorter.stage(threads, number);
        if stage.is_empty() {
            self.complete()?;
        }
        Ok(stage)
    }

    fn complete(&self) -> Result<()> {
        let order = self.sorter.order()?;
        if let Some(mut reservation) = lock(&self.reservation).take() {
            reservation.grow(order.len() as u64 * 4)?;
            self.sorter.kept.hold(reservation);
        }
        let columns = self.sorter.kept.columns()?;
        let piece = Piece { rows: order.len(), columns, order: Some(order) };
        *lock(&self.rows) = Some(Arc::new(ResultRows { pieces: vec![piece] }));
        Ok(())
    }

    /// # Errors
    /// Internal when they are not complete.
    pub(crate) fn rows(&self) -> Result<Arc<ResultRows>> {
        lock(&self.rows)
            .clone()
            .ok_or_else(|| Error::internal("sorted rows are read before they are complete"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.rows) = None;
        *lock(&self.reservation) = None;
        self.sorter.release();
    }
}
