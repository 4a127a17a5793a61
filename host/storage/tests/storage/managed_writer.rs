//! How a writer lays rows out: partitions, order, files, memory, and what stays in the catalog.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::*;
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices};
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use nyala_schema::ErrorCode;
use nyala_schema::managed::{
    DataFile, FileContent, PartitionField, SortField, TableProperties, TableShape, Transform,
};
use nyala_storage::Storage;
use nyala_storage::managed::{TableWriter, Warehouse, WriteOptions, distinct_of, partition_values};

use crate::managed_support::{TABLE, ascending, batch, read_back, shape, to_files, write};
use crate::support::Random;

struct Place {
    _folder: tempfile::TempDir,
    warehouse: Warehouse,
}

fn place() -> Place {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    Place { _folder: folder, warehouse }
}

/// A number that tells rows apart, a day, a text.
fn events(seed: u64, rows: usize, days: usize) -> (TableShape, RecordBatch) {
    let shape = shape(&[DataType::Int64, DataType::Date32, DataType::Utf8]);
    let mut random = Random::new(seed);
    let ids = Int64Array::from_iter_values((0..rows).map(|row| (seed as i64) << 32 | row as i64));
    let dates =
        Date32Array::from_iter((0..rows).map(|_| random.chance(95).then(|| random.below(days) as i32 - 40)));
    let texts =
        StringArray::from_iter_values((0..rows).map(|_| format!("event {} of many", random.below(5_000))));
    let batch = batch(&shape, vec![Arc::new(ids), Arc::new(dates), Arc::new(texts)]);
    (shape, batch)
}

fn ids(columns: &[ArrayRef]) -> Vec<i64> {
    columns[0].as_primitive::<Int64Type>().values().to_vec()
}

fn stored(warehouse: &Warehouse) -> BTreeSet<String> {
    warehouse.files(TABLE).unwrap().into_iter().map(|file| file.path).collect()
}

fn named(files: &[DataFile]) -> BTreeSet<String> {
    files.iter().flat_map(|file| file.paths().map(|path| path.to_string())).collect()
}

/// A statement may go on another thread than it began on.
#[test]
fn writers_are_sent_between_threads() {
    fn sent<T: Send>() {}
    sent::<TableWriter>();
    sent::<nyala_storage::managed::Written>();
}

#[test]
fn rows_keep_their_order_and_files_their_size() {
    let place = place();
    let batches: Vec<_> = (0..40).map(|seed| events(seed, 8_000, 400).1).collect();
    let shape = events(0, 1, 1).0;
    let properties =
        TableProperties { file_bytes: 1 << 20, row_group_rows: 20_000, ..TableProperties::default() };
    let written = write(&place.warehouse, &shape, &properties, to_files(), &batches).unwrap();
    assert_eq!(written.rows, 320_000);
    let found: Vec<i64> =
        written.files.iter().flat_map(|file| ids(&read_back(&place.warehouse, &shape, file))).collect();
    let expected: Vec<i64> = batches.iter().flat_map(|batch| ids(batch.columns())).collect();
    assert_eq!(found, expected);
    assert!(written.files.len() > 1, "one file of {} bytes", written.files[0].bytes());
    assert!(written.files.iter().all(|file| file.bytes() < 3 << 20));
    assert_eq!(stored(&place.warehouse), named(&written.files));
}

#[test]
fn files_have_one_partition_each_and_null_is_one() {
    let place = place();
    let (mut shape, batch) = events(3, 100_000, 400);
    shape.partition_by = vec![
        PartitionField { column: shape.columns[1].id, transform: Transform::Month },
        PartitionField { column: shape.columns[0].id, transform: Transform::Bucket(3) },
    ];
    let written = write(
        &place.warehouse,
        &shape,
        &TableProperties::default(),
        to_files(),
        std::slice::from_ref(&batch),
    )
    .unwrap();
    let mut found = BTreeSet::new();
    let mut partitions = BTreeSet::new();
    for file in &written.files {
        let columns = read_back(&place.warehouse, &shape, file);
        let names = shape.columns.iter().map(|column| column.name.clone());
        let rows = RecordBatch::try_from_iter(names.zip(columns.clone())).unwrap();
        let values = partition_values(&shape, &rows).unwrap();
        for (value, array) in file.partition.iter().zip(&values) {
            let one = value.array();
            for row in 0..array.len() {
                assert_eq!(&array.slice(row, 1), one);
            }
        }
        partitions.insert(format!("{:?}", file.partition));
        found.extend(ids(&columns));
    }
    assert_eq!(found.len(), 100_000);
    // 400 days from 40 days before 1970 on are in 14 months; without a day is one more.
    assert_eq!(partitions.len(), 15 * 3);
    assert_eq!(written.files.len(), partitions.len());
}

