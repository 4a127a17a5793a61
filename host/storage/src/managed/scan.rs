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
    Group(GroupPlace),
    Inline(Arc<[InlinePart]>),
}

#[derive(Clone, Copy)]
struct GroupPlace {
    /// Among the scan's files.
    file: u32,
    group: u32,
    rows: u32,
    /// The position of its first row in the file.
    first: u64,
}

/// What the morsels of a scan share.
struct Scan {
    storage: Storage,
    table: TableId,
    columns: Arc<ScanColumns>,
    filters: Vec<Expr>,
    limit: Option<u64>,
    files: Vec<ScanFile>,
    bytes_read: Arc<AtomicU64>,
    pool: Arc<BufferPool>,
}

/// A Parquet file. There may be very many, of which few are read.
struct ScanFile {
    data: Arc<DataFile>,
    known: OnceLock<Box<FileKnowledge>>,
}

/// What has been read of a file.
struct FileKnowledge {
    place: StoredPath,
    parquet: OnceLock<Arc<ParquetFile>>,
    deleted: OnceLock<Option<Arc<RoaringBitmap>>>,
}

/// What a scan is cut into.
#[derive(Default)]
struct Cut {
    files: Vec<ScanFile>,
    morsels: Vec<Morsel>,
    places: Vec<Place>,
    inline: Vec<InlinePart>,
    inline_rows: usize,
}

