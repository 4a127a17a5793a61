//! Scans: morsels shared out to workers, columns read only where rows are still wanted.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use arrow::array::{ArrayRef, NullArray};
use nyala_schema::id::{OperatorId, RuntimeFilterId};
use nyala_schema::scan::TableScan;
use nyala_schema::{Error, Result};
use nyala_storage::{Morsel, MorselReader, Scanner};

use crate::code::ComputeNode;
use crate::column::{Chunk, Column, Indices};
use crate::ends::Morsels;
use crate::join::RuntimeFilter;
use crate::report::OperatorCounters;
use crate::run::Query;
use crate::source::SourceWorker;

/// When less than one in so many rows is still wanted, a column is read for just those.
const SELECTED_READ: usize = 3;
/// A runtime filter that after so many rows has dropped fewer than one in `DROP_MIN` is no longer asked.
const TRIAL_ROWS: u64 = 50_000;
const DROP_MIN: u64 = 32;

pub(crate) struct ScanSource {
    scanner: Arc<dyn Scanner>,
    shares: Shares,
    filter: Option<Arc<ComputeNode>>,
    runtime_filters: Vec<FilteredColumn>,
    column_count: usize,
    batch_rows: usize,
    /// Rows wanted of those that pass the filter, and how many there were.
    limit: u64,
    passed: AtomicU64,
    counters: Arc<OperatorCounters>,
}

/// Which morsels are read.
enum Shares {
    /// All, in order: the next one.
    All(AtomicUsize),
    Given(Arc<dyn Morsels>),
}

struct FilteredColumn {
    column: usize,
    id: RuntimeFilterId,
    filter: Arc<OnceLock<RuntimeFilter>>,
}

pub(crate) struct ScanWorker {
    source: Arc<ScanSource>,
    query: Arc<Query>,
    reader: Option<Box<dyn MorselReader>>,
    trials: Vec<Trial>,
    nothing: Option<ArrayRef>,
}

/// How a worker has found a runtime filter.
#[derive(Clone, Copy, Default)]
struct Trial {
    tested: u64,
    dropped: u64,
}

impl ScanSource {
    /// # Errors
    /// Internal when the query has not opened the scan.
    pub(crate) fn new(
        query: &Query,
        pipeline: usize,
        operator: OperatorId,
        scan: &TableScan,
    ) -> Result<Self> {
        let scanner =
            query.scanners[pipeline].clone().ok_or_else(|| Error::internal("a scan was not opened"))?;
        let uses = scan.runtime_filters.iter().filter(|_| query.options.runtime_filters);
        let runtime_filters = uses.filter_map(|used| {
            let filter = query.filters.get(used.filter)?.clone();
            Some(FilteredColumn { column: used.column, id: used.filter, filter })
        });
        Ok(Self {
            scanner,
            shares: match query.ends.morsels.get(&operator) {
                None => Shares::All(AtomicUsize::new(0)),
                Some(morsels) => Shares::Given(morsels.clone()),
            },
            filter: query.prepared[pipeline].filter.clone(),
            runtime_filters: runtime_filters.collect(),
            column_count: scan.projection.len(),
            batch_rows: query.options.batch_rows,
            limit: scan.limit.unwrap_or(u64::MAX),
            passed: AtomicU64::new(0),
            counters: query.counters.of(operator),
        })
    }

    pub(crate) fn parts(&self) -> usize {
        self.scanner.morsels().len()
    }

    pub(crate) fn rows(&self) -> u64 {
        self.scanner.morsels().iter().map(|morsel| morsel.rows).sum()
    }

    /// Whether a worker may have to wait.
    pub(crate) fn may_wait(&self) -> bool {
        matches!(self.shares, Shares::Given(_)) || !self.runtime_filters.is_empty()
    }

    /// The next morsel that runtime filters do not rule out.
    fn poll_morsel(&self, query: &Query, context: &mut Context<'_>) -> Poll<Result<Option<&Morsel>>> {
        loop {
            let Some(morsel) = ready!(self.poll_share(query, context))? else { return Poll::Ready(Ok(None)) };
            if self.may_pass(morsel) {
                self.counters.morsels.fetch_add(1, Relaxed);
                return Poll::Ready(Ok(Some(morsel)));
            }
            self.counters.morsels_pruned.fetch_add(1, Relaxed);
            query.rows_passed.fetch_add(morsel.rows, Relaxed);
        }
    }

    fn poll_share(&self, query: &Query, context: &mut Context<'_>) -> Poll<Result<Option<&Morsel>>> {
        let morsels = self.scanner.morsels();
        let given = match &self.shares {
            Shares::All(next) => return Poll::Ready(Ok(morsels.get(next.fetch_add(1, Relaxed)))),
            Shares::Given(given) => given,
        };
        let Some(position) = ready!(given.poll_next(context))? else { return Poll::Ready(Ok(None)) };
        let morsel = morsels.get(position).ok_or_else(|| {
            Error::internal(format!("part {position} of a scan that has {} parts here", morsels.len()))
        })?;
        query.rows_handed.fetch_add(morsel.rows, Relaxed);
        Poll::Ready(Ok(Some(morsel)))
    }

    fn may_pass(&self, morsel: &Morsel) -> bool {
        self.runtime_filters.iter().all(|used| match used.filter.get().map(RuntimeFilter::bounds) {
            None => true,
            Some(None) => false,
            Some(Some((min, max))) => self.scanner.may_contain(morsel, used.column, min, max),
        })
    }
}

