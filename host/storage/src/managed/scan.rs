//! A scan over the files of a managed table: opened from what the catalog says, files only when they are read.

use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use nyala_schema::id::TableId;
use nyala_schema::managed::{DataFile, FileContent, FileList};
use nyala_schema::scan::{ManagedScan, TableScan};
use nyala_schema::{Error, Expr, Result};
use roaring::RoaringBitmap;

use super::inline_scan::{InlineColumns, InlinePart, deleted_of_parts};
use super::live_rows::{LiveRows, deleted_among};
use super::scan_columns::ScanColumns;
use super::stored_files::{StoredPath, kept_deletions};
use crate::column_cache::{CachedFile, CachedGroup};
use crate::file::FileHandle;
use crate::parquet::file::ParquetFile;
use crate::parquet::footer::ParquetFooter;
use crate::parquet::pool::BufferPool;
use crate::parquet::reader::{GroupFile, RowGroupColumns};
use crate::parquet::scan::wants_most;
use crate::prune;
use crate::row_reader::{OpenColumns, RowReader};
use crate::scanner::{Morsel, MorselReader, Scanner};
use crate::storage::Storage;

/// Rows of a morsel of inline rows, at most.
const INLINE_MORSEL_ROWS: usize = 122_880;

pub struct ManagedScanner {
    scan: Arc<Scan>,
    morsels: Vec<Morsel>,
    /// By `Morsel::index`.
    places: Vec<Place>,
}

enum Place {
    /// `first`: the position of the row group's first row in its file.
    Group {
        file: Arc<ScanFile>,
        group: usize,
        rows: usize,
        first: u64,
    },
    Inline(Arc<[InlinePart]>),
}

/// What the morsels of a scan share.
struct Scan {
    storage: Storage,
    table: TableId,
    columns: Arc<ScanColumns>,
    filters: Vec<Expr>,
    limit: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    pool: Arc<BufferPool>,
}

/// A Parquet file and what has been read of it.
struct ScanFile {
    data: Arc<DataFile>,
    place: StoredPath,
    parquet: OnceLock<Arc<ParquetFile>>,
    deleted: OnceLock<Option<Arc<RoaringBitmap>>>,
}

impl ManagedScanner {
    /// Reads nothing: what files there are, and what is in them, is in the scan.
    ///
    /// # Errors
    /// Internal when the scan does not fit its schema.
    pub fn open(storage: &Storage, scan: &TableScan, managed: &ManagedScan) -> Result<Self> {
        let columns = Arc::new(ScanColumns::new(scan, managed)?);
        let shared = Scan {
            storage: storage.clone(),
            table: managed.table,
            columns,
            filters: scan.filters.clone(),
            limit: scan.limit,
            bytes_read: Arc::default(),
            pool: Arc::default(),
        };
        let mut scanner = Self { scan: Arc::new(shared), morsels: Vec::new(), places: Vec::new() };
        scanner.cut(&managed.files);
        Ok(scanner)
    }

    fn cut(&mut self, files: &FileList) {
        let mut inline = Vec::new();
        let mut inline_rows = 0;
        for data in files.iter().filter(|data| data.live_rows() > 0) {
            if !prune::may_pass(&self.scan.filters, &|column| self.scan.columns.bounds(data, column)) {
                continue;
            }
            match &data.content {
                FileContent::Parquet { path, size, row_groups } => {
                    let place = StoredPath { table: self.scan.table, path: Arc::clone(path), size: *size };
                    let file = Arc::new(ScanFile::new(data, place));
                    self.cut_file(&file, row_groups);
                }
                FileContent::Rows(rows) => {
                    let rows = rows.batch.num_rows();
                    for start in (0..rows).step_by(INLINE_MORSEL_ROWS) {
                        let part = start..rows.min(start + INLINE_MORSEL_ROWS);
                        inline_rows += part.len();
                        inline.push(InlinePart { data: Arc::clone(data), rows: part });
                        if inline_rows >= INLINE_MORSEL_ROWS {
                            self.push(inline_rows, Place::Inline(std::mem::take(&mut inline).into()));
                            inline_rows = 0;
                        }
                    }
                }
            }
        }
        if !inline.is_empty() {
            self.push(inline_rows, Place::Inline(inline.into()));
        }
    }

    fn cut_file(&mut self, file: &Arc<ScanFile>, row_groups: &[u32]) {
        let mut first = 0;
        for (group, &rows) in row_groups.iter().enumerate() {
            if rows > 0 {
                let place = Place::Group { file: Arc::clone(file), group, rows: rows as usize, first };
                self.push(rows as usize, place);
            }
            first += u64::from(rows);
        }
    }

    fn push(&mut self, rows: usize, place: Place) {
        self.morsels.push(Morsel { index: self.places.len(), rows: rows as u64 });
        self.places.push(place);
    }

    fn place(&self, morsel: &Morsel) -> Result<&Place> {
        let place = self.places.get(morsel.index);
        place.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))
    }

    fn read_inline(&self, parts: &Arc<[InlinePart]>) -> Result<Box<dyn MorselReader>> {
        let scan = &self.scan;
        let deleted = deleted_of_parts(parts, |data| scan.deleted_of(data))?;
        let rows = parts.iter().map(|part| part.rows.len()).sum();
        let columns = InlineColumns { columns: Arc::clone(&scan.columns), parts: Arc::clone(parts) };
        Ok(scan.reader(Box::new(columns), std::iter::once(0..rows).collect(), deleted.map(Arc::new), 0))
    }
}