#[test]
fn a_writer_with_little_memory_writes_many_partitions() {
    let place = place();
    let mut shape = events(0, 1, 1).0;
    shape.partition_by = vec![PartitionField { column: shape.columns[1].id, transform: Transform::Identity }];
    let memory_bytes = 1 << 20;
    let options = WriteOptions { memory_bytes, ..to_files() };
    let batches: Vec<_> = (0..25).map(|seed| events(seed, 8_000, 300).1).collect();
    let written = write(&place.warehouse, &shape, &TableProperties::default(), options, &batches).unwrap();
    let mut rows_by_partition: BTreeMap<String, u64> = BTreeMap::new();
    let mut found = BTreeSet::new();
    for file in &written.files {
        *rows_by_partition.entry(format!("{:?}", file.partition)).or_default() += file.rows;
        let columns = read_back(&place.warehouse, &shape, file);
        // What one file holds was in memory at once: the columns have 8, 4 and 16 bytes or more a row.
        assert!(file.rows as usize * 28 <= memory_bytes, "a file of {} rows", file.rows);
        found.extend(ids(&columns));
    }
    assert_eq!(found.len(), 200_000);
    assert_eq!(rows_by_partition.len(), 301);
    assert!(written.files.len() > 301, "memory was short, so that partitions have several files");
}

#[test]
fn files_are_sorted_runs() {
    let place = place();
    let mut shape = events(0, 1, 1).0;
    let by_date = SortField { column: shape.columns[1].id, descending: true, nulls_first: false };
    shape.sort_by = vec![by_date, ascending(&shape, 2)];
    let batches: Vec<_> = (0..20).map(|seed| events(seed, 8_000, 50).1).collect();
    let options = WriteOptions { memory_bytes: 4 << 20, ..to_files() };
    let properties = TableProperties { row_group_rows: 10_000, ..TableProperties::default() };
    let written = write(&place.warehouse, &shape, &properties, options, &batches).unwrap();
    assert!(written.files.len() > 1);
    let mut found = BTreeSet::new();
    for file in &written.files {
        let columns = read_back(&place.warehouse, &shape, file);
        let keys = [
            SortColumn {
                values: columns[1].clone(),
                options: Some(SortOptions { descending: true, nulls_first: false }),
            },
            SortColumn {
                values: columns[2].clone(),
                options: Some(SortOptions { descending: false, nulls_first: true }),
            },
        ];
        let order = lexsort_to_indices(&keys, None).unwrap();
        let sorted = |at: usize| arrow::compute::take(&columns[at], &order, None).unwrap();
        assert_eq!((&sorted(1), &sorted(2)), (&columns[1], &columns[2]));
        found.extend(ids(&columns));
    }
    assert_eq!(found.len(), 160_000);
}

#[test]
fn few_rows_stay_in_the_catalog() {
    let place = place();
    let (mut shape, batch) = events(3, 100, 90);
    shape.partition_by = vec![PartitionField { column: shape.columns[1].id, transform: Transform::Month }];
    shape.sort_by = vec![ascending(&shape, 0)];
    let options = WriteOptions { inline_rows: 100, inline_bytes: 1 << 20, ..to_files() };
    let rows = [batch.slice(50, 50), batch.slice(0, 50)];
    let written =
        write(&place.warehouse, &shape, &TableProperties::default(), options.clone(), &rows).unwrap();
    // From November to February, and without a day.
    assert_eq!(written.files.len(), 5);
    let mut found = Vec::new();
    for file in &written.files {
        let FileContent::Rows(rows) = &file.content else { panic!("rows in the catalog") };
        assert_eq!(rows.columns.to_vec(), shape.columns.iter().map(|column| column.id).collect::<Vec<_>>());
        assert_eq!(rows.batch.schema().field(2).data_type(), &DataType::Utf8View);
        let of_file = ids(rows.batch.columns());
        assert!(of_file.is_sorted());
        let known = file.statistics.column(shape.columns[0].id).unwrap();
        assert_eq!(known.min, Some(nyala_schema::Bound::Int(i128::from(of_file[0]))));
        found.extend(of_file);
    }
    found.sort_unstable();
    assert_eq!(found, ids(batch.columns()));
    assert!(written.sketches.is_empty());
    assert_eq!(stored(&place.warehouse), BTreeSet::new());

    let more = WriteOptions { inline_rows: 99, ..options };
    let written = write(&place.warehouse, &shape, &TableProperties::default(), more, &rows).unwrap();
    assert!(written.files.iter().all(|file| matches!(file.content, FileContent::Parquet { .. })));
}