impl ScanWorker {
    pub(crate) fn new(source: Arc<ScanSource>, query: Arc<Query>) -> Self {
        let trials = vec![Trial::default(); source.runtime_filters.len()];
        Self { source, query, reader: None, trials, nothing: None }
    }

    /// Filters a batch of `rows` rows and reads its columns.
    fn batch(&mut self, rows: usize) -> Result<Chunk> {
        let mut batch = self.unread(rows);
        if let Some(filter) = self.source.filter.clone() {
            filter.inputs.iter().try_for_each(|&column| self.read(&mut batch, column))?;
            if let Some(positions) = filter.filter(&mut batch.chunk)? {
                batch.narrow(positions)?;
            }
        }
        if self.source.limit < u64::MAX {
            self.limit(&mut batch)?;
        }
        for index in 0..self.source.runtime_filters.len() {
            if batch.chunk.rows == 0 {
                break;
            }
            self.apply(&mut batch, index)?;
        }
        if batch.chunk.rows == 0 {
            return Ok(Chunk::new(0, vec![]));
        }
        (0..self.source.column_count).try_for_each(|column| self.read(&mut batch, column))?;
        Ok(batch.chunk)
    }

    fn unread(&mut self, rows: usize) -> Batch {
        let nothing = match &self.nothing {
            Some(nothing) if nothing.len() == rows => nothing.clone(),
            _ => Arc::new(NullArray::new(rows)),
        };
        self.nothing = Some(nothing.clone());
        let columns = vec![Column::new(nothing); self.source.column_count];
        Batch { rows, is_read: vec![false; columns.len()], chunk: Chunk::new(rows, columns) }
    }

    /// Reads a column for the rows that are still wanted, if that has not been done.
    fn read(&mut self, batch: &mut Batch, column: usize) -> Result<()> {
        if std::mem::replace(&mut batch.is_read[column], true) {
            return Ok(());
        }
        let Some(reader) = &mut self.reader else {
            return Err(Error::internal("a batch without its reader"));
        };
        let target = &mut batch.chunk.columns[column];
        *target = match target.indices.take() {
            None => Column::new(reader.column(column)?),
            Some(wanted) => match wanted.as_selection() {
                Some(selection) if selection.len() * SELECTED_READ < batch.rows => {
                    Column::new(reader.column_selected(column, selection)?)
                }
                _ => Column::selected(reader.column(column)?, &wanted),
            },
        };
        Ok(())
    }

    fn limit(&self, batch: &mut Batch) -> Result<()> {
        let before = self.source.passed.fetch_add(batch.chunk.rows as u64, Relaxed);
        let wanted = self.source.limit.saturating_sub(before);
        if wanted < batch.chunk.rows as u64 {
            batch.narrow((0..wanted as u32).collect())?;
        }
        Ok(())
    }

    fn apply(&mut self, batch: &mut Batch, index: usize) -> Result<()> {
        let source = self.source.clone();
        let used = &source.runtime_filters[index];
        let Some(filter) = used.filter.get() else { return Ok(()) };
        let trial = self.trials[index];
        if trial.tested > TRIAL_ROWS && trial.dropped * DROP_MIN < trial.tested {
            return Ok(());
        }
        self.read(batch, used.column)?;
        let rows = batch.chunk.rows;
        let survivors = filter.survivors(&batch.chunk.columns[used.column]);
        let dropped = survivors.as_ref().map_or(0, |survivors| rows - survivors.len()) as u64;
        self.trials[index].tested += rows as u64;
        self.trials[index].dropped += dropped;
        source.counters.rows_filtered.fetch_add(dropped, Relaxed);
        survivors.map_or(Ok(()), |survivors| batch.narrow(survivors))
    }
}

/// A batch being read. A column that has not been read holds no values, but the rows that are still wanted.
struct Batch {
    /// Rows of the batch in the file.
    rows: usize,
    chunk: Chunk,
    is_read: Vec<bool>,
}

impl Batch {
    /// Keeps the rows at `positions` of those that are there.
    fn narrow(&mut self, positions: Vec<u32>) -> Result<()> {
        if positions.len() < self.chunk.rows {
            self.chunk = self.chunk.select(&Indices::ascending(positions))?;
        }
        Ok(())
    }
}

impl SourceWorker for ScanWorker {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let source = self.source.clone();
        loop {
            if source.passed.load(Relaxed) >= source.limit {
                return Poll::Ready(Ok(None));
            }
            let reader = match &mut self.reader {
                Some(reader) => reader,
                None => {
                    if !source.runtime_filters.is_empty() {
                        let filters = source.runtime_filters.iter().map(|used| used.id);
                        ready!(self.query.filters.poll(filters, context));
                    }
                    match ready!(source.poll_morsel(&self.query, context))? {
                        Some(morsel) => self.reader.insert(source.scanner.read(morsel)?),
                        None => return Poll::Ready(Ok(None)),
                    }
                }
            };
            let rows = reader.next_batch(source.batch_rows)?;
            if rows == 0 {
                self.reader = None;
                continue;
            }
            self.query.rows_scanned.fetch_add(rows as u64, Relaxed);
            self.query.rows_passed.fetch_add(rows as u64, Relaxed);
            source.counters.rows_in.fetch_add(rows as u64, Relaxed);
            return Poll::Ready(self.batch(rows).map(Some));
        }
    }
}
