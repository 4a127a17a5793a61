//! A scan over Parquet files: which row groups, and where each output column comes from.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::DataType;
use nyala_schema::scan::{FileEntry, TableScan};
use nyala_schema::{Error, Expr, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, OutputColumn, output_columns};
use crate::prune::{self, Bound, Bounds};
use crate::resolve::normalised_type;
use crate::scanner::{Morsel, MorselReader, Scanner};

use super::footer::ParquetFooter;
use super::pages::{ColumnPages, row_ranges};
use super::pool::BufferPool;
use super::reader::{ColumnSource, RowGroupReader};
use super::statistics::chunk_bounds;

pub struct ParquetScanner {
    files: Vec<ScanFile>,
    morsels: Vec<Morsel>,
    /// File and row group of each morsel, by `Morsel::index`.
    places: Vec<(usize, usize)>,
    columns: Vec<OutputColumn>,
    filters: Vec<Expr>,
    bytes_read: Arc<AtomicU64>,
    pool: Arc<BufferPool>,
}

struct ScanFile {
    entry: FileEntry,
    footer: Arc<ParquetFooter>,
    sources: Vec<ColumnSource>,
}

impl ParquetScanner {
    /// `footers` in the order of `entries`.
    ///
    /// # Errors
    /// When a partition value does not fit its column.
    pub fn open(scan: &TableScan, entries: &[FileEntry], footers: Vec<Arc<ParquetFooter>>) -> Result<Self> {
        let columns = output_columns(scan)?;
        let mut files = Vec::with_capacity(entries.len());
        for (entry, footer) in entries.iter().zip(footers) {
            let sources =
                columns.iter().map(|column| source(column, entry, &footer)).collect::<Result<Vec<_>>>()?;
            files.push(ScanFile { entry: entry.clone(), footer, sources });
        }
        let mut scanner = Self {
            files,
            morsels: Vec::new(),
            places: Vec::new(),
            columns,
            filters: scan.filters.clone(),
            bytes_read: Arc::default(),
            pool: Arc::default(),
        };
        scanner.cut(scan);
        Ok(scanner)
    }

    fn cut(&mut self, scan: &TableScan) {
        for (file_index, file) in self.files.iter().enumerate() {
            for (group, metadata) in file.footer.metadata.row_groups().iter().enumerate() {
                let rows = u64::try_from(metadata.num_rows()).unwrap_or(0);
                let bounds = |column: usize| self.bounds(file, group, column);
                if rows == 0 || !prune::may_pass(&scan.filters, &bounds) {
                    continue;
                }
                self.morsels.push(Morsel { index: self.places.len(), rows });
                self.places.push((file_index, group));
            }
        }
    }

    fn bounds(&self, file: &ScanFile, group: usize, column: usize) -> Bounds {
        let rows = file
            .footer
            .metadata
            .row_groups()
            .get(group)
            .map_or(0, |it| it.num_rows().try_into().unwrap_or(0));
        let Some(wanted) = self.columns.get(column) else { return Bounds::default() };
        match file.sources.get(column) {
            Some(ColumnSource::Stored { root, .. }) => {
                let stored = normalised_type(file.footer.schema.field(*root).data_type());
                match file.footer.chunk(group, *root) {
                    Some(chunk) if same_order(&stored, &wanted.logical) => {
                        chunk_bounds(chunk, file.footer.schema.field(*root).data_type(), rows)
                    }
                    _ => Bounds::default(),
                }
            }
            Some(ColumnSource::Constant(_)) => {
                let value = wanted.partition.and_then(|index| file.entry.partition_values.get(index));
                match value {
                    Some(value) if !value.is_null() => {
                        let bound = prune::bound_of(value, value.data_type());
                        Bounds { min: bound.clone(), max: bound, nulls: Some(0), rows }
                    }
                    _ => Bounds { min: None, max: None, nulls: Some(rows), rows },
                }
            }
            None => Bounds::default(),
        }
    }

    /// The rows of a row group that the filters leave by the bounds of its pages.
    fn row_ranges(&self, file: &ScanFile, handle: &FileHandle, group: usize) -> Vec<Range<usize>> {
        let metadata = file.footer.metadata.row_groups().get(group);
        let rows = metadata.map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0));
        if self.filters.is_empty() {
            return std::iter::once(0..rows).collect();
        }
        let Some(indexed) = file.footer.page_index(handle) else { return std::iter::once(0..rows).collect() };
        let pages = |column: usize| {
            let Some(ColumnSource::Stored { root, .. }) = file.sources.get(column) else { return None };
            let data_type = file.footer.schema.field(*root).data_type();
            if !same_order(&normalised_type(data_type), &self.columns.get(column)?.logical) {
                return None;
            }
            ColumnPages::find(indexed, group, (*file.footer.leaves.get(*root)?)?, data_type)
        };
        row_ranges(&self.filters, rows, &pages, &|column| self.bounds(file, group, column))
    }

    fn place(&self, morsel: &Morsel) -> Result<(&ScanFile, usize)> {
        let place =
            self.places.get(morsel.index).and_then(|&(file, group)| Some((self.files.get(file)?, group)));
        place.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))
    }
}

/// Whether bounds of the stored type mean the same for the table's type.
fn same_order(stored: &DataType, wanted: &DataType) -> bool {
    match (stored, wanted) {
        (DataType::Decimal128(_, s), DataType::Decimal128(_, t)) => s == t,
        (stored, wanted) => {
            stored == wanted
                || stored.is_signed_integer() && wanted.is_signed_integer()
                || stored.is_unsigned_integer() && wanted.is_unsigned_integer()
                || stored.is_floating() && wanted.is_floating()
        }
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

impl Scanner for ParquetScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, morsel: &Morsel, column: usize, min: i128, max: i128) -> bool {
        let Ok((file, group)) = self.place(morsel) else { return true };
        match self.bounds(file, group, column) {
            Bounds { min: Some(Bound::Int(low)), max: Some(Bound::Int(high)), .. } => {
                low <= max && min <= high
            }
            Bounds { nulls: Some(nulls), rows, .. } if rows > 0 => nulls < rows,
            _ => true,
        }
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        let (file, group) = self.place(morsel)?;
        let handle = FileHandle::open_entry(&file.entry, &self.bytes_read)?;
        let ranges = self.row_ranges(file, &handle, group);
        let (footer, pool) = (Arc::clone(&file.footer), Arc::clone(&self.pool));
        Ok(Box::new(RowGroupReader::new(footer, handle, group, ranges, &file.sources, pool)))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}
