//! A managed table of random rows in files and in the catalog, beside the rows that it should have.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Date32Array, Decimal128Array, Float64Array, Int32Array, Int64Array, RecordBatch,
    StringArray, UInt32Array,
};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::managed::property::FileCompression;
use nyala_schema::managed::{DataFile, FileList, TableColumn, TableProperties, TableShape};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource, TableScan, physical_type};
use nyala_schema::{Expr, Value};
use nyala_storage::Storage;
use nyala_storage::managed::{TableWriter, WriteOptions, delete_rows};
use roaring::RoaringBitmap;

use crate::support::Random;

pub const TABLE: TableId = TableId(0x51);

/// Columns of the table as it is read: `key` is unique; `extra` and `late` came after the first files; a column between
/// them was dropped, and `title` was called `name`.
pub struct Table {
    pub shape: Arc<TableShape>,
    pub files: FileList,
    /// The live rows in physical types: the columns of the shape, then file and position.
    pub rows: Vec<ArrayRef>,
}

fn column(id: u32, name: &str, data_type: DataType, nullable: bool) -> TableColumn {
    TableColumn { id: ColumnId(id), name: name.to_owned(), data_type, nullable, default: None, initial: None }
}

fn shape(columns: Vec<TableColumn>) -> Arc<TableShape> {
    Arc::new(TableShape { columns, next_column: 100, ..TableShape::default() })
}

fn first_shape() -> Arc<TableShape> {
    shape(vec![
        column(1, "key", DataType::Int64, false),
        column(2, "name", DataType::Utf8, true),
        column(3, "note", DataType::Utf8, true),
        column(4, "price", DataType::Decimal128(12, 2), true),
        column(5, "day", DataType::Date32, true),
        column(6, "x", DataType::Float64, true),
    ])
}

fn second_shape() -> Arc<TableShape> {
    let extra = TableColumn {
        initial: Some(Value::new(Arc::new(Int32Array::from(vec![7])))),
        ..column(7, "extra", DataType::Int32, false)
    };
    let first = first_shape();
    let mut columns: Vec<TableColumn> =
        first.columns.iter().filter(|column| column.id != ColumnId(4)).cloned().collect();
    columns[1].name = "title".to_owned();
    columns.insert(2, extra);
    let late = TableColumn {
        initial: Some(Value::utf8("a text of more than twelve bytes")),
        ..column(8, "late", DataType::Utf8, true)
    };
    columns.push(late);
    columns.push(column(9, "never", DataType::Int64, true));
    shape(columns)
}

/// `rows` rows of every column that a shape has, keys from `first_key` on in any order.
fn random_rows(random: &mut Random, shape: &TableShape, first_key: i64, rows: usize) -> RecordBatch {
    let mut keys: Vec<i64> = (first_key..first_key + rows as i64).collect();
    for at in 1..rows {
        if random.chance(60) {
            keys.swap(at, random.below(at + 1));
        }
    }
    let words = 1 + random.below(300);
    let columns = shape.columns.iter().map(|column| -> ArrayRef {
        let mut number = |percent: usize| (!random.chance(percent)).then(|| random.below(1000));
        let numbers: Vec<Option<usize>> = (0..rows).map(|_| number(20)).collect();
        let of = |row: usize| numbers[row];
        let each = 0..rows;
        match column.id.0 {
            1 => Arc::new(Int64Array::from(keys.clone())),
            2 => Arc::new(StringArray::from_iter(
                each.map(|row| of(row).map(|number| format!("word number {}", number % words))),
            )),
            3 | 8 => Arc::new(StringArray::from_iter(
                each.map(|row| of(row).map(|number| format!("{}{}", "n".repeat(number % 30), keys[row]))),
            )),
            4 => {
                let values = each.map(|row| of(row).map(|number| number as i128 * 7));
                let values = Decimal128Array::from_iter(values);
                Arc::new(values.with_precision_and_scale(12, 2).unwrap())
            }
            5 => Arc::new(Date32Array::from_iter(
                each.map(|row| of(row).map(|number| (first_key / 500) as i32 + number as i32 % 20)),
            )),
            6 => Arc::new(Float64Array::from_iter(each.map(|row| of(row).map(|it| it as f64 / 3.0)))),
            7 => Arc::new(Int32Array::from_iter_values(each.map(|row| of(row).unwrap_or(7) as i32))),
            _ => Arc::new(Int64Array::from_iter(each.map(|row| of(row).map(|it| it as i64)))),
        }
    });
    let columns = columns.collect();
    RecordBatch::try_new(shape.schema(), columns).unwrap()
}

/// Some rows are gone: none, few, many, a run, or all.
fn random_deletions(random: &mut Random, rows: u64) -> RoaringBitmap {
    let rows = rows as u32;
    let start = random.below(rows as usize) as u32;
    match random.below(6) {
        0 | 1 => RoaringBitmap::new(),
        2 => (0..rows).filter(|_| random.chance(2)).collect(),
        3 => (0..rows).filter(|_| random.chance(60)).collect(),
        4 => (start..rows.min(start + 1500)).collect(),
        _ => (0..rows).filter(|_| rows < 3000 || random.chance(90)).collect(),
    }
}

