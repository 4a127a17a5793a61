//! A scan over Parquet files: which row groups, and where each output column comes from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use nyala_schema::scan::{FileEntry, TableScan};
use nyala_schema::{Error, Expr, Result};

use crate::column_cache::{CachedColumn, CachedFile, CachedGroup, ColumnCache};
use crate::file::{FileHandle, Stamp};
use crate::layout::{Constant, OutputColumn, output_columns};
use crate::prune;
use crate::row_reader::RowReader;
use crate::scanner::{Morsel, MorselReader, Scanner};

use super::file::{ColumnSource, ParquetFile};
use super::footer::ParquetFooter;
use super::pool::BufferPool;
use super::reader::{GroupFile, RowGroupColumns};

pub struct ParquetScanner {
    files: Vec<ScanFile>,
    morsels: Vec<Morsel>,
    /// File and row group of each morsel, by `Morsel::index`.
    places: Vec<(usize, usize)>,
    filters: Vec<Expr>,
    limit: Option<u64>,
    bytes_read: Arc<AtomicU64>,
    pool: Arc<BufferPool>,
    cache: Option<Arc<ColumnCache>>,
}

struct ScanFile {
    entry: FileEntry,
    parquet: Arc<ParquetFile>,
    cached: Arc<CachedFile>,
    cached_columns: Arc<[Option<CachedColumn>]>,
}

/// A file that was opened, and found as it was planned with.
struct OpenFile {
    parquet: Arc<ParquetFile>,
    handle: FileHandle,
}

impl GroupFile for OpenFile {
    fn parquet(&self) -> Result<Arc<ParquetFile>> {
        Ok(Arc::clone(&self.parquet))
    }

    fn open(&self) -> Result<FileHandle> {
        Ok(self.handle.clone())
    }
}

impl ParquetScanner {
    /// `footers` in the order of `entries`.
    ///
    /// # Errors
    /// When a partition value does not fit its column.
    pub fn open(
        scan: &TableScan,
        entries: &[FileEntry],
        footers: Vec<Arc<ParquetFooter>>,
        cache: Option<Arc<ColumnCache>>,
    ) -> Result<Self> {
        let columns: Arc<[OutputColumn]> = output_columns(scan)?.into();
        let files = entries
            .iter()
            .zip(footers)
            .map(|(entry, footer)| ScanFile::new(entry, footer, &columns))
            .collect::<Result<_>>()?;
        let mut scanner = Self {
            files,
            morsels: Vec::new(),
            places: Vec::new(),
            filters: scan.filters.clone(),
            limit: scan.limit,
            bytes_read: Arc::default(),
            pool: Arc::default(),
            cache,
        };
        scanner.cut();
        Ok(scanner)
    }

    fn cut(&mut self) {
        for (file_index, file) in self.files.iter().enumerate() {
            for group in 0..file.parquet.footer.metadata.num_row_groups() {
                let rows = file.parquet.rows(group) as u64;
                let bounds = |column: usize| file.parquet.bounds(group, column);
                if rows == 0 || !prune::may_pass(&self.filters, &bounds) {
                    continue;
                }
                self.morsels.push(Morsel { index: self.places.len(), rows });
                self.places.push((file_index, group));
            }
        }
    }

    fn place(&self, morsel: &Morsel) -> Result<(&ScanFile, usize)> {
        let place =
            self.places.get(morsel.index).and_then(|&(file, group)| Some((self.files.get(file)?, group)));
        place.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))
    }
}

impl ScanFile {
    fn new(entry: &FileEntry, footer: Arc<ParquetFooter>, columns: &Arc<[OutputColumn]>) -> Result<Self> {
        let sources =
            columns.iter().map(|column| source(column, entry, &footer)).collect::<Result<Vec<_>>>()?;
        let cached_columns = sources.iter().map(cached_column).collect();
        let cached = CachedFile::External { path: entry.path.clone(), stamp: Stamp::of_entry(entry) };
        let parquet = Arc::new(ParquetFile { footer, sources, columns: Arc::clone(columns) });
        Ok(Self { entry: entry.clone(), parquet, cached: Arc::new(cached), cached_columns })
    }
}

fn source(column: &OutputColumn, entry: &FileEntry, footer: &ParquetFooter) -> Result<ColumnSource> {
    if let Some(index) = column.partition {
        let value = entry
            .partition_values
            .get(index)
            .ok_or_else(|| Error::internal(format!("'{}' lacks a partition value", entry.path)))?;
        return Ok(ColumnSource::Constant(Constant::new(value, &column.physical)?));
    }
    Ok(match footer.find(&column.name) {
        Some(root) => ColumnSource::Stored { root, physical: column.physical.clone() },
        None => ColumnSource::Constant(Constant::null(&column.physical)),
    })
}

fn cached_column(source: &ColumnSource) -> Option<CachedColumn> {
    match source {
        ColumnSource::Stored { root, physical } => {
            Some(CachedColumn { column: u32::try_from(*root).ok()?, physical: physical.clone() })
        }
        ColumnSource::Constant(_) | ColumnSource::Position => None,
    }
}

impl Scanner for ParquetScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let Ok((file, group)) = self.place(morsel) else { return true };
        file.parquet.bounds(group, column).may_contain(min, max)
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        let (file, group) = self.place(morsel)?;
        let handle = FileHandle::open_entry(&file.entry, &self.bytes_read)?;
        let ranges = file.parquet.row_ranges(group, &self.filters, &|| Ok(handle.clone()));
        let cached = self.cache.as_ref().map(|cache| CachedGroup {
            cache: Arc::clone(cache),
            file: Arc::clone(&file.cached),
            group,
            columns: Arc::clone(&file.cached_columns),
            wants_most: wants_most(&ranges, file.parquet.rows(group), self.limit),
        });
        let rows = file.parquet.rows(group);
        let open = OpenFile { parquet: Arc::clone(&file.parquet), handle };
        let columns = RowGroupColumns::new(Box::new(open), group, rows, cached, Arc::clone(&self.pool));
        Ok(Box::new(RowReader::new(Box::new(columns), file.parquet.sources.len(), ranges)))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}

/// Whether a scan wants at least half of a row group's rows.
pub fn wants_most(ranges: &[std::ops::Range<usize>], rows: usize, limit: Option<u64>) -> bool {
    let wanted: usize = ranges.iter().map(ExactSizeIterator::len).sum();
    wanted * 2 >= rows && limit.is_none_or(|limit| limit >= rows as u64)
}