#[test]
fn a_warehouse_without_files_keeps_all_rows_in_pieces() {
    let warehouse = Warehouse::in_memory();
    let shape = events(0, 1, 1).0;
    let batches: Vec<_> = (0..20).map(|seed| events(seed, 10_000, 50).1).collect();
    let written = write(&warehouse, &shape, &TableProperties::default(), to_files(), &batches).unwrap();
    let rows: Vec<u64> = written.files.iter().map(|file| file.rows).collect();
    assert_eq!(rows, [122_880, 77_120]);
    let found: Vec<i64> =
        written.files.iter().flat_map(|file| ids(&read_back(&warehouse, &shape, file))).collect();
    assert_eq!(found, batches.iter().flat_map(|batch| ids(batch.columns())).collect::<Vec<_>>());
}

#[test]
fn nothing_is_written_of_no_rows() {
    let place = place();
    let (shape, batch) = events(1, 10, 10);
    let written =
        write(&place.warehouse, &shape, &TableProperties::default(), to_files(), &[batch.slice(0, 0)])
            .unwrap();
    assert_eq!((written.files.len(), written.rows), (0, 0));
}

#[test]
fn files_go_unless_they_are_kept() {
    let place = place();
    let (shape, batch) = events(1, 50_000, 10);
    let rows = std::slice::from_ref(&batch);
    let written = write(&place.warehouse, &shape, &TableProperties::default(), to_files(), rows).unwrap();
    assert_eq!(stored(&place.warehouse).len(), 1);
    drop(written);
    assert_eq!(stored(&place.warehouse), BTreeSet::new());

    let storage = Storage::with_warehouse(place.warehouse.clone());
    let properties = TableProperties { file_bytes: 1, row_group_rows: 5_000, ..TableProperties::default() };
    let mut writer =
        TableWriter::new(&storage, TABLE, Arc::new(shape.clone()), &properties, to_files()).unwrap();
    writer.write(&batch).unwrap();
    drop(writer);
    assert_eq!(stored(&place.warehouse), BTreeSet::new());

    let written = write(&place.warehouse, &shape, &TableProperties::default(), to_files(), rows).unwrap();
    let files = named(&written.files);
    written.keep();
    assert_eq!(stored(&place.warehouse), files);
}

#[test]
fn rows_that_do_not_fit_are_refused() {
    let place = place();
    let (mut shape, batch) = events(1, 100, 10);
    let try_write = |shape: &TableShape, batch: &RecordBatch| {
        let rows = std::slice::from_ref(batch);
        write(&place.warehouse, shape, &TableProperties::default(), to_files(), rows).unwrap_err()
    };
    let narrow = batch.project(&[0, 1]).unwrap();
    assert_eq!(try_write(&shape, &narrow).code(), ErrorCode::DatatypeMismatch);
    let swapped = batch.project(&[1, 0, 2]).unwrap();
    let error = try_write(&shape, &swapped);
    assert_eq!(error.code(), ErrorCode::DatatypeMismatch);
    assert_eq!(error.message(), "column \"c0\" is Int64, not Date32");
    shape.columns[1].nullable = false;
    let error = try_write(&shape, &batch);
    assert_eq!(error.code(), ErrorCode::NotNullViolation);
    assert!(error.message().contains("\"c1\""), "{error}");
    shape.partition_by = vec![PartitionField { column: shape.columns[2].id, transform: Transform::Year }];
    assert_eq!(try_write(&shape, &batch).code(), ErrorCode::DatatypeMismatch);
    assert_eq!(stored(&place.warehouse), BTreeSet::new());
}

#[test]
fn sketches_count_distinct_values() {
    let place = place();
    let types = [DataType::Int64, DataType::Int32, DataType::Utf8, DataType::Utf8, DataType::Float64];
    let shape = shape(&types);
    let rows = 200_000;
    let numbers = Int64Array::from_iter_values(0..rows);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(numbers.clone()),
        Arc::new(numbers.unary::<_, Int32Type>(|it| (it % 300) as i32)),
        Arc::new(StringArray::from_iter_values((0..rows).map(|it| format!("value number {it}")))),
        Arc::new(StringArray::from_iter((0..rows).map(|it| (it % 4 > 0).then(|| format!("{}", it % 10))))),
        Arc::new(Float64Array::from_iter_values((0..rows).map(|it| (it % 50_000) as f64))),
    ];
    let batch = batch(&shape, columns);
    let written = write(
        &place.warehouse,
        &shape,
        &TableProperties::default(),
        to_files(),
        std::slice::from_ref(&batch),
    )
    .unwrap();
    let expected = [200_000.0, 300.0, 200_000.0, 10.0, 50_000.0];
    for ((sketch, column), expected) in written.sketches.iter().zip(&shape.columns).zip(expected) {
        assert_eq!(sketch.column, column.id);
        let found = distinct_of(&sketch.sketch).unwrap();
        assert!((found / expected - 1.0).abs() < 0.06, "{}: {found} instead of {expected}", column.name);
    }
    assert_eq!(written.sketches[3].width, Some(1.0));
    assert_eq!(written.sketches[0].width, None);
}
