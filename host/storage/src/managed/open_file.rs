//! A data file that is being written: row groups come from several threads and are put in order.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use nyala_schema::bound::Bound;
use nyala_schema::id::FileId;
use nyala_schema::managed::{DataFile, FileColumn, FileContent, FileStatistics};
use nyala_schema::{Error, Result, Value};
use parquet::errors::ParquetError;
use parquet::file::writer::SerializedFileWriter;

use super::bounds::{cut_above, cut_below};
use super::encode::EncodedColumn;
use super::target::Target;
use super::warehouse::WarehouseFile;
use crate::prune::Bounds;

/// One row group.
pub struct EncodedGroup {
    pub columns: Vec<EncodedColumn>,
    pub rows: usize,
}

pub struct OpenFile {
    target: Arc<Target>,
    /// In the order in which files of the statement were begun.
    number: usize,
    path: String,
    partition: Vec<Value>,
    /// Bytes of the row groups that are encoded.
    encoded: AtomicU64,
    /// How many these are.
    encoded_groups: AtomicU64,
    state: Mutex<State>,
}

struct State {
    /// Made with the first row group; `None` again when the file is finished.
    writer: Option<SerializedFileWriter<Output>>,
    waiting: BTreeMap<usize, EncodedGroup>,
    /// Row groups that are written.
    written: usize,
    /// Row groups that there will be, once it is known.
    total: Option<usize>,
    row_groups: Vec<u32>,
    columns: Vec<Bounds>,
}

/// A file that is finished, with its number.
pub type Finished = (usize, DataFile);

impl OpenFile {
    pub fn new(target: &Arc<Target>, number: usize, partition: Vec<Value>) -> Self {
        Self {
            target: Arc::clone(target),
            number,
            path: target.warehouse.new_name("parquet"),
            partition,
            encoded: AtomicU64::new(0),
            encoded_groups: AtomicU64::new(0),
            state: Mutex::new(State {
                writer: None,
                waiting: BTreeMap::new(),
                written: 0,
                total: None,
                row_groups: Vec::new(),
                columns: Vec::new(),
            }),
        }
    }

    /// Bytes of the row groups that are encoded.
    pub fn encoded_bytes(&self) -> u64 {
        self.encoded.load(Ordering::Relaxed)
    }

    pub fn encoded_groups(&self) -> u64 {
        self.encoded_groups.load(Ordering::Relaxed)
    }

    /// Takes a row group by its number in the file; gives the file when it was the last one.
    ///
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull.
    pub fn put(&self, number: usize, group: EncodedGroup) -> Result<Option<Finished>> {
        let bytes: u64 = group.columns.iter().map(EncodedColumn::bytes).sum();
        self.encoded.fetch_add(bytes, Ordering::Relaxed);
        self.encoded_groups.fetch_add(1, Ordering::Relaxed);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.waiting.insert(number, group);
        loop {
            let next = state.written;
            let Some(group) = state.waiting.remove(&next) else { break };
            self.append(&mut state, group)?;
        }
        self.finish_if_whole(state)
    }

    /// Says how many row groups there are; gives the file when all are written.
    ///
    /// # Errors
    /// As `put`.
    pub fn end(&self, total: usize) -> Result<Option<Finished>> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.total = Some(total);
        self.finish_if_whole(state)
    }

    fn append(&self, state: &mut State, group: EncodedGroup) -> Result<()> {
        let writer = match &mut state.writer {
            Some(writer) => writer,
            none => none.insert(self.begin()?),
        };
        let mut target = writer.next_row_group().map_err(typed)?;
        state.columns.resize_with(group.columns.len(), Bounds::default);
        for (column, known) in group.columns.into_iter().zip(&mut state.columns) {
            let first = state.written == 0;
            let bounds = column.bounds.clone();
            *known = if first { bounds } else { joined(std::mem::take(known), bounds) };
            column.append_to(&mut target).map_err(typed)?;
        }
        target.close().map_err(typed)?;
        state
            .row_groups
            .push(u32::try_from(group.rows).map_err(|_| Error::internal("a row group is too large"))?);
        state.written += 1;
        Ok(())
    }

    fn begin(&self) -> Result<SerializedFileWriter<Output>> {
        let target = &self.target;
        let output = Output { file: target.warehouse.create(target.table, &self.path)?, bytes: 0 };
        let root = target.descriptor.root_schema_ptr();
        SerializedFileWriter::new(output, root, Arc::clone(&target.parquet)).map_err(typed)
    }

    /// Nothing is locked while the file is made durable.
    fn finish_if_whole(&self, mut state: std::sync::MutexGuard<'_, State>) -> Result<Option<Finished>> {
        if state.total != Some(state.written) {
            return Ok(None);
        }
        let Some(writer) = state.writer.take() else { return Ok(None) };
        let row_groups = std::mem::take(&mut state.row_groups);
        let columns = std::mem::take(&mut state.columns);
        drop(state);
        let output = writer.into_inner().map_err(typed)?;
        let size = output.bytes;
        output.file.finish()?;
        let rows = row_groups.iter().map(|rows| u64::from(*rows)).sum();
        let content =
            FileContent::Parquet { path: self.path.as_str().into(), size, row_groups: row_groups.into() };
        let statistics = statistics_of(&self.target, columns);
        let partition = self.partition.clone();
        let file =
            DataFile { id: FileId(0), added_in: 0, content, rows, partition, statistics, deletions: None };
        Ok(Some((self.number, file)))
    }
}

/// What is known of two parts of a column together.
fn joined(left: Bounds, right: Bounds) -> Bounds {
    let both = |left: Option<Bound>,
                right: Option<Bound>,
                all_null: (bool, bool),
                pick: fn(Bound, Bound) -> Option<Bound>| {
        match (left, right) {
            (Some(left), Some(right)) => pick(left, right),
            (Some(one), None) if all_null.1 => Some(one),
            (None, Some(one)) if all_null.0 => Some(one),
            _ => None,
        }
    };
    let all_null = (left.nulls == Some(left.rows), right.nulls == Some(right.rows));
    Bounds {
        min: both(left.min, right.min, all_null, Bound::least),
        max: both(left.max, right.max, all_null, Bound::greatest),
        nulls: left.nulls.zip(right.nulls).map(|(left, right)| left + right),
        rows: left.rows + right.rows,
    }
}

/// The statistics of the columns of a file, in their order.
pub fn statistics_of(target: &Target, columns: Vec<Bounds>) -> FileStatistics {
    let columns: Vec<FileColumn> = target
        .shape
        .columns
        .iter()
        .zip(columns)
        .map(|(column, bounds)| FileColumn {
            id: column.id,
            min: bounds.min.map(cut_below),
            max: bounds.max.map(cut_above),
            // What is not known may be any row.
            nulls: bounds.nulls.unwrap_or(bounds.rows),
        })
        .collect();
    FileStatistics::of(&columns)
}

/// Counts what the Parquet writer writes, and keeps errors typed.
struct Output {
    file: WarehouseFile,
    bytes: u64,
}

impl io::Write for Output {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes).map_err(io::Error::other)?;
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The error of the warehouse that is inside one of the Parquet writer.
fn typed(error: ParquetError) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(at) = cause {
        if let Some(ours) = at.downcast_ref::<Error>() {
            return ours.clone();
        }
        let inner = at.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        cause = match inner {
            Some(inner) => Some(inner),
            None => at.source(),
        };
    }
    Error::internal(format!("a Parquet file cannot be written: {error}"))
}
