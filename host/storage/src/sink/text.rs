//! Writing CSV and JSON, plain or compressed.

use std::io::{self, Write};
use std::path::PathBuf;

use arrow::array::RecordBatch;
use arrow::csv;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::error::ArrowError;
use arrow::json;
use arrow::json::writer::{JsonArray, LineDelimited};
use nyala_schema::scan::{Compression, CsvOptions};
use nyala_schema::{Error, ErrorCode, Result};

use super::atomic::write_error;
use super::{AtomicFile, Sink, WriteSummary, fitted};

/// A text file that compresses what is written to it.
enum TextFile {
    Plain(AtomicFile),
    Gzip(flate2::write::GzEncoder<AtomicFile>),
    Zstd(zstd::stream::write::Encoder<'static, AtomicFile>),
}

impl TextFile {
    fn new(file: AtomicFile, compression: Compression) -> io::Result<Self> {
        Ok(match compression {
            Compression::None => Self::Plain(file),
            Compression::Gzip => {
                Self::Gzip(flate2::write::GzEncoder::new(file, flate2::Compression::default()))
            }
            Compression::Zstd => Self::Zstd(zstd::stream::write::Encoder::new(file, 0)?),
        })
    }

    fn finish(self) -> io::Result<AtomicFile> {
        match self {
            Self::Plain(file) => Ok(file),
            Self::Gzip(encoder) => encoder.finish(),
            Self::Zstd(encoder) => encoder.finish(),
        }
    }
}

impl Write for TextFile {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.write(bytes),
            Self::Gzip(encoder) => encoder.write(bytes),
            Self::Zstd(encoder) => encoder.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Self::Plain(file) => file.flush(),
            Self::Gzip(encoder) => encoder.flush(),
            Self::Zstd(encoder) => encoder.flush(),
        }
    }
}

fn text_error(target: &std::path::Path, error: ArrowError) -> Error {
    match error {
        ArrowError::IoError(_, inner) => write_error(target, &inner),
        other => {
            Error::new(ErrorCode::FileAccess, format!("'{}' cannot be written: {other}", target.display()))
        }
    }
}

fn committed(file: TextFile, target: &std::path::Path, rows: u64) -> Result<WriteSummary> {
    let file = file.finish().map_err(|error| write_error(target, &error))?;
    Ok(WriteSummary { rows, bytes: file.commit()? })
}

pub struct CsvSink {
    writer: csv::Writer<TextFile>,
    schema: SchemaRef,
    rows: u64,
    target: PathBuf,
}

impl CsvSink {
    pub fn new(file: AtomicFile, schema: SchemaRef, options: &CsvOptions) -> Result<Self> {
        let nested = schema
            .fields()
            .iter()
            .find(|field| field.data_type().is_nested() && !is_dictionary(field.data_type()));
        if let Some(field) = nested {
            let message =
                format!("column '{}' of type {} cannot be written as CSV", field.name(), field.data_type());
            return Err(
                Error::unsupported(message).with_hint("write Parquet or JSON, or cast the column to TEXT")
            );
        }
        let target = file.target().to_owned();
        let file = TextFile::new(file, options.compression).map_err(|error| write_error(&target, &error))?;
        let mut builder = csv::WriterBuilder::new()
            .with_header(options.header)
            .with_delimiter(options.delimiter)
            .with_quote(options.quote);
        if let Some(text) = &options.null_text {
            builder = builder.with_null(text.clone());
        }
        let mut sink = Self { writer: builder.build(file), schema, rows: 0, target };
        // A result without rows still has a header.
        sink.write(&RecordBatch::new_empty(sink.schema.clone()))?;
        Ok(sink)
    }
}

fn is_dictionary(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Dictionary(..))
}

impl Sink for CsvSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch).map_err(|error| text_error(&self.target, error))
    }

    fn finish(self: Box<Self>) -> Result<WriteSummary> {
        committed(self.writer.into_inner(), &self.target, self.rows)
    }
}

enum JsonWriter {
    Array(json::Writer<TextFile, JsonArray>),
    Lines(json::Writer<TextFile, LineDelimited>),
}

pub struct JsonSink {
    writer: JsonWriter,
    schema: SchemaRef,
    rows: u64,
    target: PathBuf,
}

impl JsonSink {
    pub fn new(file: AtomicFile, schema: SchemaRef, lines: bool, compression: Compression) -> Result<Self> {
        let target = file.target().to_owned();
        let file = TextFile::new(file, compression).map_err(|error| write_error(&target, &error))?;
        let builder = json::WriterBuilder::new().with_explicit_nulls(true);
        let writer = if lines {
            JsonWriter::Lines(builder.build(file))
        } else {
            JsonWriter::Array(builder.build(file))
        };
        Ok(Self { writer, schema, rows: 0, target })
    }
}

impl Sink for JsonSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        let written = match &mut self.writer {
            JsonWriter::Array(writer) => writer.write(&batch),
            JsonWriter::Lines(writer) => writer.write(&batch),
        };
        written.map_err(|error| text_error(&self.target, error))
    }

    fn finish(self: Box<Self>) -> Result<WriteSummary> {
        let target = self.target;
        let file = match self.writer {
            JsonWriter::Array(mut writer) => {
                writer.finish().map_err(|error| text_error(&target, error))?;
                writer.into_inner()
            }
            JsonWriter::Lines(mut writer) => {
                writer.finish().map_err(|error| text_error(&target, error))?;
                writer.into_inner()
            }
        };
        committed(file, &target, self.rows)
    }
}
