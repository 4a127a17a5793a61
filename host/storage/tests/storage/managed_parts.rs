//! Deletions, transforms, sketches and histograms of managed tables.

use std::sync::Arc;

use arrow::array::*;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int32Type, TimeUnit};
use bytes::Bytes;
use nyala_schema::managed::{
    DataFile, Deletions, DeletionsPlace, PartitionField, TableProperties, TableShape, Transform,
};
use nyala_schema::{Bound, ErrorCode, Result};
use nyala_storage::managed::{
    ColumnSketcher, Warehouse, delete_rows, deleted_rows, distinct_of, histogram_of, merge_sketches,
    partition_values,
};
use roaring::RoaringBitmap;

use crate::managed_support::{TABLE, batch, shape, to_files, write};
use crate::support::Random;

fn file(warehouse: &Warehouse, rows: usize) -> DataFile {
    let shape = shape(&[DataType::Int64]);
    let numbers = Int64Array::from_iter_values(0..rows as i64);
    let rows = [batch(&shape, vec![Arc::new(numbers)])];
    let written = write(warehouse, &shape, &TableProperties::default(), to_files(), &rows).unwrap();
    let file = written.files[0].clone();
    written.keep();
    file
}

#[test]
fn deletions_are_added_to_those_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let mut file = file(&warehouse, 200_000);
    let few = RoaringBitmap::from([3, 5, 199_999]);
    let deletions = delete_rows(&warehouse, TABLE, &file, &few).unwrap();
    assert!(matches!(deletions.place, DeletionsPlace::Inline(_)));
    assert_eq!(deletions.rows, 3);
    file.deletions = Some(deletions);
    assert_eq!(file.live_rows(), 199_997);

    let mut random = Random::new(1);
    let many: RoaringBitmap = (0..30_000).map(|_| random.below(200_000) as u32).chain([5]).collect();
    let deletions = delete_rows(&warehouse, TABLE, &file, &many).unwrap();
    let DeletionsPlace::File { path, size } = &deletions.place else { panic!("a large bitmap is a file") };
    assert_eq!(warehouse.read(TABLE, path).unwrap().len() as u64, *size);
    assert_eq!(deleted_rows(&warehouse, TABLE, &deletions).unwrap(), many | few);

    let outside = RoaringBitmap::from([200_000]);
    assert_eq!(delete_rows(&warehouse, TABLE, &file, &outside).unwrap_err().code(), ErrorCode::Internal);
}

#[test]
fn a_warehouse_without_files_keeps_all_deletions_in_the_catalog() {
    let warehouse = Warehouse::in_memory();
    let file = file(&warehouse, 100_000);
    let many: RoaringBitmap = (0..100_000).filter(|row| row % 3 == 0).collect();
    let deletions = delete_rows(&warehouse, TABLE, &file, &many).unwrap();
    assert!(matches!(deletions.place, DeletionsPlace::Inline(_)));
    assert_eq!(deleted_rows(&warehouse, TABLE, &deletions).unwrap(), many);
}

#[test]
fn damaged_deletions_are_noticed() {
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let file = file(&warehouse, 100_000);
    let many: RoaringBitmap = (0..100_000).filter(|row| row % 3 == 0).collect();
    let deletions = delete_rows(&warehouse, TABLE, &file, &many).unwrap();
    let DeletionsPlace::File { path, .. } = &deletions.place else { panic!("a large bitmap is a file") };
    let good = warehouse.read(TABLE, path).unwrap();
    let read_damaged = |bytes: &[u8]| {
        warehouse.write(TABLE, path, bytes).unwrap();
        deleted_rows(&warehouse, TABLE, &deletions).unwrap_err().code()
    };
    for at in (0..good.len()).step_by(97).chain([good.len() - 1]) {
        let mut bad = good.to_vec();
        bad[at] ^= 1 << (at % 8);
        assert_eq!(read_damaged(&bad), ErrorCode::CorruptFile, "byte {at}");
    }
    for length in [0, 3, 100, good.len() - 1] {
        assert_eq!(read_damaged(&good[..length]), ErrorCode::CorruptFile, "{length} bytes");
    }
    warehouse.remove(TABLE, path).unwrap();
    assert_eq!(deleted_rows(&warehouse, TABLE, &deletions).unwrap_err().code(), ErrorCode::FileAccess);
    let inline = Deletions { rows: 2, place: DeletionsPlace::Inline(Bytes::from_static(b"no bitmap")) };
    assert_eq!(deleted_rows(&warehouse, TABLE, &inline).unwrap_err().code(), ErrorCode::CorruptFile);
}

/// What a transform makes of a column.
fn transformed(array: ArrayRef, transform: Transform) -> Result<ArrayRef> {
    let mut shape: TableShape = shape(&[array.data_type().clone()]);
    shape.partition_by = vec![PartitionField { column: shape.columns[0].id, transform }];
    let values = partition_values(&shape, &batch(&shape, vec![array]))?;
    Ok(values[0].clone())
}

