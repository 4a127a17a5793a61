//! What all files of one statement have in common.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::buffer::Buffer;
use arrow::compute::{CastOptions, cast_with_options};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use nyala_schema::id::TableId;
use nyala_schema::managed::property::FileCompression;
use nyala_schema::managed::{TableProperties, TableShape};
use nyala_schema::scan::physical_type;
use nyala_schema::type_name::sql_type_name;
use nyala_schema::{Error, ErrorCode, Result};
use parquet::arrow::ArrowSchemaConverter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::file::metadata::SortingColumn;
use parquet::file::properties::{EnabledStatistics, WriterProperties, WriterPropertiesPtr};
use parquet::schema::types::{ColumnDescPtr, SchemaDescPtr};

use super::warehouse::Warehouse;

/// Numbers and codes gain little by Zstandard and take twice as long to read: they are left to LZ4 then.
#[derive(Clone, Copy)]
pub struct Codecs {
    /// Of texts without a dictionary.
    pub texts: Compression,
    pub others: Compression,
}

/// By this key Arrow's fields carry the field id of Parquet.
const FIELD_ID: &str = "PARQUET:field_id";

/// A table as files are written of it.
pub struct Target {
    pub warehouse: Warehouse,
    pub table: TableId,
    pub shape: Arc<TableShape>,
    pub properties: TableProperties,
    /// Physical types under the names of the columns.
    pub schema: SchemaRef,
    pub descriptor: SchemaDescPtr,
    pub parquet: WriterPropertiesPtr,
}

impl Target {
    /// # Errors
    /// Unsupported for a column whose type Parquet lacks.
    pub fn new(
        warehouse: Warehouse,
        table: TableId,
        shape: Arc<TableShape>,
        properties: &TableProperties,
    ) -> Result<Self> {
        if let Some(column) = shape.columns.iter().find(|column| !is_storable(&column.data_type)) {
            let (name, data_type) = (&column.name, sql_type_name(&column.data_type));
            let message = format!("column \"{name}\" is {data_type}, which tables do not keep");
            return Err(Error::unsupported(message).with_hint("keep it as text, or as a number of units"));
        }
        let fields: Vec<Field> = shape
            .columns
            .iter()
            .map(|column| {
                let id = (FIELD_ID.to_owned(), column.id.0.to_string());
                Field::new(&column.name, physical_type(&column.data_type), column.nullable)
                    .with_metadata(HashMap::from([id]))
            })
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let descriptor = ArrowSchemaConverter::new().convert(&schema).map_err(|error| {
            Error::unsupported(format!("a table cannot have these columns: {error}"))
                .with_hint("keep such values as text")
        })?;
        let parquet = Arc::new(writer_properties(&shape, properties));
        let properties = properties.clone();
        let descriptor = Arc::new(descriptor);
        Ok(Self { warehouse, table, shape, properties, schema, descriptor, parquet })
    }

    /// The Parquet column of a column that is not nested.
    pub fn leaf(&self, column: usize) -> Option<ColumnDescPtr> {
        let leaf = (0..self.descriptor.num_columns())
            .find(|leaf| self.descriptor.get_column_root_idx(*leaf) == column)?;
        Some(self.descriptor.column(leaf))
    }

    /// How columns are compressed that are encoded here.
    pub fn codecs(&self) -> Codecs {
        let (texts, others) = match self.properties.compression {
            FileCompression::None => (Compression::UNCOMPRESSED, Compression::UNCOMPRESSED),
            FileCompression::Snappy => (Compression::SNAPPY, Compression::SNAPPY),
            FileCompression::Lz4 => (Compression::LZ4_RAW, Compression::LZ4_RAW),
            FileCompression::Zstd => (Compression::ZSTD(ZstdLevel::default()), Compression::LZ4_RAW),
        };
        Codecs { texts, others }
    }

    /// A batch in physical types; text may still be a dictionary of views.
    ///
    /// # Errors
    /// DatatypeMismatch; NotNullViolation; NumericOverflow for a decimal that is wider than its type.
    pub fn fitted(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        if batch.num_columns() != self.schema.fields().len() {
            let (got, want) = (batch.num_columns(), self.schema.fields().len());
            let message = format!("rows of {got} columns are written to a table of {want}");
            return Err(Error::new(ErrorCode::DatatypeMismatch, message));
        }
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns: Vec<ArrayRef> =
            columns.map(|(field, column)| fitted_column(field, column)).collect::<Result<_>>()?;
        let fields = self.schema.fields().iter().zip(&columns);
        let as_they_are: Vec<Field> = fields
            .map(|(field, column)| field.as_ref().clone().with_data_type(column.data_type().clone()))
            .collect();
        let fitted = RecordBatch::try_new(Arc::new(Schema::new(as_they_are)), columns);
        fitted.map_err(|error| Error::new(ErrorCode::DatatypeMismatch, error.to_string()))
    }
}

/// Whether Parquet has a place for values of a type.
fn is_storable(data_type: &DataType) -> bool {
    match data_type {
        DataType::Interval(_) | DataType::Duration(_) | DataType::Null | DataType::Union(..) => false,
        DataType::List(item) | DataType::LargeList(item) | DataType::FixedSizeList(item, _) => {
            is_storable(item.data_type())
        }
        DataType::Map(entry, _) => is_storable(entry.data_type()),
        DataType::Struct(fields) => {
            !fields.is_empty() && fields.iter().all(|field| is_storable(field.data_type()))
        }
        _ => true,
    }
}

