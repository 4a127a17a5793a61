//! Rows to data files.

use std::sync::Arc;

use arrow::array::RecordBatch;
use nyala_schema::Result;
use nyala_schema::id::TableId;
use nyala_schema::managed::{ColumnSketch, DataFile, TableProperties, TableShape};

use super::inline::inline_files;
use super::lanes::{Lane, Lanes};
use super::memory::Memory;
use super::open_file::OpenFile;
use super::partition::partition_values;
use super::pool::{Job, Pool};
use super::run::GroupRows;
use super::target::{Target, row_bytes};
use super::warehouse::Warehouse;
use crate::Storage;

/// How a statement writes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteOptions {
    /// Threads that encode.
    pub threads: usize,
    /// Bytes of rows that may wait or be encoded, about. A row group has at most a fourth of them, so that with less than
    /// 128 MiB there may be fewer rows in each than is good for reading.
    pub memory_bytes: usize,
    /// Rows that a statement may keep in the catalog, at most.
    pub inline_rows: usize,
    /// Bytes of such rows, at most.
    pub inline_bytes: usize,
}

/// Takes the rows of one statement. Few rows stay as they are; more go into files, on threads of their own. Without
/// PARTITIONED BY and SORTED BY, row groups are encoded as they fill up; otherwise rows wait as long as memory allows, and
/// then those of the partition with the most become a file. Dropped before `finish`, it leaves no files.
pub struct TableWriter {
    target: Arc<Target>,
    options: WriteOptions,
    rows: u64,
    /// Rows that may stay in the catalog; later, when there are partitions, those that are not in them yet.
    waiting: Vec<RecordBatch>,
    waiting_rows: usize,
    waiting_bytes: usize,
    /// `None` while rows may stay in the catalog.
    files: Option<Files>,
}

/// What there is once rows go into files.
struct Files {
    pool: Pool,
    memory: Arc<Memory>,
    /// Files that were begun.
    begun: usize,
    layout: Layout,
}

enum Layout {
    Stream(Stream),
    Lanes(Lanes),
}

/// The file that rows go into as they come, and the row group that is filling up.
#[derive(Default)]
struct Stream {
    file: Option<Arc<OpenFile>>,
    /// Row groups of the file that were given to the pool.
    groups: usize,
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

/// What a statement wrote. Dropped without [`keep`](Self::keep), it removes the files again.
#[derive(Debug)]
pub struct Written {
    /// In the order in which they were begun; without ids.
    pub files: Vec<DataFile>,
    /// Of the files, one for each column; none for few rows.
    pub sketches: Vec<ColumnSketch>,
    pub rows: u64,
    warehouse: Warehouse,
    table: TableId,
    kept: bool,
}

/// Rows that are put into partitions together.
const PARTITION_ROWS: usize = 65_536;
/// Bytes of rows are about so many times those of their file.
const ENCODING_RATIO: u64 = 3;

impl TableWriter {
    /// # Errors
    /// Unsupported for a column whose type Parquet lacks; DatatypeMismatch for PARTITIONED BY that does not fit.
    pub fn new(
        storage: &Storage,
        table: TableId,
        shape: Arc<TableShape>,
        properties: &TableProperties,
        options: WriteOptions,
    ) -> Result<Self> {
        let target = Target::new(storage.warehouse().clone(), table, shape, properties)?;
        partition_values(&target.shape, &RecordBatch::new_empty(Arc::clone(&target.schema)))?;
        Ok(Self {
            target: Arc::new(target),
            options,
            rows: 0,
            waiting: Vec::new(),
            waiting_rows: 0,
            waiting_bytes: 0,
            files: None,
        })
    }

    /// Takes rows with the columns of the shape in order, in any physical form of their types. Waits while there is no
    /// memory for more.
    ///
    /// # Errors
    /// DatatypeMismatch, NotNullViolation; FileAccess, ReadOnly, DiskFull from files that were begun before.
    pub fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        let batch = self.target.fitted(batch)?;
        self.rows += batch.num_rows() as u64;
        if self.files.is_none() {
            self.waiting_rows += batch.num_rows();
            self.waiting_bytes += row_bytes(&batch);
            self.waiting.push(batch);
            if self.may_stay_inline() {
                return Ok(());
            }
            self.files = Some(Files::new(&self.target, &self.options)?);
            (self.waiting_rows, self.waiting_bytes) = (0, 0);
            return std::mem::take(&mut self.waiting)
                .into_iter()
                .try_for_each(|batch| self.write_to_files(batch));
        }
        self.write_to_files(batch)
    }

    fn may_stay_inline(&self) -> bool {
        !self.target.warehouse.keeps_files()
            || self.waiting_rows <= self.options.inline_rows
                && self.waiting_bytes <= self.options.inline_bytes
    }

    fn write_to_files(&mut self, batch: RecordBatch) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        if let Layout::Stream(_) = files.layout {
            return files.stream(&self.target, &self.options, batch);
        }
        let batch = self.target.unpacked(&batch)?;
        self.waiting_rows += batch.num_rows();
        self.waiting_bytes += row_bytes(&batch);
        self.waiting.push(batch);
        if self.waiting_rows < PARTITION_ROWS && self.waiting_bytes < self.options.memory_bytes / 8 {
            return Ok(());
        }
        self.fill_lanes()
    }

    fn fill_lanes(&mut self) -> Result<()> {
        let Some(files) = &mut self.files else { return Ok(()) };
        (self.waiting_rows, self.waiting_bytes) = (0, 0);
        files.fill_lanes(&self.target, &self.options, std::mem::take(&mut self.waiting))
    }

    /// Waits until everything is in durable files.
    ///
    /// # Errors
    /// FileAccess, ReadOnly, DiskFull: then there are no files.
    pub fn finish(mut self) -> Result<Written> {
        self.fill_lanes()?;
        let (files, sketches) = match self.files.take() {
            Some(files) => files.finish(&self.target)?,
            None => (inline_files(&self.target, std::mem::take(&mut self.waiting))?, vec![]),
        };
        let warehouse = self.target.warehouse.clone();
        Ok(Written { files, sketches, rows: self.rows, warehouse, table: self.target.table, kept: false })
    }
}

