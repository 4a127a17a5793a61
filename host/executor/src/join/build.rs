//! The build side of a join: rows are kept, then the table that suits the keys is made.

use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, OnceLock};

use arrow::array::{Array, ArrayRef};
use nyala_pipeline::state::JoinSpec;
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, Result};

use crate::join::hashed::{Entry, Hashed, Partition};
use crate::join::index::Index;
use crate::join::keys::KeyScheme;
use crate::join::packing::NO_CODE;
use crate::join::radix::{partition_bits, scatter};
use crate::join::runtime_filter::RuntimeFilter;
use crate::join::table::JoinTable;
use crate::keep::Kept;
use crate::keep::collect::CollectSink;
use crate::lock::lock;
use crate::memory::Reservation;
use crate::run::Query;
use crate::state::{Stage, data_types};

/// The union of filters that are sent holds the keys of all instances.
const ROOM_WHERE_SENT: usize = 4;

pub(crate) struct JoinState {
    spec: JoinSpec,
    /// Whether build rows are looked at beyond their keys: then semi-joins, too, need to know which rows match.
    needs_rows: bool,
    /// Keys, then payload.
    kept: Arc<Kept>,
    filters: Vec<Filter>,
    reservation: Mutex<Option<Reservation>>,
    build: Mutex<Build>,
    table: Mutex<Option<Arc<JoinTable>>>,
}

struct Filter {
    id: RuntimeFilterId,
    key: usize,
    slot: Arc<OnceLock<RuntimeFilter>>,
}

/// The table while it is being made.
#[derive(Default)]
struct Build {
    scheme: Option<KeyScheme>,
    codes: Arc<Vec<u64>>,
    index: Option<Index>,
    null_rows: Vec<u32>,
    /// By part of the rows, then by partition.
    scattered: Vec<Vec<Vec<Entry>>>,
    partitions: Vec<Option<Partition>>,
}

impl JoinState {
    /// # Errors
    /// Unsupported for null-aware joins over several keys.
    pub(crate) fn new(spec: &JoinSpec, has_residual: bool, reservation: Reservation) -> Result<Arc<Self>> {
        if spec.null_aware && (spec.key_types.len() != 1 || spec.kind != JoinKind::ProbeAnti) {
            return Err(Error::unsupported("NOT IN over several columns cannot be run yet"));
        }
        let types = spec.key_types.iter().chain(&spec.payload_types).cloned().collect::<Vec<_>>();
        let filters =
            spec.runtime_filters.iter().map(|(id, key)| Filter { id: *id, key: *key, slot: Arc::default() });
        let only_probe = matches!(spec.kind, JoinKind::ProbeSemi | JoinKind::ProbeAnti | JoinKind::ProbeMark);
        Ok(Arc::new(Self {
            spec: spec.clone(),
            needs_rows: has_residual || !only_probe,
            kept: Kept::new(data_types(&types)),
            filters: filters.collect(),
            reservation: Mutex::new(Some(reservation)),
            build: Mutex::default(),
            table: Mutex::default(),
        }))
    }

    pub(crate) fn kind(&self) -> JoinKind {
        self.spec.kind
    }

    pub(crate) fn is_null_aware(&self) -> bool {
        self.spec.null_aware
    }

    pub(crate) fn sink(&self, columns: &[usize], reservation: Reservation) -> CollectSink {
        CollectSink::new(&self.kept, columns, reservation)
    }

    pub(crate) fn runtime_filters(&self) -> Vec<(RuntimeFilterId, Arc<OnceLock<RuntimeFilter>>)> {
        self.filters.iter().map(|filter| (filter.id, filter.slot.clone())).collect()
    }

    /// # Errors
    /// Internal when it has not been built.
    pub(crate) fn table(&self) -> Result<Arc<JoinTable>> {
        lock(&self.table).clone().ok_or_else(|| Error::internal("a join is probed before it is built"))
    }

    pub(crate) fn release(&self) {
        *lock(&self.table) = None;
        *lock(&self.build) = Build::default();
        *lock(&self.reservation) = None;
        self.kept.release();
    }

    /// Columns put together; then the table, unless it is large and has to be hashed: entries split up; then the
    /// partitions built.
    pub(crate) fn stage(self: &Arc<Self>, query: &Arc<Query>, number: usize) -> Result<Stage> {
        let number = if self.kept.column_count() == 0 { number + 1 } else { number };
        match number {
            0 => return Ok(self.kept.concat_stage()),
            1 => return Ok(self.index_stage(query)),
            2 if lock(&self.build).index.is_none() => return Ok(self.scatter_stage(query.threads)),
            3 if lock(&self.build).index.is_none() => return Ok(self.partition_stage()),
            _ => {}
        }
        self.complete()?;
        Ok(vec![])
    }

    fn keys(&self) -> Result<Vec<ArrayRef>> {
        let mut columns = self.kept.columns()?;
        columns.truncate(self.spec.key_types.len());
        Ok(columns)
    }

