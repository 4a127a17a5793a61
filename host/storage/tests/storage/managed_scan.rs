//! Scans of managed tables against the rows that were written: files and rows of the catalog, deletions, columns that came
//! and went, filters, row identity, with the column cache and without.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{concat, take};
use arrow::datatypes::{DataType, Int64Type};
use nyala_schema::expr::CompareOp;
use nyala_schema::id::{ColumnId, FileId};
use nyala_schema::managed::{DataFile, FileColumn, FileContent, FileList, FileStatistics};
use nyala_schema::scan::{ScanSource, TableScan};
use nyala_schema::{Bound, ErrorCode, Expr, Result, Value};
use nyala_storage::Storage;
use nyala_storage::managed::Warehouse;
use object_store::memory::InMemory;
use parquet::arrow::ArrowWriter;
use parquet::file::properties::WriterProperties;

use crate::managed_table::{TABLE, Table, scan_of_files};
use crate::support::{Random, plain, read_scan, scan_of};

/// Bytes of a cache that holds a few columns, and of one that holds all.
const TINY_CACHE: usize = 300_000;
const LARGE_CACHE: usize = 1 << 30;

fn compare(op: CompareOp, index: usize, value: Value) -> Expr {
    let column = Expr::Column { index, data_type: value.data_type().clone(), nullable: true };
    Expr::Compare { op, left: Box::new(column), right: Box::new(Expr::Literal(value)) }
}

/// Reads a scan in batches of any size: of each whole columns, columns of some rows, or nothing. Gives columns, and
/// whether every row was read.
fn read_random(storage: &Storage, scan: &TableScan, random: &mut Random) -> Result<(Vec<ArrayRef>, bool)> {
    let scanner = storage.open(scan)?;
    let mut parts: Vec<Vec<ArrayRef>> = vec![Vec::new(); scan.projection.len()];
    let skips = random.chance(50);
    let mut is_whole = true;
    for morsel in scanner.morsels() {
        let mut reader = scanner.read(morsel)?;
        loop {
            let rows = reader.next_batch(1 + random.below(1000))?;
            if rows == 0 {
                break;
            }
            let percent = if skips { [0, 2, 50, 100][random.below(4)] } else { 100 };
            let wanted: Vec<u32> = (0..rows as u32).filter(|_| random.chance(percent)).collect();
            is_whole &= wanted.len() == rows;
            if wanted.is_empty() {
                continue;
            }
            for (index, part) in parts.iter_mut().enumerate() {
                let column = if random.chance(50) {
                    reader.column_selected(index, &wanted)?
                } else {
                    take(&reader.column(index)?, &UInt32Array::from(wanted.clone()), None)?
                };
                assert_eq!(column.len(), wanted.len());
                part.push(plain(&column, scan, index));
            }
            if skips && random.chance(2) {
                is_whole = false;
                break;
            }
        }
    }
    let joined = |(index, part): (usize, &Vec<ArrayRef>)| {
        let parts: Vec<&dyn Array> = part.iter().map(AsRef::as_ref).collect();
        let field = scan.table_schema.field(scan.projection[index]);
        let empty = || arrow::array::new_empty_array(&nyala_schema::scan::physical_type(field.data_type()));
        if parts.is_empty() { Ok(empty()) } else { concat(&parts) }
    };
    Ok((parts.iter().enumerate().map(joined).collect::<std::result::Result<_, _>>()?, is_whole))
}

