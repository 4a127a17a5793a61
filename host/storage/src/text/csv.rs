//! CSV files: what they hold, and scans over them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};

use arrow::datatypes::{DataType, Schema};
use nyala_schema::scan::{CsvOptions, FileEntry, TableScan};
use nyala_schema::{Error, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, OutputColumn, file_columns, output_columns};
use crate::resolve::{FileContents, FileSchema};
use crate::scanner::{Morsel, MorselReader, Scanner};

use super::csv_infer::{self, infer};
use super::csv_reader::{CsvColumn, CsvReader, PieceOfFile};
use super::split::csv_pieces;

/// Files whose types are guessed from a sample; of the others only names are taken on trust.
const FILES_SAMPLED: usize = 16;

/// Columns from a sample of the first files, rows estimated from their sizes.
///
/// # Errors
/// FileAccess, CorruptFile.
pub(crate) fn describe(
    files: &[FileEntry],
    options: &CsvOptions,
    declared: Option<&Schema>,
) -> Result<FileContents> {
    let mut schemas = Vec::new();
    let (mut rows, mut bytes, mut total) = (0.0, 0.0, 0.0);
    for (index, entry) in files.iter().enumerate() {
        total += entry.size as f64;
        if index >= FILES_SAMPLED {
            continue;
        }
        let (file, _) = FileHandle::open(&entry.path, &Arc::new(AtomicU64::new(0)))?;
        let inferred = infer(&file, options)?;
        rows += inferred.rows;
        bytes += entry.size as f64;
        schemas.push(FileSchema { path: entry.path.clone(), schema: inferred.schema, guessed: true });
    }
    let rows = if bytes > 0.0 { rows * total / bytes } else { 0.0 };
    if declared.is_some() {
        schemas.clear();
    }
    Ok(FileContents::of_schemas(schemas, Some(rows)))
}

pub struct CsvScanner {
    files: Vec<CsvFile>,
    options: CsvOptions,
    columns: Vec<OutputColumn>,
    /// Names of the table's columns that files hold, in order: for files without a header.
    names: Vec<(String, DataType)>,
    morsels: Vec<Morsel>,
    /// File and bytes of each morsel.
    pieces: Vec<(usize, u64, u64)>,
    bytes_read: Arc<AtomicU64>,
}

struct CsvFile {
    entry: FileEntry,
    /// Names of the columns as they stand in the file, once it was looked at.
    header: OnceLock<Result<Vec<String>>>,
}

impl CsvScanner {
    /// # Errors
    /// FileAccess.
    pub fn open(scan: &TableScan, entries: &[FileEntry], options: &CsvOptions) -> Result<Self> {
        let bytes_read = Arc::new(AtomicU64::new(0));
        let partitions = entries.first().map_or(0, |entry| entry.partition_values.len());
        let mut scanner = Self {
            files: Vec::with_capacity(entries.len()),
            options: options.clone(),
            columns: output_columns(scan)?,
            names: file_columns(scan, partitions),
            morsels: Vec::new(),
            pieces: Vec::new(),
            bytes_read,
        };
        for (index, entry) in entries.iter().enumerate() {
            scanner.files.push(CsvFile { entry: entry.clone(), header: OnceLock::new() });
            if entry.size == 0 {
                continue;
            }
            let (file, _) = FileHandle::open(&entry.path, &Arc::default())?;
            for (start, end) in csv_pieces(&file, options.quote, options.delimiter)? {
                let rows = (end - start) / (16 + 8 * scanner.names.len() as u64);
                scanner.morsels.push(Morsel { index: scanner.pieces.len(), rows: rows.max(1) });
                scanner.pieces.push((index, start, end));
            }
        }
        Ok(scanner)
    }

    /// Where each output column stands in a file.
    fn sources(&self, file: &CsvFile, header: &[String]) -> Result<Vec<CsvColumn>> {
        let by_position = !self.options.header || !self.names_match(header);
        self.columns
            .iter()
            .map(|column| {
                if let Some(index) = column.partition {
                    let value = file.entry.partition_values.get(index).ok_or_else(|| {
                        Error::internal(format!("'{}' lacks a partition value", file.entry.path))
                    })?;
                    return Ok(CsvColumn::Constant(Constant::new(value, &column.physical)?));
                }
                let place = if by_position {
                    (column.table_index < header.len()).then_some(column.table_index)
                } else {
                    position(header, &column.name)
                };
                Ok(match place {
                    Some(place) => CsvColumn::Field {
                        place,
                        name: column.name.clone(),
                        logical: column.logical.clone(),
                        physical: column.physical.clone(),
                    },
                    None => CsvColumn::Constant(Constant::null(&column.physical)),
                })
            })
            .collect()
    }

    /// A declared table may name its columns unlike the header; then they are taken by position.
    fn names_match(&self, header: &[String]) -> bool {
        self.names.iter().any(|(name, _)| position(header, name).is_some())
    }
}

fn position(header: &[String], name: &str) -> Option<usize> {
    header
        .iter()
        .position(|field| field == name)
        .or_else(|| header.iter().position(|field| field.eq_ignore_ascii_case(name)))
}

impl Scanner for CsvScanner {
    fn morsels(&self) -> &[Morsel] {
        &self.morsels
    }

    fn may_contain(&self, _morsel: &Morsel, _column: usize, _min: i128, _max: i128) -> bool {
        true
    }

    fn read(&self, morsel: &Morsel) -> Result<Box<dyn MorselReader>> {
        let piece = self
            .pieces
            .get(morsel.index)
            .and_then(|&(index, start, end)| self.files.get(index).map(|file| (file, start, end)));
        let (file, start, end) =
            piece.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))?;
        let handle = FileHandle::open_entry(&file.entry, &self.bytes_read)?;
        let header = file
            .header
            .get_or_init(|| csv_infer::names(&handle, &self.options))
            .as_ref()
            .map_err(Clone::clone)?;
        let sources = self.sources(file, header)?;
        let piece = PieceOfFile { file: handle, start, end };
        Ok(Box::new(CsvReader::new(piece, &self.options, header.len(), sources)))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}
