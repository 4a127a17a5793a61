//! Arrow IPC, the file format and the stream format: what files hold, and scans over them.

use std::io::BufReader;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use arrow::ipc::reader::{FileReader, StreamReader};
use nyala_schema::scan::{FileEntry, TableScan};
use nyala_schema::{Error, ErrorCode, Result};

use crate::file::{FileCursor, FileHandle, access_error};
use crate::layout::{Constant, OutputColumn, conform, output_columns};
use crate::resolve::{FileContents, FileSchema};
use crate::scanner::{Morsel, MorselReader, Scanner};

/// What files of the file format start and end with; streams have no mark.
const FILE_MAGIC: &[u8] = b"ARROW1";

enum Opened {
    File(FileReader<BufReader<FileCursor>>),
    Stream(StreamReader<BufReader<FileCursor>>),
}

impl Opened {
    fn open(file: &FileHandle, projection: Option<Vec<usize>>) -> Result<Self> {
        let mut magic = [0u8; FILE_MAGIC.len()];
        let read = file.read_some_at(0, &mut magic).map_err(|error| access_error(file.path(), &error))?;
        let cursor = BufReader::new(file.cursor());
        if &magic[..read] == FILE_MAGIC {
            guarded(file.path(), || FileReader::try_new(cursor, projection)).map(Self::File)
        } else {
            guarded(file.path(), || StreamReader::try_new(cursor, projection)).map(Self::Stream)
        }
    }

    fn schema(&self) -> SchemaRef {
        match self {
            Self::File(reader) => reader.schema(),
            Self::Stream(reader) => reader.schema(),
        }
    }

    /// Batches that can be read apart.
    fn parts(&self) -> usize {
        match self {
            Self::File(reader) => reader.num_batches(),
            Self::Stream(_) => 1,
        }
    }

    fn next(&mut self, path: &str) -> Result<Option<RecordBatch>> {
        match self {
            Self::File(reader) => guarded(path, || reader.next().transpose()),
            Self::Stream(reader) => guarded(path, || reader.next().transpose()),
        }
    }
}

/// Runs the Arrow reader on bytes that may be damaged: a panic there is damage, too.
fn guarded<T>(path: &str, read: impl FnOnce() -> Result<T, ArrowError>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => {
            Err(Error::new(ErrorCode::CorruptFile, format!("'{path}' cannot be read as Arrow IPC: {error}")))
        }
        Err(_) => {
            Err(Error::new(ErrorCode::CorruptFile, format!("'{path}' is damaged: the Arrow reader gave up")))
        }
    }
}

/// # Errors
/// FileAccess, CorruptFile.
pub(crate) fn describe(files: &[FileEntry]) -> Result<FileContents> {
    let mut schemas = Vec::with_capacity(files.len());
    let (mut rows, mut bytes, mut total) = (0.0, 0.0, 0.0);
    for (index, entry) in files.iter().enumerate() {
        let (file, _) = FileHandle::open(&entry.path, &Arc::default())?;
        let mut opened = Opened::open(&file, None)?;
        total += entry.size as f64;
        if index == 0 {
            // Batches of one file are mostly of one length.
            let parts = opened.parts() as f64;
            let first = opened.next(&entry.path)?;
            let first_rows = first.as_ref().map_or(0, RecordBatch::num_rows) as f64;
            rows = match opened {
                Opened::File(_) => first_rows * parts,
                Opened::Stream(_) => match first.map(|batch| batch.get_array_memory_size()) {
                    Some(size) if size > 0 => (first_rows * entry.size as f64 / size as f64).max(first_rows),
                    _ => 0.0,
                },
            };
            bytes = entry.size as f64;
        }
        schemas.push(FileSchema { path: entry.path.clone(), schema: file_schema(&file)?, guessed: false });
    }
    let rows = if bytes > 0.0 { rows * total / bytes } else { 0.0 };
    Ok(FileContents::of_schemas(schemas, Some(rows)))
}

fn file_schema(file: &FileHandle) -> Result<SchemaRef> {
    Ok(Opened::open(file, None)?.schema())
}

pub struct IpcScanner {
    files: Vec<FileEntry>,
    columns: Vec<OutputColumn>,
    morsels: Vec<Morsel>,
    /// File and, for the file format, batch of each morsel.
    parts: Vec<(usize, usize)>,
    bytes_read: Arc<AtomicU64>,
}