/// A filter over the table's column `column`, which the scan gives as output `index`, and the rows that pass it.
fn random_filter(random: &mut Random, table: &Table, column: usize, index: usize) -> (Expr, Vec<bool>) {
    let row = random.below(table.rows[0].len());
    let ops = [
        CompareOp::Equal,
        CompareOp::NotEqual,
        CompareOp::Less,
        CompareOp::LessOrEqual,
        CompareOp::Greater,
        CompareOp::GreaterOrEqual,
    ];
    let op = ops[random.below(ops.len())];
    let values = &table.rows[column];
    if random.chance(15) {
        let data_type = values.data_type().clone();
        let nulls = Expr::IsNull(Box::new(Expr::Column { index, data_type, nullable: true }));
        return (nulls, (0..values.len()).map(|row| values.is_null(row)).collect());
    }
    let value = Value::from_row(values, row);
    let scalar = value.to_scalar();
    let passes = match op {
        CompareOp::Equal => arrow::compute::kernels::cmp::eq(values, &scalar),
        CompareOp::NotEqual => arrow::compute::kernels::cmp::neq(values, &scalar),
        CompareOp::Less => arrow::compute::kernels::cmp::lt(values, &scalar),
        CompareOp::LessOrEqual => arrow::compute::kernels::cmp::lt_eq(values, &scalar),
        CompareOp::Greater => arrow::compute::kernels::cmp::gt(values, &scalar),
        _ => arrow::compute::kernels::cmp::gt_eq(values, &scalar),
    };
    let passes = passes.unwrap().iter().map(|pass| pass == Some(true)).collect();
    (compare(op, index, value), passes)
}

/// One scan of a table: the rows that came are the rows that should, and none that pass the filters is missing.
fn check_scan(storage: &Storage, table: &Table, random: &mut Random, what: &str) {
    let columns = table.rows.len();
    let mut projection: Vec<usize> = (0..columns).filter(|_| random.chance(50)).collect();
    projection.retain(|column| *column != 0);
    projection.insert(random.below(projection.len() + 1), 0);
    let key = projection.iter().position(|column| *column == 0).unwrap();
    let mut filters = Vec::new();
    let mut passes = vec![true; table.rows[0].len()];
    for _ in 0..random.below(3) {
        let index = random.below(projection.len());
        let (filter, passing) = random_filter(random, table, projection[index], index);
        filters.push(filter);
        passes.iter_mut().zip(passing).for_each(|(pass, passing)| *pass &= passing);
    }
    let limit = random.chance(20).then(|| random.below(50) as u64);
    let scan = table.scan(projection.clone(), filters, limit);
    let position: HashMap<i64, u32> =
        table.keys().iter().enumerate().map(|(row, key)| (*key, row as u32)).collect();
    for round in 0..3 {
        let (found, is_whole) =
            read_random(storage, &scan, random).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        let keys = found[key].as_primitive::<Int64Type>().values();
        let rows: Vec<u32> = keys
            .iter()
            .map(|key| *position.get(key).unwrap_or_else(|| panic!("{what}: key {key} is not live")))
            .collect();
        let rows = UInt32Array::from(rows);
        for (index, column) in projection.iter().enumerate() {
            let expected = take(&table.rows[*column], &rows, None).unwrap();
            assert_eq!(&found[index], &expected, "{what}, round {round}, column {column}");
        }
        if is_whole {
            let mut came = vec![false; passes.len()];
            for row in rows.values() {
                assert!(!came[*row as usize], "{what}: a row came twice");
                came[*row as usize] = true;
            }
            let missing = passes.iter().zip(&came).position(|(pass, came)| *pass && !came);
            assert_eq!(
                missing, None,
                "{what}, round {round}: a row that passes {:?} is missing",
                scan.filters
            );
        }
    }
}

fn check_tables(warehouse: &dyn Fn() -> (Option<tempfile::TempDir>, Warehouse), seeds: u64) {
    for seed in 0..seeds {
        let (_folder, warehouse) = warehouse();
        let mut random = Random::new(seed + 1);
        let storage = Storage::with_warehouse(warehouse);
        let table = Table::random(&storage, &mut random);
        if table.rows[0].is_empty() {
            continue;
        }
        for cache in [0, TINY_CACHE, LARGE_CACHE] {
            storage.set_column_cache(cache);
            for scan in 0..8 {
                check_scan(
                    &storage,
                    &table,
                    &mut random,
                    &format!("seed {seed}, cache {cache}, scan {scan}"),
                );
            }
            assert!(storage.column_cache_bytes() <= cache);
        }
        check_scan(
            &storage.without_column_cache(),
            &table,
            &mut random,
            &format!("seed {seed} without cache"),
        );
    }
}

