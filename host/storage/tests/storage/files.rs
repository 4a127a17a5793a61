//! Finding files, partitions, schemas, statistics, pruning, memory tables.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Int64Type};
use nyala_schema::expr::CompareOp;
use nyala_schema::{ErrorCode, Expr, Value};
use nyala_storage::sink::ParquetCompression;
use nyala_storage::{ResolvedFiles, SinkFormat, Storage, create_sink};

use crate::support::{read_all, read_scan, scan_of};

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
        .unwrap()
}

fn ints(values: impl IntoIterator<Item = i64>) -> ArrayRef {
    Arc::new(Int64Array::from_iter_values(values))
}

fn write(path: &Path, batch: &RecordBatch) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let path = path.display().to_string();
    let format = SinkFormat::of_path(&path).unwrap();
    let mut sink = create_sink(&path, &format, batch.schema()).unwrap();
    sink.write(batch).unwrap();
    sink.finish().unwrap();
}

fn resolve(path: &Path) -> nyala_schema::Result<ResolvedFiles> {
    Storage::new().resolve(&path.display().to_string(), None, None, &[])
}

fn column_names(files: &ResolvedFiles) -> Vec<String> {
    files.schema.fields().iter().map(|field| format!("{}:{}", field.name(), field.data_type())).collect()
}

fn compare(op: CompareOp, index: usize, value: Value) -> Expr {
    let column = Expr::Column { index, data_type: value.data_type().clone(), nullable: true };
    Expr::Compare { op, left: Box::new(column), right: Box::new(Expr::Literal(value)) }
}

#[test]
fn partitions_become_typed_columns_and_prune() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(&root.join("year=2023/day=2023-05-01/a.parquet"), &batch(vec![("x", ints(0..10))]));
    write(&root.join("year=2024/day=2024-05-01/b.parquet"), &batch(vec![("x", ints(10..30))]));
    write(
        &root.join("year=2024/day=__HIVE_DEFAULT_PARTITION__/c.parquet"),
        &batch(vec![("x", ints(30..35))]),
    );
    fs::create_dir_all(root.join("_temporary")).unwrap();
    fs::write(root.join("_temporary/broken.parquet"), "x").unwrap();
    let storage = Storage::new();
    let files = resolve(root).unwrap();
    assert_eq!(column_names(&files), ["x:Int64", "year:Int64", "day:Date32"]);
    assert_eq!(files.partition_columns, 2);
    assert_eq!(files.statistics.rows, Some(35.0));
    assert_eq!(files.statistics.columns[1].distinct, Some(2.0));
    let columns = read_all(&storage, &files, 7).unwrap();
    assert_eq!(columns[1].len(), 35);
    assert_eq!(columns[2].null_count(), 5);

    let filter = compare(CompareOp::Equal, 1, Value::int64(2023));
    let scan = scan_of(&files, vec![0, 1], vec![filter]);
    assert_eq!(storage.open(&scan).unwrap().morsels().len(), 1);
    let wrong = storage.resolve(&root.display().to_string(), None, None, &["month".to_owned()]).unwrap_err();
    assert_eq!(wrong.code(), ErrorCode::InvalidParameter);
}

#[test]
fn globs_find_files_and_misses_name_the_near() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    write(&root.join("a/sales_1.parquet"), &batch(vec![("x", ints(0..10))]));
    write(&root.join("b/sales_2.parquet"), &batch(vec![("x", ints(0..5))]));
    fs::write(root.join("a/notes.txt"), "hello").unwrap();
    assert_eq!(resolve(&root.join("*/sales_*.parquet")).unwrap().statistics.rows, Some(15.0));
    assert_eq!(resolve(&root.join("**/*.parquet")).unwrap().statistics.rows, Some(15.0));
    assert_eq!(resolve(root).unwrap().statistics.rows, Some(15.0));
    let error = resolve(&root.join("a/sale_1.parquet")).unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileAccess);
    assert!(error.message().contains("no file matches"), "{error}");
    assert!(error.hint().unwrap().contains("sales_1.parquet"), "{error:?}");
    let error = resolve(Path::new("no_such_file.parquet")).unwrap_err();
    let here = std::env::current_dir().unwrap().display().to_string();
    assert!(error.message().ends_with(&here), "{error}");
    assert!(resolve(&root.join("c/x.parquet")).unwrap_err().hint().unwrap().contains("no directory"));
    assert!(resolve(&root.join("a/notes.txt")).unwrap_err().message().contains("format"));
}