#[test]
fn days_fall_into_years_months_and_hours() {
    let texts = [
        Some("1969-12-31T23:59:59.999999"),
        Some("1970-01-01T00:00:00"),
        Some("2000-02-29T12:30:00"),
        Some("1900-03-01T00:00:00"),
        Some("2024-12-31T23:00:00"),
        None,
        Some("0001-01-01T00:00:00"),
    ];
    let micros =
        cast(&StringArray::from(texts.to_vec()), &DataType::Timestamp(TimeUnit::Microsecond, None)).unwrap();
    let dates = cast(&micros, &DataType::Date32).unwrap();
    let expected = |values: [Option<i32>; 7]| Arc::new(Int32Array::from(values.to_vec())) as ArrayRef;
    let years = expected([Some(-1), Some(0), Some(30), Some(-70), Some(54), None, Some(-1969)]);
    let months = expected([Some(-1), Some(0), Some(361), Some(-838), Some(659), None, Some(-23_628)]);
    let days = expected([Some(-1), Some(0), Some(11_016), Some(-25_508), Some(20_088), None, Some(-719_162)]);
    for unit in [TimeUnit::Second, TimeUnit::Millisecond, TimeUnit::Microsecond] {
        let array = cast(&micros, &DataType::Timestamp(unit, None)).unwrap();
        // Casts to coarser units round towards zero; the first moment is then 1970.
        let fine = if unit == TimeUnit::Microsecond { 0 } else { 1 };
        for (transform, expected) in
            [(Transform::Year, &years), (Transform::Month, &months), (Transform::Day, &days)]
        {
            let found = transformed(array.clone(), transform).unwrap();
            assert_eq!(
                &found.slice(fine, 7 - fine),
                &expected.slice(fine, 7 - fine),
                "{transform:?} {unit:?}"
            );
        }
    }
    for (transform, expected) in
        [(Transform::Year, &years), (Transform::Month, &months), (Transform::Day, &days)]
    {
        assert_eq!(&transformed(dates.clone(), transform).unwrap(), expected, "{transform:?}");
    }
    let hours = transformed(micros, Transform::Hour).unwrap();
    let hours = hours.as_primitive::<Int32Type>();
    assert_eq!((hours.value(0), hours.value(1), hours.value(2)), (-1, 0, 11_016 * 24 + 12));
    assert!(hours.is_null(5));
}

#[test]
fn values_are_truncated() {
    let numbers: ArrayRef =
        Arc::new(Int32Array::from(vec![Some(-1), Some(0), Some(19), None, Some(i32::MIN)]));
    let expected: ArrayRef =
        Arc::new(Int32Array::from(vec![Some(-10), Some(0), Some(10), None, Some(i32::MIN)]));
    assert_eq!(&transformed(numbers, Transform::Truncate(10)).unwrap(), &expected);
    let decimal = |values: Vec<i128>| {
        Arc::new(Decimal128Array::from(values).with_precision_and_scale(9, 2).unwrap()) as ArrayRef
    };
    assert_eq!(
        &transformed(decimal(vec![-5, 1234]), Transform::Truncate(100)).unwrap(),
        &decimal(vec![-100, 1200])
    );
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("äöüß"), Some("a"), None]));
    let expected: ArrayRef = Arc::new(StringArray::from(vec![Some("äö"), Some("a"), None]));
    assert_eq!(&transformed(texts, Transform::Truncate(2)).unwrap(), &expected);
}

/// Files are found by these numbers for ever: they may never change.
#[test]
fn buckets_stay_as_they_are() {
    let numbers: ArrayRef = Arc::new(Int64Array::from(vec![Some(0), Some(1), Some(-1), None, Some(1 << 40)]));
    let buckets = |array: ArrayRef| transformed(array, Transform::Bucket(1000)).unwrap();
    let of_numbers = buckets(numbers);
    // By the CRC-32 of another language's library.
    let expected: ArrayRef =
        Arc::new(Int32Array::from(vec![Some(233), Some(735), Some(692), None, Some(94)]));
    assert_eq!(&of_numbers, &expected);
    let small = Int32Array::from(vec![Some(0), Some(1), Some(-1), None]);
    assert_eq!(&buckets(Arc::new(small)), &of_numbers.slice(0, 4), "the width makes no difference");
    let texts = buckets(Arc::new(StringArray::from(vec!["", "nyala"])));
    let expected: ArrayRef = Arc::new(Int32Array::from(vec![0, 461]));
    assert_eq!(&texts, &expected);
}

#[test]
fn transforms_that_do_not_fit_are_refused() {
    let text: ArrayRef = Arc::new(StringArray::from(vec!["a"]));
    let date: ArrayRef = Arc::new(Date32Array::from(vec![1]));
    let float: ArrayRef = Arc::new(Float64Array::from(vec![1.0]));
    for (array, transform) in [
        (&text, Transform::Year),
        (&date, Transform::Hour),
        (&date, Transform::Truncate(3)),
        (&float, Transform::Identity),
        (&float, Transform::Bucket(3)),
    ] {
        let error = transformed(array.clone(), transform).unwrap_err();
        assert_eq!(error.code(), ErrorCode::DatatypeMismatch, "{transform:?}");
        assert!(error.hint().is_some());
    }
}