#[test]
fn tables_in_a_folder() {
    let folder = || {
        let folder = tempfile::tempdir().unwrap();
        let warehouse = Warehouse::open(&folder.path().display().to_string()).unwrap();
        (Some(folder), warehouse)
    };
    check_tables(&folder, 40);
}

#[test]
fn tables_in_an_object_store() {
    let store = || (None, Warehouse::over(Arc::new(InMemory::new()), "a/b", "memory://a/b").unwrap());
    check_tables(&store, 10);
}

#[test]
fn tables_in_the_catalog() {
    check_tables(&|| (None, Warehouse::in_memory()), 10);
}

/// A file that is nowhere: opening a scan over it cannot have looked.
fn nowhere(id: u64) -> Arc<DataFile> {
    let key = FileColumn {
        id: ColumnId(1),
        min: Some(Bound::Int(i128::from(id) * 10)),
        max: Some(Bound::Int(i128::from(id) * 10 + 9)),
        nulls: 0,
    };
    Arc::new(DataFile {
        id: FileId(id),
        added_in: 1,
        content: FileContent::Parquet {
            path: format!("{id}.parquet").into(),
            size: 1000,
            row_groups: vec![6, 4].into(),
        },
        rows: 10,
        partition: vec![],
        statistics: FileStatistics::of(&[key]),
        deletions: None,
    })
}

#[test]
fn a_hundred_thousand_files_open_without_being_read() {
    const FILES: u64 = 100_000;
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::with_warehouse(Warehouse::open(&folder.path().display().to_string()).unwrap());
    let files: FileList = (1..=FILES).map(nowhere).collect();
    let shape = nyala_schema::managed::TableShape {
        columns: vec![nyala_schema::managed::TableColumn {
            id: ColumnId(1),
            name: "key".to_owned(),
            data_type: DataType::Int64,
            nullable: false,
            default: None,
            initial: None,
        }],
        ..Default::default()
    };
    let open = |filters| {
        let scan = scan_of_files(&shape, shape.schema(), files.clone(), vec![0], filters, None);
        storage.open(&scan).unwrap()
    };
    let scanner = open(vec![]);
    assert_eq!(scanner.morsels().len() as u64, 2 * FILES);
    assert_eq!(scanner.morsels().iter().map(|morsel| morsel.rows).sum::<u64>(), 10 * FILES);
    assert!(scanner.may_contain(&scanner.morsels()[0], 0, 10, 10));
    assert!(!scanner.may_contain(&scanner.morsels()[0], 0, 20, 30));
    let some = open(vec![compare(CompareOp::Equal, 0, Value::int64(70_005))]);
    assert_eq!(some.morsels().len(), 2, "one file of two row groups can have it");
    assert_eq!((scanner.bytes_read(), some.bytes_read()), (0, 0));
    let mut reader = scanner.read(&scanner.morsels()[0]).unwrap();
    reader.next_batch(10).unwrap();
    assert_eq!(reader.column(0).unwrap_err().code(), ErrorCode::FileAccess, "there is no such file");
}

#[test]
fn what_is_cached_is_not_read() {
    let folder = tempfile::tempdir().unwrap();
    let storage = Storage::with_warehouse(Warehouse::open(&folder.path().display().to_string()).unwrap());
    storage.set_column_cache(LARGE_CACHE);
    let table = Table::random(&storage, &mut Random::new(11));
    let all = (0..table.rows.len()).collect::<Vec<_>>();
    let filters = vec![compare(CompareOp::GreaterOrEqual, 0, Value::int64(-500))];
    let scan = table.scan(all, filters, None);
    let bytes_of = |scan: &TableScan| {
        let scanner = storage.open(scan).unwrap();
        for morsel in scanner.morsels() {
            let mut reader = scanner.read(morsel).unwrap();
            while reader.next_batch(1000).unwrap() > 0 {
                (0..scan.projection.len()).for_each(|index| _ = reader.column(index).unwrap());
            }
        }
        scanner.bytes_read()
    };
    let expected = read_scan(&storage.without_column_cache(), &scan, 1000).unwrap();
    assert!(bytes_of(&scan) > 0);
    assert_eq!(bytes_of(&scan), 0);
    // Not even opened: the files may be gone. Bitmaps of deleted rows are kept by themselves.
    for file in storage.warehouse().files(TABLE).unwrap() {
        storage.warehouse().remove(TABLE, &file.path).unwrap();
    }
    assert_eq!(read_scan(&storage, &scan, 700).unwrap(), expected);
    assert_eq!(bytes_of(&scan), 0);
    let ScanSource::Managed(managed) = &scan.source else { panic!("a managed scan") };
    assert!(managed.files.iter().any(|file| matches!(file.content, FileContent::Parquet { .. })));
    storage.set_column_cache(0);
    assert_eq!(storage.column_cache_bytes(), 0);
    assert_eq!(read_scan(&storage, &scan, 700).unwrap_err().code(), ErrorCode::FileAccess);
}