    fn index_stage(self: &Arc<Self>, query: &Arc<Query>) -> Stage {
        let this = self.clone();
        let mut stage: Stage = vec![Box::new(move || this.index())];
        for index in 0..self.filters.len() {
            let (this, query) = (self.clone(), query.clone());
            stage.push(Box::new(move || this.publish(index, &query)));
        }
        stage
    }

    /// Makes a filter known to the scans of the instance, and to other instances; to those also when there is none.
    fn publish(&self, index: usize, query: &Query) -> Result<()> {
        let filter = &self.filters[index];
        let room = if query.ends.filters.is_some() { ROOM_WHERE_SENT } else { 1 };
        let made = match self.keys()?.get(filter.key) {
            Some(key) if !self.spec.null_equals_null => RuntimeFilter::of(key, room),
            _ => None,
        };
        if let Some(sink) = &query.ends.filters {
            sink.made(filter.id, made.as_ref().map(RuntimeFilter::to_bytes).unwrap_or_default());
        }
        if let Some(made) = made {
            _ = filter.slot.set(made);
        }
        Ok(())
    }

    fn index(&self) -> Result<()> {
        let keys = self.keys()?;
        let rows = self.kept.rows();
        let (scheme, codes) = KeyScheme::of(&keys, rows, self.spec.null_equals_null)?;
        let valid = codes.iter().filter(|&&code| code != NO_CODE).count();
        let domain = match &scheme {
            KeyScheme::Packed(packing) => packing.domain(),
            KeyScheme::Bytes(_) => u64::MAX,
        };
        let index = match Index::dense(&codes, domain, valid, self.needs_rows) {
            None if partition_bits(valid) == 0 => {
                let entries = scatter(&codes, 0, 0);
                Some(Index::Hashed(Hashed::new(vec![Partition::build(&[&entries[0]], 0)])))
            }
            dense => dense,
        };
        let null_rows = match keys.first() {
            Some(key) if self.spec.null_aware => null_rows(key),
            _ => vec![],
        };
        let mut build = lock(&self.build);
        (build.scheme, build.codes, build.index) = (Some(scheme), Arc::new(codes), index);
        build.null_rows = null_rows;
        Ok(())
    }

    fn scatter_stage(self: &Arc<Self>, threads: usize) -> Stage {
        let codes = lock(&self.build).codes.clone();
        let bits = partition_bits(codes.len());
        let part = codes.len().div_ceil(threads.max(1));
        (0..codes.len())
            .step_by(part)
            .map(|first| {
                let (this, codes) = (self.clone(), codes.clone());
                Box::new(move || {
                    let end = (first + part).min(codes.len());
                    let scattered = scatter(&codes[first..end], first, bits);
                    lock(&this.build).scattered.push(scattered);
                    Ok(())
                }) as Box<dyn FnOnce() -> Result<()> + Send>
            })
            .collect()
    }

    fn partition_stage(self: &Arc<Self>) -> Stage {
        let mut build = lock(&self.build);
        let bits = partition_bits(build.codes.len());
        let parts = Arc::new(std::mem::take(&mut build.scattered));
        build.partitions = (0..1 << bits).map(|_| None).collect();
        (0..1usize << bits)
            .map(|number| {
                let (this, parts) = (self.clone(), parts.clone());
                Box::new(move || {
                    let groups: Vec<&[Entry]> = parts.iter().map(|part| part[number].as_slice()).collect();
                    let partition = Partition::build(&groups, bits);
                    lock(&this.build).partitions[number] = Some(partition);
                    Ok(())
                }) as Box<dyn FnOnce() -> Result<()> + Send>
            })
            .collect()
    }

    fn complete(&self) -> Result<()> {
        let build = std::mem::take(&mut *lock(&self.build));
        let missing = || Error::internal("a join was not built");
        let index = match build.index {
            Some(index) => index,
            None => Index::Hashed(Hashed::new(
                build.partitions.into_iter().collect::<Option<Vec<_>>>().ok_or_else(missing)?,
            )),
        };
        let scheme = build.scheme.ok_or_else(missing)?;
        let rows = self.kept.rows();
        let flags = if self.spec.kind.emits_build_rows() { rows } else { 0 };
        if let Some(mut reservation) = lock(&self.reservation).take() {
            reservation.grow((index.size() + scheme.size() + flags) as u64)?;
            self.kept.hold(reservation);
        }
        let payload = self.kept.columns()?.split_off(self.spec.key_types.len());
        let matched = (0..flags).map(|_| AtomicBool::new(false)).collect();
        let table = JoinTable { scheme, index, rows, payload, matched, null_rows: build.null_rows };
        *lock(&self.table) = Some(Arc::new(table));
        Ok(())
    }
}

fn null_rows(key: &ArrayRef) -> Vec<u32> {
    match key.logical_nulls() {
        None => vec![],
        Some(nulls) => (0..key.len() as u32).filter(|&row| nulls.is_null(row as usize)).collect(),
    }
}
