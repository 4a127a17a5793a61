//! What a table scan reads, complete enough to run on a node that knows nothing else.

use std::fmt;

use arrow::datatypes::{DataType, SchemaRef};

use crate::expr::Expr;
use crate::id::{ColumnId, RuntimeFilterId, TableId};
use crate::managed::FileList;
use crate::statistics::ColumnStatistics;
use crate::value::Value;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    None,
    Gzip,
    Zstd,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CsvOptions {
    pub header: bool,
    pub delimiter: u8,
    pub quote: u8,
    /// What stands for NULL beside the empty field.
    pub null_text: Option<String>,
    pub compression: Compression,
}

impl Default for CsvOptions {
    fn default() -> Self {
        Self { header: true, delimiter: b',', quote: b'"', null_text: None, compression: Compression::None }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileFormat {
    Parquet,
    Csv(CsvOptions),
    /// One object a line, or one array of objects.
    Json(Compression),
    /// Arrow IPC, file or stream.
    Arrow,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Parquet => "parquet",
            Self::Csv(_) => "csv",
            Self::Json(_) => "json",
            Self::Arrow => "arrow",
        })
    }
}

/// One file as it was when the query was planned.
#[derive(Debug, Clone, PartialEq)]
pub struct FileEntry {
    pub path: String,
    /// Bytes.
    pub size: u64,
    /// Nanoseconds since 1970, to notice a file that was replaced.
    pub modified_ns: i64,
    /// Values of the partition columns, which stand after the file's own columns.
    pub partition_values: Vec<Value>,
}

#[derive(Debug, Clone, PartialEq)]
pub enum ScanSource {
    /// Files of one format. Columns are found by name; one that a file lacks is NULL.
    Files { format: FileFormat, files: Vec<FileEntry> },
    /// The files of a managed table.
    Managed(ManagedScan),
}

/// The files that a managed table has in the version that the query sees.
#[derive(Debug, Clone, PartialEq)]
pub struct ManagedScan {
    /// Names the folder of the files in the warehouse.
    pub table: TableId,
    /// One for each column of the scan's `table_schema`, except those of `row_identity`.
    pub columns: Vec<ScanColumn>,
    pub files: FileList,
    /// Whether the last two columns of `table_schema` say where a row is: the id of its file and its position there, from 0,
    /// both `Int64` and never NULL. Deleted rows are counted in positions.
    pub row_identity: bool,
}

/// Where a column of a managed table is found in its files.
#[derive(Debug, Clone, PartialEq)]
pub struct ScanColumn {
    pub id: ColumnId,
    /// What rows of files without the column have; NULL when there is none.
    pub initial: Option<Value>,
}

/// A filter that a join makes while it builds and that drops rows here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuntimeFilterUse {
    pub filter: RuntimeFilterId,
    /// Index among the scan's output columns.
    pub column: usize,
}

/// `projection` picks the output columns out of `table_schema`; everything else here speaks of output columns.
#[derive(Debug, Clone, PartialEq)]
pub struct TableScan {
    /// For people: plans, errors.
    pub table: String,
    pub source: ScanSource,
    /// All columns, those of partitions last.
    pub table_schema: SchemaRef,
    pub projection: Vec<usize>,
    /// Only rows for which all of these hold are produced.
    pub filters: Vec<Expr>,
    pub runtime_filters: Vec<RuntimeFilterUse>,
    /// No more rows than this are wanted (of those that pass `filters`).
    pub limit: Option<u64>,
    /// What is known of each output column.
    pub statistics: Vec<ColumnStatistics>,
}

/// The type in which a scan hands out a column of a logical type: text as `Utf8View`, decimals of up to 18 digits
/// as `Decimal64`; all else as it is. Text may come as a dictionary of views.
pub fn physical_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        DataType::Binary | DataType::LargeBinary => DataType::BinaryView,
        DataType::Dictionary(_, value) => physical_type(value),
        DataType::Decimal32(p, s) => DataType::Decimal64(*p, *s),
        DataType::Decimal128(p, s) if *p <= DECIMAL64_DIGITS => DataType::Decimal64(*p, *s),
        other => other.clone(),
    }
}

/// Decimal digits that an `i64` holds for certain.
pub const DECIMAL64_DIGITS: u8 = 18;
