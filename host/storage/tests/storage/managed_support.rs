//! What the tests of managed tables share: shapes, rows, and files read back by the `parquet` crate.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::{cast, concat};
use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::id::{ColumnId, TableId};
use nyala_schema::managed::{DataFile, FileContent, SortField, TableColumn, TableProperties, TableShape};
use nyala_schema::scan::physical_type;
use nyala_storage::Storage;
use nyala_storage::managed::{TableWriter, Warehouse, WriteOptions, Written};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;

pub const TABLE: TableId = TableId(0x1234);

/// Columns `c0`, `c1`, … whose ids do not follow their places.
pub fn shape(types: &[DataType]) -> TableShape {
    let columns = types.iter().enumerate().map(|(at, data_type)| TableColumn {
        id: ColumnId(at as u32 * 3 + 7),
        name: format!("c{at}"),
        data_type: data_type.clone(),
        nullable: true,
        default: None,
        initial: None,
    });
    TableShape { columns: columns.collect(), ..TableShape::default() }
}

pub fn ascending(shape: &TableShape, column: usize) -> SortField {
    SortField { column: shape.columns[column].id, descending: false, nulls_first: true }
}

/// Rows in physical types.
pub fn batch(shape: &TableShape, columns: Vec<ArrayRef>) -> RecordBatch {
    let columns = columns.iter().zip(&shape.columns).map(|(array, column)| {
        let name = column.name.clone();
        (name, cast(array, &physical_type(&column.data_type)).unwrap())
    });
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Everything into files.
pub fn to_files() -> WriteOptions {
    WriteOptions { threads: 2, memory_bytes: 64 << 20, inline_rows: 0, inline_bytes: 0 }
}

pub fn write(
    warehouse: &Warehouse,
    shape: &TableShape,
    properties: &TableProperties,
    options: WriteOptions,
    batches: &[RecordBatch],
) -> Result<Written> {
    let storage = Storage::with_warehouse(warehouse.clone());
    let mut writer = TableWriter::new(&storage, TABLE, Arc::new(shape.clone()), properties, options)?;
    batches.iter().try_for_each(|batch| writer.write(batch))?;
    writer.finish()
}

/// The columns of a file in physical types, by the `parquet` crate.
pub fn read_back(warehouse: &Warehouse, shape: &TableShape, file: &DataFile) -> Vec<ArrayRef> {
    let read: Vec<RecordBatch> = match &file.content {
        FileContent::Rows(rows) => vec![rows.batch.clone()],
        FileContent::Parquet { path, size, row_groups } => {
            let bytes = warehouse.read(TABLE, path).unwrap();
            assert_eq!(bytes.len() as u64, *size);
            let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
            let groups = builder.metadata().row_groups().iter().map(|group| group.num_rows() as u32);
            assert_eq!(groups.collect::<Vec<_>>(), row_groups.to_vec());
            builder.build().unwrap().collect::<Result<_, _>>().unwrap()
        }
    };
    let joined = |(at, column): (usize, &TableColumn)| {
        let physical = physical_type(&column.data_type);
        let parts: Vec<ArrayRef> =
            read.iter().map(|batch| cast(batch.column(at), &physical).unwrap()).collect();
        let parts: Vec<&dyn arrow::array::Array> = parts.iter().map(AsRef::as_ref).collect();
        concat(&parts).unwrap()
    };
    shape.columns.iter().enumerate().map(joined).collect()
}

/// One column of several batches.
pub fn joined(batches: &[RecordBatch], column: usize) -> ArrayRef {
    let parts: Vec<&dyn arrow::array::Array> =
        batches.iter().map(|batch| batch.column(column).as_ref()).collect();
    concat(&parts).unwrap()
}