#[test]
fn schemas_merge_by_name_or_name_both_files() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let text: ArrayRef = Arc::new(StringArray::from(vec!["p", "q"]));
    let small: ArrayRef = Arc::new(Int32Array::from(vec![7, 8]));
    write(&root.join("a.parquet"), &batch(vec![("x", ints([1, 2])), ("y", text.clone())]));
    write(&root.join("b.parquet"), &batch(vec![("z", text.clone()), ("x", small)]));
    let files = resolve(root).unwrap();
    assert_eq!(column_names(&files), ["x:Int64", "y:Utf8View", "z:Utf8View"]);
    let columns = read_all(&Storage::new(), &files, 100).unwrap();
    assert_eq!(columns[0].as_primitive::<arrow::datatypes::Int64Type>().values(), &[1, 2, 7, 8]);
    assert_eq!((columns[1].null_count(), columns[2].null_count()), (2, 2));
    write(&root.join("c.parquet"), &batch(vec![("x", text)]));
    let error = resolve(root).unwrap_err();
    assert_eq!(error.code(), ErrorCode::DatatypeMismatch);
    assert!(error.message().contains("a.parquet") && error.message().contains("c.parquet"), "{error}");
}

#[test]
fn a_file_that_changed_since_planning_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    write(&path, &batch(vec![("x", ints(0..100))]));
    let storage = Storage::new();
    let files = storage.resolve(&path.display().to_string(), None, None, &[]).unwrap();
    let scanner = storage.open(&scan_of(&files, vec![0], vec![])).unwrap();
    write(&path, &batch(vec![("x", ints(0..1000))]));
    let error = scanner.read(&scanner.morsels()[0]).err().unwrap();
    assert_eq!(error.code(), ErrorCode::FileAccess);
    assert!(error.hint().unwrap().contains("again"), "{error:?}");
    assert!(storage.open(&scan_of(&files, vec![0], vec![])).is_ok(), "the footer is cached");
    assert_eq!(
        storage.resolve(&path.display().to_string(), None, None, &[]).unwrap().statistics.rows,
        Some(1000.0)
    );
}

