//! The storage of one process: finds files, keeps what it learnt of them, and opens scans.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::Schema;
use nyala_schema::Result;
use nyala_schema::scan::{FileEntry, FileFormat, ScanSource, TableScan};

use crate::column_cache::ColumnCache;
use crate::file::{FileHandle, Stamp, changed_error};
use crate::managed::Warehouse;
use crate::managed::scan::ManagedScanner;
use crate::managed::stored_files::StoredFiles;
use crate::parquet::footer::{FooterCache, ParquetFooter};
use crate::resolve::{self, FileContents, FileSchema, ResolvedFiles};
use crate::scanner::Scanner;
use crate::{ipc, parquet, text};

/// Cheap to clone; all clones share caches and memory tables.
#[derive(Clone, Default)]
pub struct Storage {
    shared: Arc<Shared>,
    passes_column_cache: bool,
}

#[derive(Default)]
struct Shared {
    footers: FooterCache,
    columns: Arc<ColumnCache>,
    warehouse: Warehouse,
    stored: StoredFiles,
}

impl Storage {
    /// Without a warehouse.
    pub fn new() -> Self {
        Self::default()
    }

    /// Bounds the cache of decoded columns, bytes; at first it is 0, which switches it off.
    pub fn set_column_cache(&self, bytes_max: usize) {
        self.shared.columns.set_bytes_max(bytes_max);
    }

    /// Bytes that the cache of decoded columns takes.
    pub fn column_cache_bytes(&self) -> usize {
        self.shared.columns.bytes()
    }

    /// The same storage for scans that neither use nor fill the cache of decoded columns.
    pub fn without_column_cache(&self) -> Self {
        Self { passes_column_cache: true, ..self.clone() }
    }

    pub(crate) fn columns(&self) -> Option<Arc<ColumnCache>> {
        let columns = &self.shared.columns;
        (!self.passes_column_cache && columns.bytes_max() > 0).then(|| Arc::clone(columns))
    }

    /// With the files of managed tables in a warehouse.
    pub fn with_warehouse(warehouse: Warehouse) -> Self {
        Self { shared: Arc::new(Shared { warehouse, ..Shared::default() }), passes_column_cache: false }
    }

    pub fn warehouse(&self) -> &Warehouse {
        &self.shared.warehouse
    }

    pub(crate) fn stored(&self) -> &StoredFiles {
        &self.shared.stored
    }

    pub(crate) fn footer_cache(&self) -> &FooterCache {
        &self.shared.footers
    }

    /// Finds the files of a location and what is known of them. `location` is a file, a pattern
    /// (`data/*.parquet`, `logs/**/*.csv`) or a directory, searched with its subdirectories; `name=value`
    /// directories become columns. `format` is taken from the endings when it is `None`; `declared` gives the
    /// columns when the user has; `partition_by`, when it is not empty, says which partition columns there must be.
    ///
    /// # Errors
    /// FileAccess: nothing matches, unreadable, of unknown or several formats. CorruptFile. DatatypeMismatch when
    /// files disagree. InvalidParameter for a bad pattern or partition columns that are not there.
    pub fn resolve(
        &self,
        location: &str,
        format: Option<FileFormat>,
        declared: Option<&Schema>,
        partition_by: &[String],
    ) -> Result<ResolvedFiles> {
        resolve::resolve(self, location, format, declared, partition_by)
    }

    /// Opens a scan: reads footers that are not cached, and cuts the files into morsels.
    ///
    /// # Errors
    /// FileAccess when a file is missing or was changed since planning; CorruptFile; UndefinedTable for a memory
    /// table that is gone.
    pub fn open(&self, scan: &TableScan) -> Result<Box<dyn Scanner>> {
        match &scan.source {
            ScanSource::Managed(managed) => Ok(Box::new(ManagedScanner::open(self, scan, managed)?)),
            ScanSource::Files { format, files } => match format {
                FileFormat::Parquet => {
                    let footers = self.footers(files)?;
                    Ok(Box::new(parquet::ParquetScanner::open(scan, files, footers, self.columns())?))
                }
                FileFormat::Csv(options) => Ok(Box::new(text::csv::CsvScanner::open(scan, files, options)?)),
                FileFormat::Json(_) => Ok(Box::new(text::json::JsonScanner::open(scan, files)?)),
                FileFormat::Arrow => Ok(Box::new(ipc::IpcScanner::open(scan, files)?)),
            },
        }
    }

    /// Schemas, rows and columns of files of one format.
    pub(crate) fn describe(
        &self,
        format: &FileFormat,
        files: &[FileEntry],
        declared: Option<&Schema>,
    ) -> Result<FileContents> {
        match format {
            FileFormat::Parquet => {
                let footers = self.footers(files)?;
                parquet::statistics::describe(&footers, declared.is_none())
            }
            FileFormat::Csv(options) => text::csv::describe(files, options, declared),
            FileFormat::Json(_) => text::json::describe(files, declared),
            FileFormat::Arrow => ipc::describe(files),
        }
    }

    /// Footers in the order of `files`; those that are not cached are read on several threads.
    fn footers(&self, files: &[FileEntry]) -> Result<Vec<Arc<ParquetFooter>>> {
        /// Fewer files than this are read faster than threads are started.
        const FILES_PER_THREAD: usize = 8;
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = files.len().div_ceil(threads).max(FILES_PER_THREAD);
        if files.len() <= share {
            return files.iter().map(|file| self.footer(file)).collect();
        }
        let parts: Vec<Result<Vec<Arc<ParquetFooter>>>> = std::thread::scope(|scope| {
            let workers: Vec<_> = files
                .chunks(share)
                .map(|part| scope.spawn(|| part.iter().map(|file| self.footer(file)).collect()))
                .collect();
            workers
                .into_iter()
                .map(|worker| {
                    worker.join().unwrap_or_else(|_| {
                        Err(nyala_schema::Error::internal("reading a Parquet footer panicked"))
                    })
                })
                .collect()
        });
        let mut footers = Vec::with_capacity(files.len());
        for part in parts {
            footers.extend(part?);
        }
        Ok(footers)
    }

    fn footer(&self, file: &FileEntry) -> Result<Arc<ParquetFooter>> {
        let stamp = Stamp::of_entry(file);
        if let Some(footer) = self.shared.footers.get(&file.path, stamp) {
            return Ok(footer);
        }
        let (handle, found) = FileHandle::open(&file.path, &Arc::new(AtomicU64::new(0)))?;
        if found != stamp {
            return Err(changed_error(&file.path));
        }
        let footer = Arc::new(ParquetFooter::read(&handle)?);
        self.shared.footers.put(&file.path, stamp, &footer);
        Ok(footer)
    }
}

impl FileContents {
    /// A description of which only the schemas are known.
    pub fn of_schemas(schemas: Vec<FileSchema>, rows: Option<f64>) -> Self {
        Self { schemas, rows, columns: Vec::new() }
    }
}
