//! Rows kept as they come, or at most one of them.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use arrow::datatypes::DataType;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, ErrorCode, Result};

use crate::column::Chunk;
use crate::keep::kept::{Keeper, Kept};
use crate::keep::result::{Piece, ResultRows};
use crate::lock::lock;
use crate::memory::Reservation;
use crate::state::{SinkWorker, Stage};

pub(crate) struct CollectState {
    kept: Arc<Kept>,
    rows_max: usize,
    rows: AtomicUsize,
    /// What a nested-loop join that probes these rows emits of them in the end.
    pub(crate) kind: Option<JoinKind>,
    ready: Mutex<Option<Arc<Collected>>>,
}

/// Rows that have been collected, with a flag each for those that a nested-loop join has matched.
pub(crate) struct Collected {
    pub(crate) rows: Arc<ResultRows>,
    pub(crate) matched: Vec<AtomicBool>,
}

/// Also the sink of sorts and windows, which do the rest of their work in the end.
pub(crate) struct CollectSink {
    keeper: Option<Keeper>,
    columns: Vec<usize>,
    /// Of a state that takes a limited number of rows.
    limit: Option<Arc<CollectState>>,
    kept: Arc<Kept>,
}

impl CollectState {
    pub(crate) fn new(types: Vec<DataType>, rows_max: usize, kind: Option<JoinKind>) -> Arc<Self> {
        Arc::new(Self {
            kept: Kept::new(types),
            rows_max,
            rows: AtomicUsize::new(0),
            kind,
            ready: Mutex::new(None),
        })
    }

    pub(crate) fn sink(self: &Arc<Self>, columns: &[usize], reservation: Reservation) -> CollectSink {
        let mut sink = CollectSink::new(&self.kept, columns, reservation);
        sink.limit = (self.rows_max < usize::MAX).then(|| self.clone());
        sink
    }

    pub(crate) fn stage(self: &Arc<Self>, number: usize) -> Result<Stage> {
        if number == 0 && self.kept.column_count() > 0 {
            return Ok(self.kept.concat_stage());
        }
        let rows = self.kept.rows();
        let keeps_flags = self.kind.is_some_and(JoinKind::emits_build_rows);
        let matched = (0..if keeps_flags { rows } else { 0 }).map(|_| AtomicBool::new(false)).collect();
        let rows = Arc::new(ResultRows { pieces: vec![Piece::new(rows, self.kept.columns()?)] });
        *lock(&self.ready) = Some(Arc::new(Collected { rows, matched }));
        Ok(vec![])
    }

    /// # Errors
    /// Internal when the rows are not complete.
    pub(crate) fn collected(&self) -> Result<Arc<Collected>> {
        lock(&self.ready)
            .clone()
            .ok_or_else(|| Error::internal("collected rows are read before they are complete"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.ready) = None;
        self.kept.release();
    }

    fn count(&self, rows: usize) -> Result<()> {
        if self.rows.fetch_add(rows, Relaxed) + rows > self.rows_max {
            return Err(Error::new(ErrorCode::Cardinality, "a scalar subquery gave more than one row")
                .with_hint("restrict it, or take one value by an aggregate such as max, or by LIMIT 1"));
        }
        Ok(())
    }
}

impl CollectSink {
    pub(crate) fn new(kept: &Arc<Kept>, columns: &[usize], reservation: Reservation) -> Self {
        let keeper = Some(Keeper::new(columns.len(), reservation));
        Self { keeper, columns: columns.to_vec(), limit: None, kept: kept.clone() }
    }
}

impl SinkWorker for CollectSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        if let Some(state) = &self.limit {
            state.count(chunk.rows)?;
        }
        let arrays = chunk.materialise_all(&self.columns)?;
        let keeper = self.keeper.as_mut().ok_or_else(|| Error::internal("a row after the end"))?;
        keeper.add(arrays, chunk.rows)
    }

    fn finish(&mut self) -> Result<()> {
        self.keeper.take().map_or(Ok(()), |keeper| self.kept.absorb(keeper))
    }
}
