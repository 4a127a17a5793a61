//! The batches of one piece of a CSV file.

use std::io::BufRead;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch, Scalar, StringArray};
use arrow::compute::CastOptions;
use arrow::csv::ReaderBuilder;
use arrow::csv::reader::Decoder;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::scan::{CsvOptions, physical_type};
use nyala_schema::type_name::sql_type_name;
use nyala_schema::{Error, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, conform};
use crate::scanner::MorselReader;

use super::csv_error::{csv_error, value_error};
use super::input::{self, Input};

/// Rows that are parsed at a time, at most.
const BATCH_ROWS_MAX: usize = 16_384;

pub enum CsvColumn {
    Constant(Constant),
    Field {
        /// Position in the file.
        place: usize,
        name: String,
        logical: DataType,
        physical: DataType,
    },
}

/// Bytes `start..end` of a file, or all of it.
pub struct PieceOfFile {
    pub file: FileHandle,
    pub start: u64,
    pub end: u64,
}

pub struct CsvReader {
    piece: PieceOfFile,
    options: CsvOptions,
    /// Fields of a row.
    width: usize,
    columns: Vec<CsvColumn>,
    state: Option<(Decoder, Input)>,
    /// All fields that are needed, as text.
    batch: Option<RecordBatch>,
    /// Where each field of the file stands in `batch`.
    places: Vec<usize>,
    /// Of the current batch within `batch`.
    start: usize,
    length: usize,
    /// Records of the piece before `batch`.
    records: u64,
}

impl CsvReader {
    pub fn new(piece: PieceOfFile, options: &CsvOptions, width: usize, columns: Vec<CsvColumn>) -> Self {
        let mut places: Vec<usize> = columns
            .iter()
            .filter_map(|column| match column {
                CsvColumn::Field { place, .. } => Some(*place),
                CsvColumn::Constant(_) => None,
            })
            .collect();
        places.sort_unstable();
        places.dedup();
        let options = options.clone();
        Self {
            piece,
            options,
            width,
            columns,
            state: None,
            batch: None,
            places,
            start: 0,
            length: 0,
            records: 0,
        }
    }

    fn open(&self, rows_max: usize) -> Result<(Decoder, Input)> {
        let first = self.piece.start == 0;
        let input = if first && self.piece.end >= self.piece.file.size() {
            input::open(&self.piece.file)?
        } else if first {
            skip_mark(input::open_part(&self.piece.file, 0, self.piece.end))
        } else {
            input::open_part(&self.piece.file, self.piece.start, self.piece.end)
        };
        let fields: Vec<Field> =
            (0..self.width).map(|index| Field::new(index.to_string(), DataType::Utf8, true)).collect();
        let decoder = ReaderBuilder::new(Arc::new(Schema::new(fields)))
            .with_header(self.options.header && first)
            .with_delimiter(self.options.delimiter)
            .with_quote(self.options.quote)
            .with_batch_size(rows_max.clamp(1, BATCH_ROWS_MAX))
            .with_projection(self.places.clone())
            .build_decoder();
        Ok((decoder, input))
    }

    fn parse(&mut self, rows_max: usize) -> Result<Option<RecordBatch>> {
        let (mut decoder, mut input) = match self.state.take() {
            Some(state) => state,
            None => self.open(rows_max)?,
        };
        loop {
            let buffer =
                input.fill_buf().map_err(|error| input::read_error(self.piece.file.path(), &error))?;
            let available = buffer.len();
            let used = decoder.decode(buffer).map_err(|error| self.syntax_error(&error.to_string()))?;
            input.consume(used);
            if available == 0 || used < available && decoder.capacity() == 0 || used == 0 {
                break;
            }
        }
        let batch = decoder.flush().map_err(|error| self.syntax_error(&error.to_string()))?;
        self.state = Some((decoder, input));
        Ok(batch)
    }

    fn syntax_error(&self, message: &str) -> Error {
        let before =
            if self.piece.start == 0 { 0 } else { input::lines_before(&self.piece.file, self.piece.start) };
        csv_error(self.piece.file.path(), before, message)
    }

    /// The line of a record, counted from 1; exact where no field spans lines.
    fn line_of(&self, record: u64) -> u64 {
        if self.piece.start == 0 {
            return record + 1 + u64::from(self.options.header);
        }
        input::lines_before(&self.piece.file, self.piece.start) + record + 1
    }

