//! JSON files, one object a line or one array of objects: what they hold, and scans over them.

use std::io::Read;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use arrow::datatypes::Schema;
use nyala_schema::scan::{FileEntry, TableScan};
use nyala_schema::{Error, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, OutputColumn, output_columns};
use crate::resolve::{FileContents, FileSchema};
use crate::scanner::{Morsel, MorselReader, Scanner};

use super::input;
use super::json_infer;
use super::json_reader::{JsonColumn, JsonReader};
use super::split::json_pieces;

const FILES_SAMPLED: usize = 16;
/// Decompressed bytes of a file that are looked at.
const SAMPLE_BYTES: usize = 1 << 20;

/// Columns from a sample of the first files, rows estimated from their sizes.
///
/// # Errors
/// FileAccess, CorruptFile, InvalidText.
pub(crate) fn describe(files: &[FileEntry], declared: Option<&Schema>) -> Result<FileContents> {
    let mut schemas = Vec::new();
    let (mut rows, mut bytes, mut total) = (0.0, 0.0, 0.0);
    for (index, entry) in files.iter().enumerate() {
        total += entry.size as f64;
        if index >= FILES_SAMPLED {
            continue;
        }
        let (file, _) = FileHandle::open(&entry.path, &Arc::default())?;
        let (sample, complete) = input::sample(&file, SAMPLE_BYTES)?;
        let (schema, found) = json_infer::infer(&entry.path, &sample)?;
        let packed = input::compression(&file)? != nyala_schema::scan::Compression::None;
        let text_bytes = if packed { entry.size as f64 * 4.0 } else { entry.size as f64 };
        rows += if complete { found as f64 } else { found as f64 * text_bytes / sample.len().max(1) as f64 };
        bytes += entry.size as f64;
        schemas.push(FileSchema { path: entry.path.clone(), schema: Arc::new(schema), guessed: true });
    }
    let rows = if bytes > 0.0 { rows * total / bytes } else { 0.0 };
    if declared.is_some() {
        schemas.clear();
    }
    Ok(FileContents::of_schemas(schemas, Some(rows)))
}

pub struct JsonScanner {
    files: Vec<(FileEntry, bool)>,
    columns: Vec<OutputColumn>,
    morsels: Vec<Morsel>,
    pieces: Vec<(usize, u64, u64)>,
    bytes_read: Arc<AtomicU64>,
}

impl JsonScanner {
    /// # Errors
    /// FileAccess, CorruptFile.
    pub fn open(scan: &TableScan, entries: &[FileEntry]) -> Result<Self> {
        let mut scanner = Self {
            files: Vec::with_capacity(entries.len()),
            columns: output_columns(scan)?,
            morsels: Vec::new(),
            pieces: Vec::new(),
            bytes_read: Arc::default(),
        };
        for (index, entry) in entries.iter().enumerate() {
            let (file, _) = FileHandle::open(&entry.path, &Arc::default())?;
            let is_array = starts_with_array(&file)?;
            scanner.files.push((entry.clone(), is_array));
            let pieces = if is_array { vec![(0, entry.size)] } else { json_pieces(&file)? };
            for (start, end) in pieces.into_iter().filter(|(start, end)| start < end) {
                scanner
                    .morsels
                    .push(Morsel { index: scanner.pieces.len(), rows: ((end - start) / 128).max(1) });
                scanner.pieces.push((index, start, end));
            }
        }
        Ok(scanner)
    }

    fn sources(&self, entry: &FileEntry) -> Result<Vec<JsonColumn>> {
        self.columns
            .iter()
            .map(|column| match column.partition {
                None => Ok(JsonColumn::Field(column.clone())),
                Some(index) => {
                    let value = entry.partition_values.get(index).ok_or_else(|| {
                        Error::internal(format!("'{}' lacks a partition value", entry.path))
                    })?;
                    Ok(JsonColumn::Constant(Constant::new(value, &column.physical)?))
                }
            })
            .collect()
    }
}

fn starts_with_array(file: &FileHandle) -> Result<bool> {
    let mut input = input::open(file)?;
    let mut byte = [0u8];
    loop {
        let read = input.read(&mut byte).map_err(|error| input::read_error(file.path(), &error))?;
        if read == 0 || !byte[0].is_ascii_whitespace() {
            return Ok(read == 1 && byte[0] == b'[');
        }
    }
}

impl Scanner for JsonScanner {
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
        let ((entry, is_array), start, end) =
            piece.ok_or_else(|| Error::internal(format!("a scan has no morsel {}", morsel.index)))?;
        let file = FileHandle::open_entry(entry, &self.bytes_read)?;
        let sources = self.sources(entry)?;
        Ok(Box::new(JsonReader::new(file, start, end, *is_array, sources)))
    }

    fn bytes_read(&self) -> u64 {
        self.bytes_read.load(Ordering::Relaxed)
    }
}