fn fitted_column(field: &Field, column: &ArrayRef) -> Result<ArrayRef> {
    const WASTE_MAX: usize = 4;
    if !field.is_nullable() && column.logical_null_count() > 0 {
        let message = format!("column \"{}\" may not be NULL", field.name());
        return Err(
            Error::new(ErrorCode::NotNullViolation, message).with_hint("give it a value, or a default")
        );
    }
    if column.data_type() == field.data_type() {
        return compact(column, WASTE_MAX);
    }
    if physical_type(column.data_type()) != *field.data_type() {
        let (name, want, got) = (field.name(), field.data_type(), column.data_type());
        let message = format!("column \"{name}\" is {want}, not {got}");
        return Err(Error::new(ErrorCode::DatatypeMismatch, message));
    }
    match column.data_type() {
        DataType::Dictionary(_, values) if values.as_ref() == field.data_type() && is_view(values) => {
            Ok(Arc::clone(column))
        }
        _ => compact(&converted(column, field.data_type())?, WASTE_MAX),
    }
}

fn converted(column: &ArrayRef, data_type: &DataType) -> Result<ArrayRef> {
    let options = CastOptions { safe: false, ..CastOptions::default() };
    Ok(cast_with_options(column, data_type, &options)?)
}

fn is_view(data_type: &DataType) -> bool {
    matches!(data_type, DataType::Utf8View | DataType::BinaryView)
}

/// Text without the buffers of other rows, when these are many times larger than its own: a few rows must not keep them.
fn compact(array: &ArrayRef, waste_max: usize) -> Result<ArrayRef> {
    let is_wasteful = |buffers: &[Buffer], used: usize| {
        buffers.iter().map(Buffer::capacity).sum::<usize>() > waste_max * used
    };
    Ok(match array.data_type() {
        DataType::Utf8View => {
            let views = array.as_string_view();
            let is_wasteful = is_wasteful(views.data_buffers(), views.total_buffer_bytes_used());
            if is_wasteful { Arc::new(views.gc()) } else { Arc::clone(array) }
        }
        DataType::BinaryView => {
            let views = array.as_binary_view();
            let is_wasteful = is_wasteful(views.data_buffers(), views.total_buffer_bytes_used());
            if is_wasteful { Arc::new(views.gc()) } else { Arc::clone(array) }
        }
        _ => Arc::clone(array),
    })
}

impl Target {
    /// A fitted batch without dictionaries.
    ///
    /// # Errors
    /// Those of Arrow's kernels.
    pub fn unpacked(&self, batch: &RecordBatch) -> Result<RecordBatch> {
        let columns = self.schema.fields().iter().zip(batch.columns());
        let columns = columns.map(|(field, column)| match column.data_type() {
            DataType::Dictionary(_, _) => converted(column, field.data_type()),
            _ => Ok(Arc::clone(column)),
        });
        Ok(RecordBatch::try_new(Arc::clone(&self.schema), columns.collect::<Result<_>>()?)?)
    }
}

/// Without buffers that only other rows need.
///
/// # Errors
/// Those of Arrow's kernels.
pub fn compact_batch(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns: Vec<ArrayRef> =
        batch.columns().iter().map(|array| compact(array, 1)).collect::<Result<_>>()?;
    Ok(RecordBatch::try_new(batch.schema(), columns)?)
}

/// Bytes of the rows of a batch, whatever their buffers hold besides.
pub fn row_bytes(batch: &RecordBatch) -> usize {
    let of_column = |array: &ArrayRef| match array.data_type() {
        DataType::Utf8View => 16 * array.len() + array.as_string_view().total_buffer_bytes_used(),
        DataType::BinaryView => 16 * array.len() + array.as_binary_view().total_buffer_bytes_used(),
        DataType::Boolean => array.len().div_ceil(8),
        // The values are shared by many batches.
        DataType::Dictionary(code, _) => array.len() * code.primitive_width().unwrap_or(0),
        other => match other.primitive_width() {
            Some(width) => array.len() * width,
            None => array.to_data().get_slice_memory_size().unwrap_or_else(|_| array.get_array_memory_size()),
        },
    };
    /// An array and its part of the batch, however few rows it has.
    const ARRAY_BYTES: usize = 160;
    batch.columns().iter().map(|array| of_column(array) + ARRAY_BYTES).sum()
}

/// A page is what a reader can pass over.
pub const PAGE_ROWS: usize = 20_480;
pub const PAGE_BYTES: usize = 1 << 20;

fn writer_properties(shape: &TableShape, properties: &TableProperties) -> WriterProperties {
    let compression = match properties.compression {
        FileCompression::None => Compression::UNCOMPRESSED,
        FileCompression::Snappy => Compression::SNAPPY,
        FileCompression::Lz4 => Compression::LZ4_RAW,
        FileCompression::Zstd => Compression::ZSTD(ZstdLevel::default()),
    };
    let sorted: Vec<SortingColumn> = shape
        .sort_by
        .iter()
        .filter_map(|field| {
            let column_idx = i32::try_from(shape.position(field.column)?).ok()?;
            Some(SortingColumn { column_idx, descending: field.descending, nulls_first: field.nulls_first })
        })
        .collect();
    WriterProperties::builder()
        .set_compression(compression)
        .set_dictionary_enabled(true)
        .set_statistics_enabled(EnabledStatistics::Page)
        .set_max_row_group_row_count(Some(properties.row_group_rows))
        .set_data_page_row_count_limit(PAGE_ROWS)
        .set_data_page_size_limit(PAGE_BYTES)
        .set_write_batch_size(1024)
        .set_sorting_columns((!sorted.is_empty()).then_some(sorted))
        .set_created_by(concat!("nyala ", env!("CARGO_PKG_VERSION")).to_owned())
        .build()
}