impl Table {
    pub fn random(storage: &Storage, random: &mut Random) -> Self {
        let mut table = Self { shape: second_shape(), files: FileList::default(), rows: vec![] };
        let mut parts: Vec<Vec<ArrayRef>> = Vec::new();
        let mut next_id = 1 + random.below(10) as u64;
        let mut next_key = -500;
        for statement in 0..2 + random.below(5) {
            let shape = if statement < 2 { first_shape() } else { second_shape() };
            let rows_max = if random.chance(50) { 40 } else { 4000 };
            let rows = 1 + random.below(rows_max);
            let batch = random_rows(random, &shape, next_key, rows);
            next_key += rows as i64 + random.below(100) as i64;
            let mut start = 0;
            for mut file in write(storage, random, &shape, &batch) {
                file.id = FileId(next_id);
                next_id += 1 + random.below(300) as u64;
                let written = batch.slice(start, file.rows as usize);
                start += file.rows as usize;
                let deleted = random_deletions(random, file.rows);
                if !deleted.is_empty() {
                    file.deletions = Some(delete_rows(storage.warehouse(), TABLE, &file, &deleted).unwrap());
                }
                parts.push(table.live_rows(&shape, &written, &deleted, file.id));
                table.files.insert(Arc::new(file));
            }
            assert_eq!(start, rows);
        }
        table.rows = (0..table.shape.columns.len() + 2)
            .map(|index| {
                let parts: Vec<_> = parts.iter().map(|part| part[index].as_ref()).collect();
                concat(&parts).unwrap()
            })
            .collect();
        table
    }

    fn live_rows(
        &self,
        written: &TableShape,
        batch: &RecordBatch,
        deleted: &RoaringBitmap,
        file: FileId,
    ) -> Vec<ArrayRef> {
        let live: Vec<u32> = (0..batch.num_rows() as u32).filter(|row| !deleted.contains(*row)).collect();
        let rows = live.len();
        let live = UInt32Array::from(live);
        let mut columns: Vec<ArrayRef> = self
            .shape
            .columns
            .iter()
            .map(|column| {
                let values = match written.position(column.id) {
                    Some(position) => take(batch.column(position), &live, None).unwrap(),
                    None => {
                        let initial = column.initial.clone();
                        let value = initial.unwrap_or_else(|| Value::null(&column.data_type));
                        take(value.array(), &UInt32Array::from(vec![0; rows]), None).unwrap()
                    }
                };
                arrow::compute::cast(&values, &physical_type(&column.data_type)).unwrap()
            })
            .collect();
        columns.push(Arc::new(Int64Array::from(vec![file.0 as i64; rows])));
        columns.push(Arc::new(live.values().iter().map(|row| i64::from(*row)).collect::<Int64Array>()));
        columns
    }

    /// With the columns of row identity at the end.
    pub fn schema(&self) -> SchemaRef {
        let mut fields: Vec<Field> =
            self.shape.schema().fields().iter().map(|field| field.as_ref().clone()).collect();
        fields.extend(["$file", "$row"].map(|name| Field::new(name, DataType::Int64, false)));
        Arc::new(Schema::new(fields))
    }

    pub fn scan(&self, projection: Vec<usize>, filters: Vec<Expr>, limit: Option<u64>) -> TableScan {
        scan_of_files(&self.shape, self.schema(), self.files.clone(), projection, filters, limit)
    }

    pub fn keys(&self) -> &[i64] {
        self.rows[0].as_primitive::<Int64Type>().values()
    }
}

pub fn scan_of_files(
    shape: &TableShape,
    schema: SchemaRef,
    files: FileList,
    projection: Vec<usize>,
    filters: Vec<Expr>,
    limit: Option<u64>,
) -> TableScan {
    let columns =
        shape.columns.iter().map(|column| ScanColumn { id: column.id, initial: column.initial.clone() });
    let source = ScanSource::Managed(ManagedScan {
        table: TABLE,
        columns: columns.collect(),
        files,
        row_identity: schema.fields().len() > shape.columns.len(),
    });
    TableScan {
        table: "t".to_owned(),
        source,
        table_schema: schema,
        projection,
        filters,
        runtime_filters: vec![],
        limit,
        statistics: vec![],
    }
}

/// Writes rows as a statement does: into files of a few row groups, or inline when they are few.
fn write(
    storage: &Storage,
    random: &mut Random,
    shape: &Arc<TableShape>,
    batch: &RecordBatch,
) -> Vec<DataFile> {
    let compressions =
        [FileCompression::None, FileCompression::Snappy, FileCompression::Lz4, FileCompression::Zstd];
    let properties = TableProperties {
        row_group_rows: 50 + random.below(2000),
        file_bytes: 1 << (10 + random.below(10)),
        compression: compressions[random.below(compressions.len())],
        ..TableProperties::default()
    };
    let inline_rows = if random.chance(50) { 20 } else { 0 };
    let options = WriteOptions { threads: 1, memory_bytes: 64 << 20, inline_rows, inline_bytes: 1 << 20 };
    let mut writer = TableWriter::new(storage, TABLE, Arc::clone(shape), &properties, options).unwrap();
    let mut start = 0;
    while start < batch.num_rows() {
        let rows = (1 + random.below(1500)).min(batch.num_rows() - start);
        writer.write(&batch.slice(start, rows)).unwrap();
        start += rows;
    }
    let written = writer.finish().unwrap();
    let files = written.files.clone();
    written.keep();
    files
}