#[test]
fn row_groups_are_pruned_and_statistics_hold() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let rows = 300_000;
    let text: ArrayRef =
        Arc::new(StringArray::from_iter_values((0..rows).map(|row| format!("k{:02}", row % 25))));
    let price = Decimal128Array::from_iter_values((0..rows).map(|row| i128::from(row % 100)));
    let price: ArrayRef = Arc::new(price.with_precision_and_scale(15, 2).unwrap());
    write(&path, &batch(vec![("id", ints(0..rows)), ("k", text), ("price", price)]));
    let storage = Storage::new();
    let files = storage.resolve(&path.display().to_string(), None, None, &[]).unwrap();
    let [id, k, price] = files.statistics.columns.as_slice() else { panic!("three columns") };
    assert_eq!(id.min.as_ref().unwrap().as_i128(), Some(0));
    assert_eq!(id.max.as_ref().unwrap().as_i128(), Some(299_999));
    assert_eq!(id.distinct, Some(300_000.0));
    assert_eq!((k.distinct, k.nulls), (Some(25.0), Some(0.0)));
    assert!((k.width.unwrap() - 3.0).abs() < 0.01);
    assert_eq!(price.distinct, Some(100.0));
    assert_eq!(price.max.as_ref().unwrap().data_type(), &DataType::Decimal128(15, 2));

    let open = |filters| storage.open(&scan_of(&files, vec![0, 1], filters)).unwrap();
    assert_eq!(open(vec![]).morsels().len(), 3);
    assert_eq!(open(vec![compare(CompareOp::Less, 0, Value::int64(1000))]).morsels().len(), 1);
    assert_eq!(open(vec![compare(CompareOp::Greater, 1, Value::utf8("k99"))]).morsels().len(), 0);
    let scanner = open(vec![]);
    let hits: Vec<bool> =
        scanner.morsels().iter().map(|morsel| scanner.may_contain(morsel, 0, 130_000, 130_010)).collect();
    assert_eq!(hits, [false, true, false]);
    let before = scanner.bytes_read();
    let mut reader = scanner.read(&scanner.morsels()[0]).unwrap();
    assert_eq!(reader.next_batch(1000).unwrap(), 1000);
    assert_eq!(scanner.bytes_read(), before, "columns that are not asked for are not read");
    reader.column(1).unwrap();
    assert!(scanner.bytes_read() > before);
}

/// One row group of 10,000 rows in pages of 1,000; the other column's pages are cut elsewhere.
#[test]
fn pages_are_pruned_within_a_row_group() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.parquet");
    let wide: Vec<String> = (0..10_000).map(|n| format!("{n:0>200}")).collect();
    let text: ArrayRef = Arc::new(arrow::array::StringArray::from(wide));
    let rows = batch(vec![("n", ints(0..10_000)), ("s", text)]);
    let properties = parquet::file::properties::WriterProperties::builder()
        .set_data_page_row_count_limit(1_000)
        .set_write_batch_size(100)
        .set_dictionary_enabled(false)
        .build();
    let file = std::fs::File::create(&path).unwrap();
    let mut writer = parquet::arrow::ArrowWriter::try_new(file, rows.schema(), Some(properties)).unwrap();
    writer.write(&rows).unwrap();
    writer.close().unwrap();
    let (storage, files) = (Storage::new(), resolve(&path).unwrap());
    let read = |filters| read_scan(&storage, &scan_of(&files, vec![0, 1], filters), 4_000).unwrap();
    let kept = |filters| read(filters)[0].as_primitive::<Int64Type>().values().to_vec();

    let some = kept(vec![
        compare(CompareOp::GreaterOrEqual, 0, Value::int64(2_500)),
        compare(CompareOp::Less, 0, Value::int64(4_000)),
    ]);
    assert_eq!(some, (2_000..4_000).collect::<Vec<_>>(), "the two pages that can hold such rows, whole");
    assert_eq!(kept(vec![compare(CompareOp::NotEqual, 0, Value::int64(7))]).len(), 10_000);
    let columns = read(vec![compare(CompareOp::Equal, 0, Value::int64(9_999))]);
    let (numbers, texts) = (columns[0].as_primitive::<Int64Type>(), columns[1].as_string_view());
    assert_eq!(numbers.len(), 1_000);
    let agree = numbers.values().iter().zip(texts.iter()).all(|(n, s)| s.unwrap().parse() == Ok(*n));
    assert!(agree, "both columns stand at the same rows");
}

#[test]
fn a_parquet_sink_leaves_nothing_behind_when_dropped() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet").display().to_string();
    let data = batch(vec![("x", ints(0..10))]);
    let mut sink = create_sink(&path, &SinkFormat::Parquet(ParquetCompression::Zstd), data.schema()).unwrap();
    sink.write(&data).unwrap();
    drop(sink);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    let missing = directory.path().join("no/such/t.parquet").display().to_string();
    let error = create_sink(&missing, &SinkFormat::Arrow, data.schema()).err().unwrap();
    assert!(error.message().contains("no such directory"), "{error}");
}
