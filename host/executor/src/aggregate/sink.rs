//! One worker's groups, while rows come.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, new_empty_array};
use nyala_pipeline::pipeline::LibraryInput;
use nyala_pipeline::state::AggregateSpec;
use nyala_pipeline::{GroupAccumulator, Library};
use nyala_schema::{Error, Result};

use crate::aggregate::groups::Groups;
use crate::aggregate::records::Records;
use crate::aggregate::slots::Slots;
use crate::aggregate::state::AggregateState;
use crate::code::ComputeNode;
use crate::column::Chunk;
use crate::memory::Reservation;
use crate::run::Query;
use crate::state::{SinkWorker, data_types};

/// A table with more groups than this no longer fits a core's cache. It is put aside, for another one to be begun,
/// when it has not brought together at least `FLUSH_ROWS_PER_GROUP` rows in each group: merging the parts partition by
/// partition is faster then than missing the cache for every row.
const FLUSH_GROUPS: usize = 131_072;
const FLUSH_ROWS_PER_GROUP: u64 = 2;

pub(crate) struct AggregateSink {
    state: Arc<AggregateState>,
    query: Arc<Query>,
    keys: Vec<usize>,
    update: Option<Arc<ComputeNode>>,
    library: Vec<LibraryInput>,
    table: Option<WorkerTable>,
    slots: Slots,
    /// Of the rows of the last chunk.
    groups: Vec<u32>,
}

/// The groups that one worker has seen.
pub(crate) struct WorkerTable {
    /// `None` without keys: there is one group.
    pub(crate) keys: Option<Groups>,
    pub(crate) records: Records,
    pub(crate) accumulators: Vec<Box<dyn GroupAccumulator>>,
    pub(crate) reservation: Option<Reservation>,
    rows: u64,
}

impl WorkerTable {
    /// # Errors
    /// Unsupported key types; those of the library.
    pub(crate) fn new(spec: &AggregateSpec, library: &dyn Library, reservation: Reservation) -> Result<Self> {
        let keys = match spec.key_types.as_slice() {
            [] => None,
            types => Some(Groups::new(&data_types(types))?),
        };
        let mut table = Self {
            keys,
            records: Records::new(&spec.initial)?,
            accumulators: accumulators(spec, library)?,
            reservation: Some(reservation),
            rows: 0,
        };
        table.records.grow(table.len());
        Ok(table)
    }

    pub(crate) fn len(&self) -> usize {
        self.keys.as_ref().map_or(1, Groups::len)
    }

    fn is_to_be_flushed(&self) -> bool {
        let Some(keys) = &self.keys else { return false };
        keys.len() > FLUSH_GROUPS && !keys.is_direct() && self.rows < FLUSH_ROWS_PER_GROUP * keys.len() as u64
    }

    fn account(&mut self, others: usize) -> Result<()> {
        let keys = self.keys.as_ref().map_or(0, Groups::size);
        let accumulators: usize = self.accumulators.iter().map(|accumulator| accumulator.size()).sum();
        let bytes = keys + self.records.size() + accumulators + others;
        self.reservation.as_mut().map_or(Ok(()), |reservation| reservation.set(bytes as u64))
    }

    /// Hands the account of the table's memory over to who takes it apart.
    pub(crate) fn split_reservation(&mut self) -> Option<Reservation> {
        self.reservation.take()
    }
}

/// Accumulators without rows; without keys they know their one group.
pub(crate) fn accumulators(
    spec: &AggregateSpec,
    library: &dyn Library,
) -> Result<Vec<Box<dyn GroupAccumulator>>> {
    spec.library
        .iter()
        .map(|aggregate| {
            let mut accumulator = library.accumulator(aggregate)?;
            if spec.key_types.is_empty() {
                let empty = |types| data_types(types).iter().map(new_empty_array).collect::<Vec<_>>();
                let (arguments, order) = (empty(&aggregate.argument_types), empty(&aggregate.order_types));
                accumulator.update(&arguments, &order, &[], 1, None)?;
            }
            Ok(accumulator)
        })
        .collect()
}

impl AggregateSink {
    pub(crate) fn new(
        state: Arc<AggregateState>,
        query: Arc<Query>,
        keys: &[usize],
        update: Option<Arc<ComputeNode>>,
        library: &[LibraryInput],
        table: WorkerTable,
    ) -> Self {
        Self {
            state,
            query,
            keys: keys.to_vec(),
            update,
            library: library.to_vec(),
            table: Some(table),
            slots: Slots::default(),
            groups: Vec::new(),
        }
    }

    /// Fills `groups`; there are none without keys.
    fn find_groups(&mut self, chunk: &mut Chunk, table: &mut WorkerTable) -> Result<()> {
        self.groups.clear();
        if let Some(keys) = &mut table.keys {
            let columns = chunk.materialise_all(&self.keys)?;
            if !self.slots.find(&columns, keys, &mut self.groups)? {
                keys.find(&columns, &mut self.groups)?;
            }
            let len = keys.len();
            table.records.grow(len);
        }
        Ok(())
    }

    fn accumulate(&mut self, chunk: &mut Chunk, table: &mut WorkerTable) -> Result<()> {
        let count = table.len();
        if table.keys.is_none() && !self.library.is_empty() {
            self.groups.resize(chunk.rows, 0);
        }
        for (input, accumulator) in self.library.iter().zip(&mut table.accumulators) {
            let arguments = plain(chunk.materialise_all(&input.arguments)?)?;
            let order_by = plain(chunk.materialise_all(&input.order_by)?)?;
            let filter: Option<ArrayRef> = input.filter.map(|index| chunk.materialise(index)).transpose()?;
            let filter: Option<&BooleanArray> = filter.as_ref().and_then(|filter| filter.as_boolean_opt());
            accumulator.update(&arguments, &order_by, &self.groups, count, filter)?;
        }
        Ok(())
    }
}

/// The library knows no dictionaries.
fn plain(arrays: Vec<ArrayRef>) -> Result<Vec<ArrayRef>> {
    arrays.iter().map(crate::column::dictionary::unpack).collect()
}

impl SinkWorker for AggregateSink {
    fn consume(&mut self, mut chunk: Chunk) -> Result<()> {
        let Some(mut table) = self.table.take() else { return Err(Error::internal("a row after the end")) };
        self.find_groups(&mut chunk, &mut table)?;
        if let Some(update) = &self.update {
            let stride = table.records.stride();
            let groups = table.keys.is_some().then_some(self.groups.as_slice());
            update.update(&mut chunk, groups, table.records.bytes_mut(), stride)?;
        }
        self.accumulate(&mut chunk, &mut table)?;
        table.rows += chunk.rows as u64;
        table.account(self.slots.size())?;
        if table.is_to_be_flushed() {
            self.slots = Slots::default();
            let mut next = self.state.table(&self.query)?;
            next.keys.iter_mut().for_each(|keys| keys.reserve(FLUSH_GROUPS));
            self.state.absorb(std::mem::replace(&mut table, next));
        }
        self.table = Some(table);
        Ok(())
    }

    fn finish(&mut self) -> Result<()> {
        self.slots = Slots::default();
        if let Some(table) = self.table.take() {
            self.state.absorb(table);
        }
        Ok(())
    }
}
