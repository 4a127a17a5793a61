//! An aggregate between its pipelines: the tables of the workers, then the result rows.

use std::sync::{Arc, Mutex};

use nyala_pipeline::Library;
use nyala_pipeline::pipeline::LibraryInput;
use nyala_pipeline::state::AggregateSpec;
use nyala_schema::id::OperatorId;
use nyala_schema::{Error, Result};

use crate::aggregate::finish::CompleteTable;
use crate::aggregate::merge::{Part, Split, merge};
use crate::aggregate::sink::{AggregateSink, WorkerTable};
use crate::code::ComputeNode;
use crate::column::size::bytes_of_all;
use crate::keep::{Piece, ResultRows};
use crate::lock::lock;
use crate::memory::Reservation;
use crate::run::Query;
use crate::state::Stage;

/// Result rows made by one job.
const FINISH_GROUPS: u32 = 65_536;

pub(crate) struct AggregateState {
    operator: OperatorId,
    spec: AggregateSpec,
    progress: Mutex<Progress>,
}

#[derive(Default)]
struct Progress {
    tables: Vec<WorkerTable>,
    /// Of the tables, kept until the results stand in their place.
    reservations: Vec<Reservation>,
    split: Option<Split>,
    parts: Vec<Part>,
    /// The one table there is.
    complete: Option<Arc<CompleteTable>>,
    /// By job, so that rows come in the same order however the jobs were run.
    pieces: Vec<Option<Piece>>,
    rows: Option<Arc<ResultRows>>,
}

impl AggregateState {
    pub(crate) fn new(operator: OperatorId, spec: &AggregateSpec) -> Arc<Self> {
        Arc::new(Self { operator, spec: spec.clone(), progress: Mutex::default() })
    }

    /// # Errors
    /// Unsupported key types; those of the library.
    pub(crate) fn sink(
        self: &Arc<Self>,
        query: &Arc<Query>,
        keys: &[usize],
        update: Option<Arc<ComputeNode>>,
        inputs: &[LibraryInput],
    ) -> Result<AggregateSink> {
        let table = self.table(query)?;
        Ok(AggregateSink::new(self.clone(), query.clone(), keys, update, inputs, table))
    }

    /// A table without groups.
    pub(crate) fn table(&self, query: &Query) -> Result<WorkerTable> {
        WorkerTable::new(&self.spec, query.library.as_ref(), query.memory.reserve(self.operator))
    }

    pub(crate) fn absorb(&self, table: WorkerTable) {
        // A worker without rows adds nothing; without keys one table is needed all the same.
        let mut progress = lock(&self.progress);
        if table.len() > 0 || progress.tables.is_empty() {
            progress.tables.retain(|other| other.len() > 0);
            progress.tables.push(table);
        }
    }

    /// One table: its accumulators finished, then rows made range by range. Several: readied, then merged and
    /// finished partition by partition.
    pub(crate) fn stage(self: &Arc<Self>, query: &Arc<Query>, number: usize) -> Result<Stage> {
        let is_merged = lock(&self.progress).split.is_some();
        let stage = match (number, is_merged) {
            (0, _) => return Ok(self.ready_stage()),
            (1, false) => self.finish_stage(),
            (1, true) => self.merge_stage(query),
            _ => vec![],
        };
        if stage.is_empty() {
            self.complete()?;
        }
        Ok(stage)
    }

    fn ready_stage(self: &Arc<Self>) -> Stage {
        let mut tables = std::mem::take(&mut lock(&self.progress).tables);
        if tables.len() < 2 {
            let this = self.clone();
            return vec![Box::new(move || tables.pop().map_or(Ok(()), |table| this.ready_one(table)))];
        }
        let split = Split::of(&tables);
        lock(&self.progress).split = Some(split);
        tables
            .into_iter()
            .map(|mut table| {
                let this = self.clone();
                Box::new(move || {
                    let reservation = table.split_reservation();
                    let part = Part::new(table, split)?;
                    let mut progress = lock(&this.progress);
                    progress.reservations.extend(reservation);
                    progress.parts.push(part);
                    Ok(())
                }) as Box<dyn FnOnce() -> Result<()> + Send>
            })
            .collect()
    }

    fn ready_one(&self, mut table: WorkerTable) -> Result<()> {
        let reservation = table.split_reservation();
        let library = table.accumulators.iter_mut().map(|a| a.finish()).collect::<Result<Vec<_>>>()?;
        let complete = CompleteTable { keys: table.keys, records: table.records, library };
        let mut progress = lock(&self.progress);
        progress.reservations.extend(reservation);
        progress.complete = Some(Arc::new(complete));
        Ok(())
    }

    fn finish_stage(self: &Arc<Self>) -> Stage {
        let mut progress = lock(&self.progress);
        let Some(table) = progress.complete.clone() else { return vec![] };
        let groups = table.len() as u32;
        let ranges: Vec<u32> = (0..groups).step_by(FINISH_GROUPS as usize).collect();
        progress.pieces = ranges.iter().map(|_| None).collect();
        let job = |(index, start): (usize, u32)| {
            let (this, table) = (self.clone(), table.clone());
            Box::new(move || {
                let end = groups.min(start.saturating_add(FINISH_GROUPS));
                this.add(index, table.finish(&this.spec, start..end)?);
                Ok(())
            }) as Box<dyn FnOnce() -> Result<()> + Send>
        };
        ranges.into_iter().enumerate().map(job).collect()
    }

    fn merge_stage(self: &Arc<Self>, query: &Arc<Query>) -> Stage {
        let mut progress = lock(&self.progress);
        let Some(split) = progress.split else { return vec![] };
        let parts = Arc::new(std::mem::take(&mut progress.parts));
        progress.pieces = (0..split.partitions()).map(|_| None).collect();
        let job = |number: usize| {
            let (this, parts, library) = (self.clone(), parts.clone(), query.library.clone());
            Box::new(move || this.merge(&parts, split, number, library.as_ref()))
                as Box<dyn FnOnce() -> Result<()> + Send>
        };
        (0..split.partitions()).map(job).collect()
    }

    fn merge(&self, parts: &[Part], split: Split, number: usize, library: &dyn Library) -> Result<()> {
        let table = merge(&self.spec, library, parts, split, number)?;
        self.add(number, table.finish(&self.spec, 0..table.len() as u32)?);
        Ok(())
    }

    fn add(&self, index: usize, piece: Piece) {
        lock(&self.progress).pieces[index] = Some(piece);
    }

    fn complete(&self) -> Result<()> {
        let mut progress = lock(&self.progress);
        let pieces: Vec<Piece> = std::mem::take(&mut progress.pieces).into_iter().flatten().collect();
        progress.complete = None;
        let bytes = pieces.iter().map(|piece| bytes_of_all(&piece.columns)).sum();
        // The tables are gone: what they had is given back but for the results.
        progress.reservations.truncate(1);
        if let Some(reservation) = progress.reservations.first_mut() {
            reservation.set(bytes)?;
        }
        progress.rows = Some(Arc::new(ResultRows { pieces }));
        Ok(())
    }

    /// # Errors
    /// Internal when they are not complete.
    pub(crate) fn rows(&self) -> Result<Arc<ResultRows>> {
        let rows = lock(&self.progress).rows.clone();
        rows.ok_or_else(|| Error::internal("an aggregate is read before it is complete"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.progress) = Progress::default();
    }
}
