//! What is kept of a Parquet file between queries: its footer, and what was learnt of its dictionaries.

use std::collections::HashMap;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use arrow::datatypes::{Field, Schema, SchemaRef};
use bytes::Bytes;
use nyala_schema::id::ColumnId;
use nyala_schema::scan::physical_type;
use nyala_schema::{Error, ErrorCode, Result};
use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::errors::ParquetError;
use parquet::file::metadata::{ColumnChunkMetaData, PageIndexPolicy, ParquetMetaData, ParquetMetaDataReader};
use parquet::file::reader::{ChunkReader, Length};

use crate::file::{FileCursor, FileHandle, Stamp};
use crate::resolve::normalised_type;

use super::damage::Place;
use super::statistics::DictionaryInfo;

/// Everything about one file but its values.
pub struct ParquetFooter {
    pub path: String,
    pub metadata: Arc<ParquetMetaData>,
    /// The file's columns in the types that Arrow gives them.
    pub schema: SchemaRef,
    /// With the types in which the fallback reader hands columns out.
    pub reading: ArrowReaderMetadata,
    /// For each column the place of its values among the stored ones, if it is flat.
    pub leaves: Vec<Option<usize>>,
    /// By row group and leaf; `None` when the chunk is not wholly dictionary-encoded.
    dictionaries: Mutex<HashMap<(usize, usize), Option<DictionaryInfo>>>,
    /// The metadata with page indexes, read when a scan first filters; `None` when the file has none.
    indexed: OnceLock<Option<ParquetMetaData>>,
}

impl ParquetFooter {
    /// # Errors
    /// CorruptFile when the file is not Parquet or its footer is damaged.
    pub fn read(file: &FileHandle) -> Result<Self> {
        let path = file.path().to_owned();
        if file.size() == 0 {
            let message = format!("'{path}' is empty: not a Parquet file");
            return Err(Error::new(ErrorCode::CorruptFile, message));
        }
        let metadata = guarded(&path, || {
            ParquetMetaDataReader::new()
                .with_page_index_policy(PageIndexPolicy::Skip)
                .parse_and_finish(&PositionedFile(file.clone()))
        })?;
        let metadata = Arc::new(metadata);
        let reading = guarded(&path, || {
            let inferred = ArrowReaderMetadata::try_new(Arc::clone(&metadata), ArrowReaderOptions::new());
            inferred.or_else(|_| {
                // A damaged or foreign Arrow schema in the footer is only a hint.
                let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
                ArrowReaderMetadata::try_new(Arc::clone(&metadata), options)
            })
        })?;
        let schema = Arc::clone(reading.schema());
        let hinted = ArrowReaderOptions::new().with_schema(Arc::new(hinted_schema(&schema)));
        // Where the hint is refused, columns come in the types of the file and are cast.
        let reading =
            guarded(&path, || ArrowReaderMetadata::try_new(Arc::clone(&metadata), hinted)).unwrap_or(reading);
        let leaves = flat_leaves(&metadata);
        check_rows(&path, &metadata)?;
        Ok(Self {
            path,
            metadata,
            schema,
            reading,
            leaves,
            dictionaries: Mutex::default(),
            indexed: OnceLock::new(),
        })
    }

    /// The column of that name; an exact match before one that differs in case.
    pub fn find(&self, name: &str) -> Option<usize> {
        let fields = self.schema.fields();
        fields
            .iter()
            .position(|field| field.name() == name)
            .or_else(|| fields.iter().position(|field| field.name().eq_ignore_ascii_case(name)))
    }

    /// The column's chunk in a row group, if the column is flat.
    pub fn chunk(&self, group: usize, root: usize) -> Option<&ColumnChunkMetaData> {
        let leaf = (*self.leaves.get(root)?)?;
        self.metadata.row_groups().get(group)?.columns().get(leaf)
    }

    pub fn place(&self, group: usize, root: usize) -> Place {
        let column = self.schema.fields().get(root).map_or_else(String::new, |field| field.name().clone());
        Place { path: self.path.clone(), row_group: group, column }
    }