impl IpcScanner {
    /// # Errors
    /// FileAccess, CorruptFile.
    pub fn open(scan: &TableScan, entries: &[FileEntry]) -> Result<Self> {
        /// What a batch is taken for until it is read; for progress only.
        const BATCH_ROWS: u64 = 8192;
        let mut scanner = Self {
            files: entries.to_vec(),
            columns: output_columns(scan)?,
            morsels: Vec::new(),
            parts: Vec::new(),
            bytes_read: Arc::default(),
        };
        for (index, entry) in entries.iter().enumerate() {
            let (file, _) = FileHandle::open(&entry.path, &Arc::default())?;
            let opened = Opened::open(&file, None)?;
            for part in 0..opened.parts() {
                scanner.morsels.push(Morsel { index: scanner.parts.len(), rows: BATCH_ROWS });
                scanner.parts.push((index, part));
            }
        }
        Ok(scanner)
    }
}

impl Scanner for IpcScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, _morsel: &Morsel, _column: usize, _min: i128, _max: i128) -> bool {
        true
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        let place =
            self.parts.get(morsel.index).and_then(|&(file, part)| Some((self.files.get(file)?, part)));
        let (entry, part) =
            place.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))?;
        let file = FileHandle::open_entry(entry, &self.bytes_read)?;
        Ok(Box::new(IpcReader::open(&file, entry, part, &self.columns)?))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

enum IpcColumn {
    Constant(Constant),
    /// A column of the projected batch.
    Field(usize),
}

struct IpcReader {
    path: String,
    opened: Opened,
    /// One batch of a file is a morsel of its own.
    single: bool,
    columns: Vec<(IpcColumn, OutputColumn)>,
    batch: Option<RecordBatch>,
    done: bool,
    start: usize,
    length: usize,
}

impl IpcReader {
    fn open(file: &FileHandle, entry: &FileEntry, part: usize, columns: &[OutputColumn]) -> Result<Self> {
        let schema = file_schema(file)?;
        let mut projection: Vec<usize> = columns
            .iter()
            .filter(|column| column.partition.is_none())
            .filter_map(|column| schema.index_of(&column.name).ok())
            .collect();
        projection.sort_unstable();
        projection.dedup();
        let mut sources = Vec::with_capacity(columns.len());
        for column in columns {
            let source = match column.partition {
                Some(index) => {
                    let value = entry.partition_values.get(index).ok_or_else(|| {
                        Error::internal(format!("'{}' lacks a partition value", entry.path))
                    })?;
                    IpcColumn::Constant(Constant::new(value, &column.physical)?)
                }
                None => {
                    match schema.index_of(&column.name).ok().and_then(|it| projection.binary_search(&it).ok())
                    {
                        Some(place) => IpcColumn::Field(place),
                        None => IpcColumn::Constant(Constant::null(&column.physical)),
                    }
                }
            };
            sources.push((source, column.clone()));
        }
        let mut opened = Opened::open(file, Some(projection))?;
        let single = matches!(opened, Opened::File(_));
        if let Opened::File(reader) = &mut opened {
            guarded(&entry.path, || reader.set_index(part))?;
        }
        Ok(Self {
            path: entry.path.clone(),
            opened,
            single,
            columns: sources,
            batch: None,
            done: false,
            start: 0,
            length: 0,
        })
    }
}

impl MorselReader for IpcReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        self.start += self.length;
        self.length = 0;
        while !self.done && self.start >= self.batch.as_ref().map_or(0, RecordBatch::num_rows) {
            self.start = 0;
            self.done = self.single && self.batch.is_some();
            self.batch = if self.done { None } else { self.opened.next(&self.path)? };
            self.done |= self.batch.is_none();
        }
        let rows = self.batch.as_ref().map_or(0, RecordBatch::num_rows);
        self.length = rows_max.min(rows.saturating_sub(self.start));
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        let Some((source, column)) = self.columns.get(index) else {
            return Err(Error::internal(format!("a scan has no output column {index}")));
        };
        match source {
            IpcColumn::Constant(constant) => constant.repeat(self.length),
            IpcColumn::Field(place) => {
                let batch = self.batch.as_ref().ok_or_else(|| Error::internal("no batch is open"))?;
                conform(batch.column(*place).slice(self.start, self.length), &column.physical)
            }
        }
    }
}