    fn field(&self, index: usize) -> Result<ArrayRef> {
        let Some(CsvColumn::Field { place, name, logical, physical }) = self.columns.get(index) else {
            return Err(Error::internal(format!("a scan has no output column {index}")));
        };
        let texts = self
            .batch
            .as_ref()
            .zip(self.places.binary_search(place).ok())
            .map(|(batch, column)| batch.column(column).slice(self.start, self.length))
            .ok_or_else(|| Error::internal("a CSV field was not parsed"))?;
        let texts = without_null_text(&texts, self.options.null_text.as_deref())?;
        let typed = typed(&texts, logical).ok_or_else(|| self.value_error(&texts, name, logical));
        conform(typed?, physical)
    }

    fn value_error(&self, texts: &ArrayRef, name: &str, logical: &DataType) -> Error {
        let texts = texts.as_string::<i32>();
        let row = (0..texts.len())
            .find(|&row| typed(&(Arc::new(texts.slice(row, 1)) as ArrayRef), logical).is_none());
        let row = row.unwrap_or(0);
        let value = if texts.is_empty() { "" } else { texts.value(row) };
        let line = self.line_of(self.records + (self.start + row) as u64);
        value_error(self.piece.file.path(), line, name, value, &type_name(logical))
    }
}

impl MorselReader for CsvReader {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        self.start += self.length;
        let parsed = self.batch.as_ref().map_or(0, RecordBatch::num_rows);
        if self.start >= parsed {
            self.records += parsed as u64;
            self.start = 0;
            self.batch = self.parse(rows_max)?;
        }
        let parsed = self.batch.as_ref().map_or(0, RecordBatch::num_rows);
        self.length = rows_max.min(parsed - self.start);
        Ok(self.length)
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        match self.columns.get(index) {
            Some(CsvColumn::Constant(constant)) => constant.repeat(self.length),
            _ => self.field(index),
        }
    }
}

fn skip_mark(mut input: Input) -> Input {
    if input.fill_buf().is_ok_and(|start| start.starts_with(&[0xef, 0xbb, 0xbf])) {
        input.consume(3);
    }
    input
}

/// Makes the text that stands for NULL NULL; the empty field is already.
///
/// # Errors
/// Internal.
pub fn without_null_text(texts: &ArrayRef, null_text: Option<&str>) -> Result<ArrayRef> {
    let Some(null_text) = null_text.filter(|text| !text.is_empty()) else { return Ok(Arc::clone(texts)) };
    let wanted = Scalar::new(StringArray::from(vec![null_text]));
    let is_null = arrow::compute::kernels::cmp::eq(texts, &wanted)?;
    Ok(arrow::compute::nullif(texts, &is_null)?)
}

/// The values of texts in a logical type; `None` when one is not a value of it.
fn typed(texts: &ArrayRef, logical: &DataType) -> Option<ArrayRef> {
    let target = physical_type(logical);
    let options = CastOptions { safe: true, ..CastOptions::default() };
    let cast = |texts: &ArrayRef| {
        arrow::compute::cast_with_options(texts, &target, &options)
            .or_else(|_| arrow::compute::cast_with_options(texts, logical, &options))
            .ok()
            .filter(|cast| cast.null_count() == texts.null_count())
    };
    cast(texts).or_else(|| {
        let trimmed: StringArray =
            texts.as_string_opt::<i32>()?.iter().map(|text| text.map(str::trim)).collect();
        cast(&(Arc::new(trimmed) as ArrayRef))
    })
}

fn type_name(data_type: &DataType) -> String {
    match data_type {
        DataType::Boolean => "true or false".to_owned(),
        DataType::Date32 => "a date such as 2024-12-31".to_owned(),
        DataType::Timestamp(..) => "a timestamp such as 2024-12-31 23:59:59".to_owned(),
        DataType::Decimal128(p, s) => format!("a DECIMAL({p}, {s})"),
        it if it.is_integer() => format!("a whole number ({})", sql_type_name(it)),
        it if it.is_floating() => "a number".to_owned(),
        it => format!("a value of type {}", sql_type_name(it)),
    }
}