    /// What `learn` says of a dictionary, asked once.
    pub fn dictionary(
        &self,
        group: usize,
        leaf: usize,
        learn: impl FnOnce() -> Option<DictionaryInfo>,
    ) -> Option<DictionaryInfo> {
        let known = locked(&self.dictionaries).get(&(group, leaf)).cloned();
        match known {
            Some(known) => known,
            None => {
                let learnt = learn();
                locked(&self.dictionaries).insert((group, leaf), learnt.clone());
                learnt
            }
        }
    }

    /// The column that has this id of Parquet's `field_id`.
    pub fn find_id(&self, id: ColumnId) -> Option<usize> {
        let roots = self.metadata.file_metadata().schema_descr().root_schema().get_fields();
        let wanted = i32::try_from(id.0).ok()?;
        roots.iter().position(|field| {
            let info = field.get_basic_info();
            info.has_id() && info.id() == wanted
        })
    }

    /// The metadata with its page indexes; `None` when the file has none. A damaged index is none: it only helps.
    /// `open` gives the file when they have not been read.
    pub fn page_index(&self, open: &dyn Fn() -> Result<FileHandle>) -> Option<&ParquetMetaData> {
        let indexed = match self.indexed.get() {
            Some(indexed) => indexed,
            None => {
                let file = open().ok()?;
                self.indexed.get_or_init(|| self.read_page_index(&file))
            }
        };
        indexed.as_ref().filter(|metadata| metadata.column_index().is_some())
    }

    fn read_page_index(&self, file: &FileHandle) -> Option<ParquetMetaData> {
        let read = || {
            let mut reader = ParquetMetaDataReader::new_with_metadata(self.metadata.as_ref().clone())
                .with_page_index_policy(PageIndexPolicy::Optional);
            reader.read_page_indexes(&PositionedFile(file.clone()))?;
            reader.finish()
        };
        guarded(&self.path, read).ok()
    }