impl Files {
    fn new(target: &Arc<Target>, options: &WriteOptions) -> Result<Self> {
        let as_they_come = target.shape.partition_by.is_empty() && target.shape.sort_by.is_empty();
        let layout = if as_they_come {
            Layout::Stream(Stream::default())
        } else {
            Layout::Lanes(Lanes::new(&target.shape)?)
        };
        Ok(Self { pool: Pool::new(target, options.threads)?, memory: Arc::default(), begun: 0, layout })
    }

    fn begin(&mut self, target: &Arc<Target>, lane: &mut Lane) -> Arc<OpenFile> {
        self.begun += 1;
        Arc::new(OpenFile::new(target, self.begun, std::mem::take(&mut lane.partition)))
    }

    /// Adds to the row group that is filling up.
    fn stream(&mut self, target: &Arc<Target>, options: &WriteOptions, batch: RecordBatch) -> Result<()> {
        // One fills up while others, of twice its size, are encoded.
        let group_bytes_max = options.memory_bytes / 4;
        let mut start = 0;
        while start < batch.num_rows() {
            let Layout::Stream(stream) = &mut self.layout else { return Ok(()) };
            let room = target.properties.row_group_rows - stream.rows;
            let part = batch.slice(start, room.min(batch.num_rows() - start));
            start += part.num_rows();
            stream.rows += part.num_rows();
            stream.bytes += row_bytes(&part);
            stream.batches.push(part);
            if stream.rows == target.properties.row_group_rows || stream.bytes >= group_bytes_max {
                self.submit_group(target)?;
                self.memory.wait_below(options.memory_bytes / 2);
            }
        }
        Ok(())
    }

    fn submit_group(&mut self, target: &Arc<Target>) -> Result<()> {
        let Layout::Stream(stream) = &mut self.layout else { return Ok(()) };
        let file = match &stream.file {
            Some(file) => Arc::clone(file),
            None => {
                self.begun += 1;
                let file = Arc::new(OpenFile::new(target, self.begun, vec![]));
                stream.groups = 0;
                Arc::clone(stream.file.insert(file))
            }
        };
        let (number, bytes) = (stream.groups, std::mem::take(&mut stream.bytes));
        let rows = GroupRows::Plain(std::mem::take(&mut stream.batches));
        stream.rows = 0;
        stream.groups += 1;
        let charge = Some(self.memory.charge(bytes));
        self.pool.submit(Job::Group { file: Arc::clone(&file), number, rows, charge })?;
        // Before the first row group is encoded, how large it becomes can only be guessed.
        let per_group = file.encoded_bytes().checked_div(file.encoded_groups());
        let per_group = per_group.unwrap_or(bytes as u64 / ENCODING_RATIO);
        if per_group * stream.groups as u64 >= target.properties.file_bytes {
            self.end_stream()?;
        }
        Ok(())
    }

    fn end_stream(&mut self) -> Result<()> {
        let Layout::Stream(stream) = &mut self.layout else { return Ok(()) };
        if let Some(file) = stream.file.take() {
            self.pool.finished(file.end(stream.groups)?);
        }
        Ok(())
    }

    fn fill_lanes(
        &mut self,
        target: &Arc<Target>,
        options: &WriteOptions,
        batches: Vec<RecordBatch>,
    ) -> Result<()> {
        let Layout::Lanes(lanes) = &mut self.layout else { return Ok(()) };
        if !batches.is_empty() {
            lanes.add(&target.shape, batches)?;
        }
        // Half of the memory is for rows that are being sorted and encoded.
        let lane_bytes_max = (target.properties.file_bytes * ENCODING_RATIO) as usize;
        loop {
            let Layout::Lanes(lanes) = &mut self.layout else { return Ok(()) };
            let is_full = lanes.bytes() > options.memory_bytes / 2 || lanes.largest_bytes() > lane_bytes_max;
            let Some(lane) = is_full.then(|| lanes.take_largest()).flatten() else { return Ok(()) };
            self.memory.wait_below((options.memory_bytes / 2).saturating_sub(lane.bytes));
            self.submit_lane(target, lane)?;
        }
    }

    /// All rows of a lane become one file.
    fn submit_lane(&mut self, target: &Arc<Target>, mut lane: Lane) -> Result<()> {
        let file = self.begin(target, &mut lane);
        let charge = self.memory.charge(lane.bytes);
        self.pool.submit(Job::Run { file, batches: lane.batches, charge })
    }

    fn finish(mut self, target: &Arc<Target>) -> Result<(Vec<DataFile>, Vec<ColumnSketch>)> {
        match &mut self.layout {
            Layout::Stream(stream) => {
                if stream.rows > 0 {
                    self.submit_group(target)?;
                }
                self.end_stream()?;
            }
            Layout::Lanes(lanes) => {
                let left = lanes.take_all();
                left.into_iter().try_for_each(|lane| self.submit_lane(target, lane))?;
            }
        }
        self.pool.finish()
    }
}

impl Written {
    /// Lets the files stay: a commit names them.
    pub fn keep(mut self) {
        self.kept = true;
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        if self.kept {
            return;
        }
        for path in self.files.iter().flat_map(DataFile::paths) {
            // A file that stays has no commit: VACUUM removes it.
            let _ = self.warehouse.remove(self.table, path);
        }
    }
}