fn write_numbers(path: &std::path::Path, first: i64) {
    let values: ArrayRef = Arc::new(Int64Array::from_iter_values(first..first + 30_000));
    let batch = RecordBatch::try_from_iter([("n", values)]).unwrap();
    let properties = WriterProperties::builder().set_max_row_group_row_count(Some(10_000)).build();
    let file = std::fs::File::create(path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
}

#[test]
fn external_files_are_cached_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write_numbers(&path, 0);
    let storage = Storage::new();
    storage.set_column_cache(LARGE_CACHE);
    let resolve = || storage.resolve(&path.display().to_string(), None, None, &[]).unwrap();
    let files = resolve();
    let first_and_bytes = |scan: &TableScan| -> Result<(i64, u64)> {
        let scanner = storage.open(scan)?;
        let mut first = None;
        for morsel in scanner.morsels() {
            let mut reader = scanner.read(morsel)?;
            while reader.next_batch(4_000)? > 0 {
                let column = reader.column(0)?;
                first = first.or(Some(column.as_primitive::<Int64Type>().value(0)));
            }
        }
        Ok((first.unwrap(), scanner.bytes_read()))
    };
    let scan = scan_of(&files, vec![0], vec![]);
    let (first, bytes) = first_and_bytes(&scan).unwrap();
    assert!(first == 0 && bytes > 0);
    assert_eq!(first_and_bytes(&scan).unwrap(), (0, 0));
    let part = scan_of(&files, vec![0], vec![compare(CompareOp::GreaterOrEqual, 0, Value::int64(20_000))]);
    assert_eq!(first_and_bytes(&part).unwrap().0, 20_000, "row groups are still pruned");
    write_numbers(&path, 7);
    let error = first_and_bytes(&scan).unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileAccess, "the file is not the one that was planned with");
    let (first, bytes) = first_and_bytes(&scan_of(&resolve(), vec![0], vec![])).unwrap();
    assert!(first == 7 && bytes > 0);
}

#[test]
fn few_rows_are_cached_when_they_are_asked_for_again() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    write_numbers(&path, 0);
    let storage = Storage::new();
    storage.set_column_cache(LARGE_CACHE);
    let files = storage.resolve(&path.display().to_string(), None, None, &[]).unwrap();
    let read = |limit: Option<u64>, selection: &[u32]| {
        let scan = TableScan { limit, ..scan_of(&files, vec![0], vec![]) };
        let scanner = storage.open(&scan).unwrap();
        let mut reader = scanner.read(&scanner.morsels()[1]).unwrap();
        reader.next_batch(1_000).unwrap();
        let column = reader.column_selected(0, selection).unwrap();
        let numbers = column.as_primitive::<Int64Type>().values().to_vec();
        (numbers, storage.column_cache_bytes() > 0, scanner.bytes_read() > 0)
    };
    let few = vec![10_003, 10_900];
    assert_eq!(read(None, &[3, 900]), (few.clone(), false, true));
    assert_eq!(read(Some(10), &[3, 900]), (few.clone(), true, true));
    assert_eq!(read(None, &[3, 900]), (few, true, false));
}