impl Scan {
    fn reader(
        &self,
        columns: Box<dyn OpenColumns>,
        ranges: Vec<Range<usize>>,
        deleted: Option<Arc<RoaringBitmap>>,
        first: u64,
    ) -> Box<dyn MorselReader> {
        let rows = RowReader::new(columns, self.columns.outputs.len(), ranges);
        match deleted {
            None => Box::new(rows),
            Some(deleted) => Box::new(LiveRows::new(rows, deleted, first)),
        }
    }

    fn deleted_of(&self, data: &DataFile) -> Result<Option<Arc<RoaringBitmap>>> {
        let deletions = data.deletions.as_ref();
        deletions.map(|deletions| kept_deletions(&self.storage, self.table, deletions)).transpose()
    }

    fn deleted(&self, file: &ScanFile) -> Result<Option<Arc<RoaringBitmap>>> {
        if let Some(known) = file.deleted.get() {
            return Ok(known.clone());
        }
        let deleted = self.deleted_of(&file.data)?;
        Ok(file.deleted.get_or_init(|| deleted).clone())
    }

    fn open_file(&self, file: &ScanFile) -> Result<FileHandle> {
        file.place.open(self.storage.warehouse(), &self.bytes_read)
    }

    /// The file with its footer, which is read when it is not cached.
    fn parquet(&self, file: &ScanFile) -> Result<Arc<ParquetFile>> {
        if let Some(known) = file.parquet.get() {
            return Ok(Arc::clone(known));
        }
        Ok(self.parquet_of(file, file.place.footer(&self.storage, &self.bytes_read)?))
    }

    fn parquet_of(&self, file: &ScanFile, footer: Arc<ParquetFooter>) -> Arc<ParquetFile> {
        let sources = self.columns.sources(&file.data, &footer);
        let columns = Arc::clone(&self.columns.outputs);
        let parquet = Arc::new(ParquetFile { footer, sources, columns });
        Arc::clone(file.parquet.get_or_init(|| parquet))
    }

    /// As [`parquet`](Self::parquet), but only if nothing has to be read.
    fn parquet_if_known(&self, file: &ScanFile) -> Option<Arc<ParquetFile>> {
        if let Some(known) = file.parquet.get() {
            return Some(Arc::clone(known));
        }
        Some(self.parquet_of(file, file.place.known_footer(&self.storage)?))
    }

    fn read_group(
        self: &Arc<Self>,
        file: &Arc<ScanFile>,
        group: usize,
        rows: usize,
        first: u64,
    ) -> Result<Box<dyn MorselReader>> {
        let deleted = self.deleted(file)?;
        let gone = deleted.as_ref().map_or(0, |deleted| deleted_among(deleted, first, rows as u64));
        let mut cached = self.storage.columns().map(|cache| CachedGroup {
            cache,
            file: Arc::new(CachedFile::Managed { table: self.table, path: Arc::clone(&file.place.path) }),
            group,
            columns: Arc::clone(&self.columns.cached),
            wants_most: false,
        });
        let whole = || std::iter::once(0..rows).collect::<Vec<_>>();
        let ranges = if gone == rows as u64 {
            Vec::new()
        } else if self.filters.is_empty() {
            whole()
        } else {
            // What is cached needs no file; then its footer helps only when it is at hand.
            let is_cached = cached.as_ref().is_some_and(CachedGroup::has_all);
            let parquet = if is_cached { self.parquet_if_known(file) } else { Some(self.parquet(file)?) };
            parquet.map_or_else(whole, |parquet| {
                parquet.row_ranges(group, &self.filters, &|| self.open_file(file))
            })
        };
        if let Some(cached) = &mut cached {
            cached.wants_most = wants_most(&ranges, rows, self.limit);
        }
        let open = ClosedFile { scan: Arc::clone(self), file: Arc::clone(file) };
        let columns = RowGroupColumns::new(Box::new(open), group, rows, cached, Arc::clone(&self.pool));
        Ok(self.reader(Box::new(columns), ranges, deleted.filter(|_| gone > 0), first))
    }
}

/// A file that is opened when it must be.
struct ClosedFile {
    scan: Arc<Scan>,
    file: Arc<ScanFile>,
}

impl GroupFile for ClosedFile {
    fn parquet(&self) -> Result<Arc<ParquetFile>> {
        self.scan.parquet(&self.file)
    }

    fn open(&self) -> Result<FileHandle> {
        self.scan.open_file(&self.file)
    }
}

impl ScanFile {
    fn new(data: &Arc<DataFile>, place: StoredPath) -> Self {
        Self { data: Arc::clone(data), place, parquet: OnceLock::new(), deleted: OnceLock::new() }
    }
}

impl Scanner for ManagedScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let columns = &self.scan.columns;
        match self.place(morsel) {
            Ok(Place::Group { file, group, .. }) => {
                columns.bounds(&file.data, column).may_contain(min, max)
                    && self
                        .scan
                        .parquet_if_known(file)
                        .is_none_or(|parquet| parquet.bounds(*group, column).may_contain(min, max))
            }
            Ok(Place::Inline(parts)) => {
                parts.iter().any(|part| columns.bounds(&part.data, column).may_contain(min, max))
            }
            Err(_) => true,
        }
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        match self.place(morsel)? {
            Place::Group { file, group, rows, first } => self.scan.read_group(file, *group, *rows, *first),
            Place::Inline(parts) => self.read_inline(parts),
        }
    }

    fn bytes_read(&self) -> u64 {
        self.scan.bytes_read.load(Ordering::Relaxed)
    }
}
