//! Writing columns to files: beside the target first, in its place when all is written.

mod arrow_file;
mod atomic;
mod parquet;
mod text;

use std::sync::Arc;

use ::arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use ::arrow::compute::CastOptions;
use ::arrow::datatypes::{Schema, SchemaRef};
use nyala_schema::scan::{Compression, CsvOptions, FileFormat};
use nyala_schema::{Error, ErrorCode, Result};

use crate::format;

pub use atomic::AtomicFile;
pub use parquet::{
    ROW_GROUP_ROWS, write_error as parquet_write_error, writer_options as parquet_writer_options,
};

/// Takes batches of one schema. Dropped before [`finish`](Self::finish), it leaves nothing behind.
pub trait Sink: Send {
    /// # Errors
    /// DatatypeMismatch when the batch does not fit the schema; Unsupported for a type that the format lacks;
    /// FileAccess.
    fn write(&mut self, batch: &RecordBatch) -> Result<()>;

    /// Writes what is left and puts the file in its place.
    ///
    /// # Errors
    /// As `write`.
    fn finish(self: Box<Self>) -> Result<WriteSummary>;
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteSummary {
    pub rows: u64,
    /// Of the file.
    pub bytes: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ParquetCompression {
    None,
    Snappy,
    Zstd,
}

/// A format to write, with its options.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SinkFormat {
    Parquet(ParquetCompression),
    Csv(CsvOptions),
    /// One array of objects, or with `lines` one object a line.
    Json {
        lines: bool,
        compression: Compression,
    },
    Arrow,
}

impl SinkFormat {
    /// The format that a file's name announces.
    ///
    /// # Errors
    /// InvalidParameter when it announces none.
    pub fn of_path(path: &str) -> Result<Self> {
        match format::of_path(path) {
            Some(found) => Ok(Self::of_format(&found, path)),
            None => {
                let message = format!("the name '{path}' does not say which format to write");
                Err(Error::new(ErrorCode::InvalidParameter, message)
                    .with_hint(format!("known endings are {}; or say FORMAT", format::KNOWN_ENDINGS)))
            }
        }
    }

    /// A format that is named apart from the path; the path still says whether JSON is an array, and whether text
    /// is compressed.
    pub fn of_format(format: &FileFormat, path: &str) -> Self {
        let lower = path.to_lowercase();
        let (stem, by_name) = format::split_compression(&lower);
        let chosen = |named: Compression| if named == Compression::None { by_name } else { named };
        match format {
            FileFormat::Parquet => Self::Parquet(ParquetCompression::Snappy),
            FileFormat::Arrow => Self::Arrow,
            FileFormat::Csv(options) => {
                Self::Csv(CsvOptions { compression: chosen(options.compression), ..options.clone() })
            }
            FileFormat::Json(compression) => {
                let lines = stem.ends_with(".ndjson") || stem.ends_with(".jsonl");
                Self::Json { lines, compression: chosen(*compression) }
            }
        }
    }
}

/// Opens a sink for a file that is put in place, over an old one of its name, when the sink is finished.
///
/// # Errors
/// FileAccess when the directory is missing or may not be written; Unsupported for types that the format lacks.
pub fn create_sink(path: &str, format: &SinkFormat, schema: SchemaRef) -> Result<Box<dyn Sink>> {
    if schema.fields().is_empty() {
        return Err(Error::new(ErrorCode::InvalidParameter, "a file needs at least one column"));
    }
    let file = AtomicFile::create(path)?;
    Ok(match format {
        SinkFormat::Parquet(compression) => Box::new(parquet::ParquetSink::new(file, &schema, *compression)?),
        SinkFormat::Csv(options) => Box::new(text::CsvSink::new(file, schema, options)?),
        SinkFormat::Json { lines, compression } => {
            Box::new(text::JsonSink::new(file, schema, *lines, *compression)?)
        }
        SinkFormat::Arrow => Box::new(arrow_file::ArrowSink::new(file, &schema)?),
    })
}

/// A batch with its columns in the types of `schema`: dictionaries expanded, decimals of the wanted width.
fn fitted(batch: &RecordBatch, schema: &SchemaRef) -> Result<RecordBatch> {
    if batch.num_columns() != schema.fields().len() {
        let message =
            format!("a batch has {} columns, its sink {}", batch.num_columns(), schema.fields().len());
        return Err(Error::new(ErrorCode::DatatypeMismatch, message));
    }
    let options = CastOptions { safe: false, ..CastOptions::default() };
    let columns: Vec<ArrayRef> = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .map(|(field, column)| {
            if column.data_type() == field.data_type() {
                return Ok(Arc::clone(column));
            }
            Ok(::arrow::compute::cast_with_options(column, field.data_type(), &options)?)
        })
        .collect::<Result<_>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|error| Error::new(ErrorCode::DatatypeMismatch, error.to_string()))
}

/// The schema with every column nullable and without Arrow's own metadata.
fn plain_schema(schema: &Schema) -> SchemaRef {
    let fields: Vec<_> = schema
        .fields()
        .iter()
        .map(|field| field.as_ref().clone().with_metadata(std::collections::HashMap::new()))
        .collect();
    Arc::new(Schema::new(fields))
}