fn sketch(arrays: &[ArrayRef]) -> Bytes {
    let mut sketcher = ColumnSketcher::new();
    arrays.iter().for_each(|array| sketcher.add(array).unwrap());
    sketcher.finish()
}

#[test]
fn one_column_has_one_sketch_in_every_physical_form() {
    let texts: Vec<Option<String>> =
        (0..9_000).map(|at| (at % 7 > 0).then(|| format!("text {}", at % 2_000))).collect();
    let plain: ArrayRef = Arc::new(StringArray::from(texts));
    let of_plain = distinct_of(&sketch(std::slice::from_ref(&plain))).unwrap();
    assert!((of_plain / 2_000.0 - 1.0).abs() < 0.05, "{of_plain}");
    let dictionary = DataType::Dictionary(Box::new(DataType::UInt16), Box::new(DataType::Utf8));
    for other in [DataType::Utf8View, DataType::LargeUtf8, dictionary] {
        let other = cast(&plain, &other).unwrap();
        let both = merge_sketches([&sketch(std::slice::from_ref(&plain)), &sketch(&[other])]).unwrap();
        assert!((distinct_of(&both).unwrap() / of_plain - 1.0).abs() < 0.03);
    }
    let decimals = |data_type: DataType| {
        let numbers = Int64Array::from_iter_values((0..5_000).map(|at| at % 900));
        cast(&numbers, &data_type).unwrap()
    };
    let narrow = sketch(&[decimals(DataType::Decimal64(18, 2))]);
    let wide = sketch(&[decimals(DataType::Decimal128(18, 2))]);
    let both = distinct_of(&merge_sketches([&narrow, &wide]).unwrap()).unwrap();
    assert!((both / 900.0 - 1.0).abs() < 0.05, "{both}");
}

#[test]
fn only_values_that_a_row_has_are_counted() {
    let values: ArrayRef = Arc::new(StringViewArray::from_iter_values((0..1_000).map(|at| at.to_string())));
    let keys = |range: std::ops::Range<i32>| Int32Array::from_iter_values(range.chain([0, 1]));
    let first: ArrayRef = Arc::new(DictionaryArray::new(keys(0..10), values.clone()));
    let second: ArrayRef = Arc::new(DictionaryArray::new(keys(5..20), values));
    assert_eq!(distinct_of(&sketch(&[first, second])).unwrap().round(), 20.0);
    let numbers: ArrayRef =
        Arc::new(Int64Array::from(vec![Some(-1), Some(0), None, Some(-1), Some(i64::MAX)]));
    assert_eq!(distinct_of(&sketch(&[numbers.clone(), numbers])).unwrap().round(), 3.0);
}

#[test]
fn damaged_sketches_are_noticed() {
    for bytes in [&b""[..], b"no sketch at all", &[0xff; 40]] {
        let error = distinct_of(&Bytes::copy_from_slice(bytes)).unwrap_err();
        assert_eq!(error.code(), ErrorCode::CorruptFile);
    }
}

#[test]
fn histograms_have_equally_many_values_between_their_bounds() {
    let numbers =
        Int64Array::from_iter((0..10_001).rev().map(|at| (at % 4 > 0 || at % 100 == 0).then_some(at * at)));
    let parts: [ArrayRef; 2] = [Arc::new(numbers.slice(0, 3_000)), Arc::new(numbers.slice(3_000, 7_001))];
    let histogram = histogram_of(&parts, 10).unwrap().unwrap();
    let bounds: Vec<i128> =
        histogram
            .bounds
            .iter()
            .map(|bound| {
                if let Bound::Int(number) = bound {
                    *number
                } else {
                    panic!("numbers have numbers as bounds")
                }
            })
            .collect();
    assert_eq!((bounds.len(), bounds[0], bounds[10]), (11, 0, 10_000 * 10_000));
    let count = numbers.len() - numbers.null_count();
    for pair in bounds.windows(2) {
        let between =
            numbers.iter().flatten().filter(|it| pair[0] <= i128::from(*it) && i128::from(*it) < pair[1]);
        let between = between.count();
        assert!(between.abs_diff(count / 10) <= 1, "{between} of {count}");
    }
    let texts = StringViewArray::from(vec![Some("b"), None, Some("a"), Some("c")]);
    let dictionary = DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8View));
    let texts: [ArrayRef; 1] = [cast(&texts, &dictionary).unwrap()];
    let text = |text: &str| Bound::Text(text.as_bytes().to_vec());
    assert_eq!(histogram_of(&texts, 64).unwrap().unwrap().bounds, [text("a"), text("b"), text("c")]);
    let nulls: [ArrayRef; 1] = [new_null_array(&DataType::Int64, 5)];
    assert_eq!(histogram_of(&nulls, 4).unwrap(), None);
}