    fn memory_size(&self) -> usize {
        self.metadata.memory_size() + 4096
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs code of the `parquet` crate on bytes that may be damaged: a panic there is damage, too.
pub fn guarded<T>(path: &str, read: impl FnOnce() -> parquet::errors::Result<T>) -> Result<T> {
    match catch_unwind(AssertUnwindSafe(read)) {
        Ok(result) => result.map_err(|error| parquet_error(path, error)),
        Err(_) => Err(Error::new(
            ErrorCode::CorruptFile,
            format!("'{path}' is damaged: the Parquet reader gave up"),
        )),
    }
}

pub fn parquet_error(path: &str, error: ParquetError) -> Error {
    match error {
        ParquetError::External(inner) => match inner.downcast::<Error>() {
            Ok(ours) => *ours,
            Err(other) => Error::new(ErrorCode::FileAccess, format!("'{path}': {other}")),
        },
        ParquetError::NYI(message) => Error::unsupported(format!("'{path}': {message}")),
        ParquetError::EOF(message) | ParquetError::General(message) | ParquetError::ArrowError(message) => {
            Error::new(ErrorCode::CorruptFile, format!("'{path}' cannot be read as Parquet: {message}"))
        }
        other => Error::new(ErrorCode::CorruptFile, format!("'{path}' cannot be read as Parquet: {other}")),
    }
}

/// The types that the `parquet` crate is asked for: physical ones at the top, the file's own inside nested columns.
fn hinted_schema(schema: &Schema) -> Schema {
    let fields: Vec<Field> = schema
        .fields()
        .iter()
        .map(|field| {
            let normalised = normalised_type(field.data_type());
            let data_type = match physical_type(&normalised) {
                // Rescaling is left to a cast.
                _ if normalised.is_temporal() => field.data_type().clone(),
                physical => physical,
            };
            field.as_ref().clone().with_data_type(data_type)
        })
        .collect();
    Schema::new_with_metadata(fields, schema.metadata().clone())
}

fn flat_leaves(metadata: &ParquetMetaData) -> Vec<Option<usize>> {
    let schema = metadata.file_metadata().schema_descr();
    let roots = schema.root_schema().get_fields();
    let mut leaves = vec![None; roots.len()];
    for (leaf, column) in schema.columns().iter().enumerate() {
        let root = schema.get_column_root_idx(leaf);
        let flat = column.max_rep_level() == 0 && column.max_def_level() <= 1;
        if flat && roots.get(root).is_some_and(|field| field.is_primitive()) {
            leaves[root] = Some(leaf);
        }
    }
    leaves
}

fn check_rows(path: &str, metadata: &ParquetMetaData) -> Result<()> {
    let columns = metadata.file_metadata().schema_descr().num_columns();
    let bad =
        metadata.row_groups().iter().position(|group| group.num_rows() < 0 || group.num_columns() != columns);
    match bad {
        Some(group) => {
            let message = format!("'{path}', row group {group}: the footer is damaged");
            Err(Error::new(ErrorCode::CorruptFile, message))
        }
        None => Ok(()),
    }
}

/// Lets the `parquet` crate read without a shared cursor.
pub struct PositionedFile(pub FileHandle);

impl Length for PositionedFile {
    fn len(&self) -> u64 {
        self.0.size()
    }
}

impl ChunkReader for PositionedFile {
    type T = io::BufReader<FileCursor>;

    fn get_read(&self, start: u64) -> parquet::errors::Result<Self::T> {
        Ok(io::BufReader::new(self.0.cursor_over(start, self.0.size())))
    }

    fn get_bytes(&self, start: u64, length: usize) -> parquet::errors::Result<Bytes> {
        let end = start.checked_add(length as u64).filter(|end| *end <= self.0.size());
        if end.is_none() {
            return Err(ParquetError::EOF(format!("the file ends before byte {start} + {length}")));
        }
        let mut bytes = vec![0; length];
        self.0.read_at(start, &mut bytes).map_err(|error| ParquetError::External(Box::new(error)))?;
        Ok(bytes.into())
    }
}

/// Footers by path, size and time of change; the least recently used ones are dropped.
#[derive(Default)]
pub struct FooterCache {
    entries: Mutex<CacheEntries>,
}

#[derive(Default)]
struct CacheEntries {
    by_path: HashMap<String, CacheEntry>,
    bytes: usize,
    clock: u64,
}

struct CacheEntry {
    stamp: Stamp,
    footer: Arc<ParquetFooter>,
    bytes: usize,
    used: u64,
}

/// Bound of all cached footers.
const CACHE_BYTES_MAX: usize = 256 << 20;

impl FooterCache {
    pub fn get(&self, path: &str, stamp: Stamp) -> Option<Arc<ParquetFooter>> {
        let mut entries = locked(&self.entries);
        entries.clock += 1;
        let clock = entries.clock;
        let entry = entries.by_path.get_mut(path).filter(|entry| entry.stamp == stamp)?;
        entry.used = clock;
        Some(Arc::clone(&entry.footer))
    }

    pub fn put(&self, path: &str, stamp: Stamp, footer: &Arc<ParquetFooter>) {
        let mut entries = locked(&self.entries);
        entries.clock += 1;
        let bytes = footer.memory_size() + path.len();
        let entry = CacheEntry { stamp, footer: Arc::clone(footer), bytes, used: entries.clock };
        entries.bytes += bytes;
        if let Some(old) = entries.by_path.insert(path.to_owned(), entry) {
            entries.bytes -= old.bytes;
        }
        if entries.bytes > CACHE_BYTES_MAX {
            entries.evict();
        }
    }
}

impl CacheEntries {
    /// Drops the older half, so that the sort is paid rarely.
    fn evict(&mut self) {
        let mut ages: Vec<(u64, String)> =
            self.by_path.iter().map(|(path, entry)| (entry.used, path.clone())).collect();
        ages.sort_unstable();
        for (_, path) in ages {
            if self.bytes <= CACHE_BYTES_MAX / 2 {
                break;
            }
            if let Some(entry) = self.by_path.remove(&path) {
                self.bytes -= entry.bytes;
            }
        }
    }
}
