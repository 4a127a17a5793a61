//! Writing Parquet.

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Schema, SchemaRef, TimeUnit};
use nyala_schema::{Error, ErrorCode, Result};
use parquet::arrow::ArrowWriter;
use parquet::arrow::arrow_writer::ArrowWriterOptions;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};

use super::{AtomicFile, ParquetCompression, Sink, WriteSummary, fitted, plain_schema};

/// A row group is what one worker reads at a time.
pub const ROW_GROUP_ROWS: usize = 122_880;
/// A page is what a reader can pass over.
const PAGE_ROWS: usize = 20_480;
const PAGE_BYTES: usize = 1 << 20;

/// The settings of all Parquet files that are written here.
pub fn writer_properties(compression: ParquetCompression) -> WriterProperties {
    let compression = match compression {
        ParquetCompression::None => Compression::UNCOMPRESSED,
        ParquetCompression::Snappy => Compression::SNAPPY,
        ParquetCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
    };
    WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(ROW_GROUP_ROWS))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(1024)
        .set_created_by(concat!("nyala ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}

pub struct ParquetSink {
    writer: ArrowWriter<AtomicFile>,
    schema: SchemaRef,
    rows: u64,
    target: String,
}

impl ParquetSink {
    pub fn new(file: AtomicFile, schema: &Schema, compression: ParquetCompression) -> Result<Self> {
        let schema = plain_schema(schema);
        let target = file.target().display().to_string();
        let options = writer_options(&schema, compression);
        let writer = ArrowWriter::try_new_with_options(file, schema.clone(), options)
            .map_err(|error| write_error(&target, error))?;
        Ok(Self { writer, schema, rows: 0, target })
    }
}

/// Arrow's own schema is left out of the footer where Parquet's types say it all.
pub fn writer_options(schema: &Schema, compression: ParquetCompression) -> ArrowWriterOptions {
    let plain = schema.fields().iter().all(|field| is_plain(field.data_type()));
    ArrowWriterOptions::new().with_properties(writer_properties(compression)).with_skip_arrow_metadata(plain)
}

fn is_plain(data_type: &DataType) -> bool {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Boolean | DataType::Date32 => {
            true
        }
        DataType::Binary | DataType::LargeBinary | DataType::BinaryView => true,
        DataType::Float32 | DataType::Float64 => true,
        DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..) => true,
        DataType::Timestamp(unit, zone) => *unit != TimeUnit::Second && zone.is_none(),
        DataType::Time32(unit) => *unit != TimeUnit::Second,
        DataType::Time64(_) => true,
        other => other.is_integer(),
    }
}

pub fn write_error(target: &str, error: ParquetError) -> Error {
    let code = match &error {
        ParquetError::NYI(_) | ParquetError::ArrowError(_) => ErrorCode::Unsupported,
        _ => ErrorCode::FileAccess,
    };
    Error::new(code, format!("'{target}' cannot be written: {error}"))
}

impl Sink for ParquetSink {
    fn write(&mut self, batch: &RecordBatch) -> Result<()> {
        let batch = fitted(batch, &self.schema)?;
        self.rows += batch.num_rows() as u64;
        self.writer.write(&batch).map_err(|error| write_error(&self.target, error))
    }

    fn finish(self: Box<Self>) -> Result<WriteSummary> {
        let target = self.target;
        let file = self.writer.into_inner().map_err(|error| write_error(&target, error))?;
        Ok(WriteSummary { rows: self.rows, bytes: file.commit()? })
    }
}