impl ManagedScanner {
    /// Reads nothing: what files there are, and what is in them, is in the scan.
    ///
    /// # Errors
    /// Internal when the scan does not fit its schema.
    pub fn open(storage: &Storage, scan: &TableScan, managed: &ManagedScan) -> Result<Self> {
        let columns = Arc::new(ScanColumns::new(scan, managed)?);
        let cut = Cut::new(&managed.files, &scan.filters, &columns)?;
        let shared = Scan {
            storage: storage.clone(),
            table: managed.table,
            columns,
            filters: scan.filters.clone(),
            limit: scan.limit,
            files: cut.files,
            bytes_read: Arc::default(),
            pool: Arc::default(),
        };
        Ok(Self { scan: Arc::new(shared), morsels: cut.morsels, places: cut.places })
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

/// The files that may have rows that pass the filters, in order. What is known of each lies somewhere else in memory, so
/// several threads look when there are very many.
fn wanted<'a>(
    files: &'a FileList,
    filters: &[Expr],
    columns: &ScanColumns,
) -> Result<Vec<&'a Arc<DataFile>>> {
    /// Fewer chunks than this are looked through faster than threads are started.
    const CHUNKS_PER_THREAD: usize = 32;
    let is_wanted = |data: &&Arc<DataFile>| {
        data.live_rows() > 0 && prune::may_pass(filters, &|column| columns.bounds(data, column))
    };
    let chunks: Vec<&[Arc<DataFile>]> = files.chunks().map(|(_, chunk)| chunk).collect();
    let of_chunks = |chunks: &[&'a [Arc<DataFile>]]| -> Vec<&'a Arc<DataFile>> {
        chunks.iter().flat_map(|chunk| chunk.iter()).filter(is_wanted).collect()
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let share = chunks.len().div_ceil(threads).max(CHUNKS_PER_THREAD);
    if chunks.len() <= share {
        return Ok(of_chunks(&chunks));
    }
    std::thread::scope(|scope| {
        let workers: Vec<_> = chunks.chunks(share).map(|part| scope.spawn(move || of_chunks(part))).collect();
        let mut wanted = Vec::new();
        for worker in workers {
            wanted.extend(worker.join().map_err(|_| Error::internal("choosing files panicked"))?);
        }
        Ok(wanted)
    })
}

impl Cut {
    /// # Errors
    /// Internal when there are more files than a scan can count.
    fn new(files: &FileList, filters: &[Expr], columns: &ScanColumns) -> Result<Self> {
        let mut cut = Self::default();
        for data in wanted(files, filters, columns)? {
            match &data.content {
                FileContent::Parquet { row_groups, .. } => cut.add_file(data, row_groups)?,
                FileContent::Rows(rows) => cut.add_inline(data, rows.batch.num_rows()),
            }
        }
        cut.end_inline();
        Ok(cut)
    }

    fn add_file(&mut self, data: &Arc<DataFile>, row_groups: &[u32]) -> Result<()> {
        let too_many = |_| Error::internal("a table has more files than a scan can count");
        let file = u32::try_from(self.files.len()).map_err(too_many)?;
        let mut first = 0;
        for (group, &rows) in (0..).zip(row_groups) {
            if rows > 0 {
                self.push(u64::from(rows), Place::Group(GroupPlace { file, group, rows, first }));
            }
            first += u64::from(rows);
        }
        self.files.push(ScanFile { data: Arc::clone(data), known: OnceLock::new() });
        Ok(())
    }

    fn add_inline(&mut self, data: &Arc<DataFile>, rows: usize) {
        for start in (0..rows).step_by(INLINE_MORSEL_ROWS) {
            let part = start..rows.min(start + INLINE_MORSEL_ROWS);
            self.inline_rows += part.len();
            self.inline.push(InlinePart { data: Arc::clone(data), rows: part });
            if self.inline_rows >= INLINE_MORSEL_ROWS {
                self.end_inline();
            }
        }
    }

    fn end_inline(&mut self) {
        if !self.inline.is_empty() {
            let place = Place::Inline(std::mem::take(&mut self.inline).into());
            let rows = std::mem::take(&mut self.inline_rows);
            self.push(rows as u64, place);
        }
    }

    fn push(&mut self, rows: u64, place: Place) {
        self.morsels.push(Morsel { index: self.places.len(), rows });
        self.places.push(place);
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

    fn file(&self, file: u32) -> Result<(&DataFile, &FileKnowledge)> {
        let file = self.files.get(file as usize);
        let ScanFile { data, known } = file.ok_or_else(|| Error::internal("a scan lacks a file"))?;
        if let Some(known) = known.get() {
            return Ok((data, known));
        }
        let FileContent::Parquet { path, size, .. } = &data.content else {
            return Err(Error::internal("rows of the catalog are no file"));
        };
        let place = StoredPath { table: self.table, path: Arc::clone(path), size: *size };
        let unread = || Box::new(FileKnowledge { place, parquet: OnceLock::new(), deleted: OnceLock::new() });
        Ok((data, known.get_or_init(unread)))
    }

    fn deleted(&self, file: u32) -> Result<Option<Arc<RoaringBitmap>>> {
        let (data, known) = self.file(file)?;
        if let Some(deleted) = known.deleted.get() {
            return Ok(deleted.clone());
        }
        let deleted = self.deleted_of(data)?;
        Ok(known.deleted.get_or_init(|| deleted).clone())
    }

    fn open_file(&self, file: u32) -> Result<FileHandle> {
        self.file(file)?.1.place.open(self.storage.warehouse(), &self.bytes_read)
    }

    /// The file with its footer, which is read when it is not cached.
    fn parquet(&self, file: u32) -> Result<Arc<ParquetFile>> {
        let (data, known) = self.file(file)?;
        if let Some(parquet) = known.parquet.get() {
            return Ok(Arc::clone(parquet));
        }
        let footer = known.place.footer(&self.storage, &self.bytes_read)?;
        Ok(self.parquet_of(data, known, footer))
    }

    /// As [`parquet`](Self::parquet), but only if nothing has to be read.
    fn parquet_if_known(&self, file: u32) -> Option<Arc<ParquetFile>> {
        let (data, known) = self.file(file).ok()?;
        if let Some(parquet) = known.parquet.get() {
            return Some(Arc::clone(parquet));
        }
        Some(self.parquet_of(data, known, known.place.known_footer(&self.storage)?))
    }

    fn parquet_of(
        &self,
        data: &DataFile,
        known: &FileKnowledge,
        footer: Arc<ParquetFooter>,
    ) -> Arc<ParquetFile> {
        let sources = self.columns.sources(data, &footer);
        let columns = Arc::clone(&self.columns.outputs);
        let parquet = Arc::new(ParquetFile { footer, sources, columns });
        Arc::clone(known.parquet.get_or_init(|| parquet))
    }

    fn may_contain(&self, place: GroupPlace, column: usize, min: i128, max: i128) -> bool {
        let Ok((data, _)) = self.file(place.file) else { return true };
        self.columns.bounds(data, column).may_contain(min, max)
            && self
                .parquet_if_known(place.file)
                .is_none_or(|parquet| parquet.bounds(place.group as usize, column).may_contain(min, max))
    }

    fn read_group(self: &Arc<Self>, place: GroupPlace) -> Result<Box<dyn MorselReader>> {
        let GroupPlace { file, first, .. } = place;
        let (group, rows) = (place.group as usize, place.rows as usize);
        let deleted = self.deleted(file)?;
        let gone = deleted.as_ref().map_or(0, |deleted| deleted_among(deleted, first, rows as u64));
        let path = Arc::clone(&self.file(file)?.1.place.path);
        let mut cached = self.storage.columns().map(|cache| CachedGroup {
            cache,
            file: Arc::new(CachedFile::Managed { table: self.table, path }),
            group,
            columns: Arc::clone(&self.columns.cached),
            wants_most: false,
        });
        let ranges = if gone == rows as u64 { Vec::new() } else { self.row_ranges(place, cached.as_ref())? };
        if let Some(cached) = &mut cached {
            cached.wants_most = wants_most(&ranges, rows, self.limit);
        }
        let open = ClosedFile { scan: Arc::clone(self), file };
        let columns = RowGroupColumns::new(Box::new(open), group, rows, cached, Arc::clone(&self.pool));
        Ok(self.reader(Box::new(columns), ranges, deleted.filter(|_| gone > 0), first))
    }

    fn row_ranges(&self, place: GroupPlace, cached: Option<&CachedGroup>) -> Result<Vec<Range<usize>>> {
        let whole = || std::iter::once(0..place.rows as usize).collect();
        if self.filters.is_empty() {
            return Ok(whole());
        }
        // What is cached needs no file; then its footer helps only when it is at hand.
        let is_cached = cached.is_some_and(CachedGroup::has_all);
        let parquet =
            if is_cached { self.parquet_if_known(place.file) } else { Some(self.parquet(place.file)?) };
        let open = || self.open_file(place.file);
        Ok(parquet
            .map_or_else(whole, |parquet| parquet.row_ranges(place.group as usize, &self.filters, &open)))
    }
}

/// A file that is opened when it must be.
struct ClosedFile {
    scan: Arc<Scan>,
    file: u32,
}

impl GroupFile for ClosedFile {
    fn parquet(&self) -> Result<Arc<ParquetFile>> {
        self.scan.parquet(self.file)
    }

    fn open(&self) -> Result<FileHandle> {
        self.scan.open_file(self.file)
    }
}

impl Scanner for ManagedScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let columns = &self.scan.columns;
        match self.place(morsel) {
            Ok(Place::Group(place)) => self.scan.may_contain(*place, column, min, max),
            Ok(Place::Inline(parts)) => {
                parts.iter().any(|part| columns.bounds(&part.data, column).may_contain(min, max))
            }
            Err(_) => true,
        }
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        match self.place(morsel)? {
            Place::Group(place) => self.scan.read_group(*place),
            Place::Inline(parts) => self.read_inline(parts),
        }
    }

    fn bytes_read(&self) -> u64 {
        self.scan.bytes_read.load(Ordering::Relaxed)
    }
}
