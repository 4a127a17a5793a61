//! All types, through files and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::*;
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Fields, Int64Type, IntervalUnit, TimeUnit};
use nyala_schema::managed::property::FileCompression;
use nyala_schema::managed::{FileContent, TableProperties};
use nyala_schema::scan::physical_type;
use nyala_schema::{Bound, ErrorCode};
use nyala_storage::managed::Warehouse;
use parquet::arrow::arrow_reader::{ArrowReaderOptions, ParquetRecordBatchReaderBuilder};
use parquet::basic::Compression;
use parquet::file::metadata::PageIndexPolicy;

use crate::managed_support::{TABLE, batch, joined, read_back, shape, to_files, write};
use crate::support::Random;

fn types() -> Vec<DataType> {
    vec![
        DataType::Boolean,
        DataType::Int8,
        DataType::Int16,
        DataType::Int32,
        DataType::Int64,
        DataType::UInt8,
        DataType::UInt16,
        DataType::UInt32,
        DataType::UInt64,
        DataType::Float32,
        DataType::Float64,
        DataType::Decimal128(5, 2),
        DataType::Decimal128(18, 4),
        DataType::Decimal128(38, 10),
        DataType::Utf8,
        DataType::Binary,
        DataType::Date32,
        DataType::Time64(TimeUnit::Microsecond),
        DataType::Timestamp(TimeUnit::Microsecond, None),
        DataType::Timestamp(TimeUnit::Second, None),
        DataType::Timestamp(TimeUnit::Nanosecond, Some("+00:00".into())),
        DataType::List(Arc::new(Field::new("item", DataType::Int64, true))),
        DataType::Struct(record()),
    ]
}

fn record() -> Fields {
    Fields::from(vec![Field::new("a", DataType::Int32, true), Field::new("b", DataType::Utf8, true)])
}

/// How the values of a test lie.
#[derive(Debug, Clone, Copy)]
enum Spread {
    /// Few values, over and over.
    Few,
    /// All values of the type.
    All,
    /// Long stretches of one value, and of NULL.
    Runs,
}

fn numbers(random: &mut Random, rows: usize, spread: Spread, nulls: bool) -> Int64Array {
    let mut run = (0, None);
    let value = |random: &mut Random| match spread {
        Spread::Few => random.below(20) as i64 - 10,
        Spread::All | Spread::Runs => random.next() as i64,
    };
    let values = (0..rows).map(|_| {
        let null = |random: &mut Random| nulls && random.chance(10);
        if let Spread::Runs = spread {
            if run.0 == 0 {
                let next = if null(random) { None } else { Some(value(random)) };
                run = (random.below(400) + 1, next);
            }
            run.0 -= 1;
            return run.1;
        }
        let is_null = null(random);
        let value = value(random);
        (!is_null).then_some(value)
    });
    Int64Array::from_iter(values.collect::<Vec<_>>())
}

fn column(random: &mut Random, data_type: &DataType, rows: usize, spread: Spread, nulls: bool) -> ArrayRef {
    let numbers = numbers(random, rows, spread, nulls);
    let wrapped = |numbers: &Int64Array, bound: i64| -> Int64Array {
        numbers.unary(|it| it.rem_euclid(2 * bound) - bound)
    };
    let texts = || numbers.iter().map(|it| it.map(|it| format!("{it:x}-äöü").repeat(1 + (it as usize % 4))));
    match data_type {
        DataType::Boolean => {
            Arc::new(BooleanArray::from_iter(numbers.iter().map(|it| it.map(|it| it % 2 == 0))))
        }
        DataType::Float32 | DataType::Float64 => {
            let odd = [f64::NAN, -0.0, 0.0, f64::INFINITY, 1.5];
            let value = |it: i64| if it % 7 == 0 { odd[it as usize % 5] } else { it as f64 / 3.0 };
            let floats = Float64Array::from_iter(numbers.iter().map(|it| it.map(value)));
            cast(&floats, data_type).unwrap()
        }
        DataType::Decimal128(p, s) => {
            let bound = 10i128.pow(u32::from(*p));
            let value = |it: i64| (i128::from(it) * 1_000_003 * 1_000_000_007).rem_euclid(bound) - bound / 2;
            let decimals = Decimal128Array::from_iter(numbers.iter().map(|it| it.map(value)));
            Arc::new(decimals.with_precision_and_scale(*p, *s).unwrap())
        }
        DataType::Utf8 => Arc::new(StringArray::from_iter(texts())),
        DataType::Binary => Arc::new(BinaryArray::from_iter(texts().map(|it| it.map(String::into_bytes)))),
        DataType::Date32 => {
            cast(&cast(&wrapped(&numbers, 1 << 20), &DataType::Int32).unwrap(), data_type).unwrap()
        }
        DataType::Time64(_) => {
            cast(&numbers.unary::<_, Int64Type>(|it| it.rem_euclid(86_400_000_000)), data_type).unwrap()
        }
        DataType::List(_) => {
            let lists =
                numbers.iter().map(|it| it.map(|it| (0..it.rem_euclid(4)).map(Some).collect::<Vec<_>>()));
            Arc::new(ListArray::from_iter_primitive::<Int64Type, _, _>(lists))
        }
        DataType::Struct(_) => {
            let parts: Vec<ArrayRef> = vec![
                Arc::new(numbers.unary::<_, arrow::datatypes::Int32Type>(|it| it as i32)),
                Arc::new(StringArray::from_iter(texts())),
            ];
            Arc::new(StructArray::new(record(), parts, numbers.nulls().cloned()))
        }
        DataType::UInt64 => Arc::new(numbers.unary::<_, arrow::datatypes::UInt64Type>(|it| it as u64)),
        _ => match data_type.primitive_width() {
            Some(width) if width < 8 => {
                let narrow = wrapped(&numbers, 1 << (8 * width - 1));
                let unsigned = data_type.is_unsigned_integer();
                let narrow: Int64Array =
                    if unsigned { narrow.unary(|it| it + (1 << (8 * width - 1))) } else { narrow };
                cast(&narrow, data_type).unwrap()
            }
            _ => cast(&numbers, data_type).unwrap(),
        },
    }
}

fn rows(seed: u64, rows: usize, spread: Spread, nulls: bool) -> RecordBatch {
    let mut random = Random::new(seed);
    let columns = types().iter().map(|it| column(&mut random, it, rows, spread, nulls)).collect();
    batch(&shape(&types()), columns)
}

/// NaN is equal to itself, and zeros of both signs are two values.
fn assert_same(left: &ArrayRef, right: &ArrayRef, what: &str) {
    let bits = |array: &ArrayRef| -> ArrayRef {
        match array.data_type() {
            DataType::Float64 => Arc::new(
                array
                    .as_primitive::<arrow::datatypes::Float64Type>()
                    .unary::<_, Int64Type>(|it| it.to_bits() as i64),
            ),
            DataType::Float32 => Arc::new(
                array
                    .as_primitive::<arrow::datatypes::Float32Type>()
                    .unary::<_, Int64Type>(|it| it.to_bits().into()),
            ),
            _ => array.clone(),
        }
    };
    assert_eq!(&bits(left), &bits(right), "{what}");
}

/// All of them for one spread, by default for the others.
fn compressions(spread: Spread) -> Vec<FileCompression> {
    match spread {
        Spread::Few | Spread::All => vec![FileCompression::Zstd],
        Spread::Runs => {
            vec![FileCompression::None, FileCompression::Snappy, FileCompression::Lz4, FileCompression::Zstd]
        }
    }
}

#[test]
fn all_types_come_back_from_files() {
    let shape = shape(&types());
    for (seed, spread) in [Spread::Few, Spread::All, Spread::Runs].into_iter().enumerate() {
        for nulls in [false, true] {
            for compression in compressions(spread) {
                let folder = tempfile::tempdir().unwrap();
                let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
                let properties =
                    TableProperties { compression, row_group_rows: 25_000, ..TableProperties::default() };
                let batches: Vec<RecordBatch> = [1, 30_000, 4_097, 7]
                    .iter()
                    .map(|count| rows(seed as u64 + 1, *count, spread, nulls))
                    .collect();
                let written = write(&warehouse, &shape, &properties, to_files(), &batches).unwrap();
                assert_eq!(written.files.len(), 1);
                let file = &written.files[0];
                let FileContent::Parquet { row_groups, .. } = &file.content else { panic!("rows in a file") };
                assert_eq!(row_groups.to_vec(), [25_000, 9_105]);
                for (at, found) in read_back(&warehouse, &shape, file).iter().enumerate() {
                    let what = format!("{} {spread:?} nulls {nulls} {compression:?}", types()[at]);
                    assert_same(found, &joined(&batches, at), &what);
                }
            }
        }
    }
}

#[test]
fn dictionaries_are_written_as_their_values() {
    let types = [DataType::Utf8, DataType::Utf8, DataType::Binary];
    let shape = shape(&types);
    let (folder, mut random) = (tempfile::tempdir().unwrap(), Random::new(5));
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let words: Vec<Option<String>> =
        (0..500).map(|at| (at % 9 != 0).then(|| "word ".repeat(at % 5) + &at.to_string())).collect();
    let mut plain = Vec::new();
    let mut coded = Vec::new();
    for _ in 0..5 {
        let keys = |random: &mut Random| {
            Int32Array::from_iter(
                (0..3_000).map(|_| random.chance(90).then(|| random.below(words.len()) as i32)),
            )
        };
        let few: ArrayRef = Arc::new(StringViewArray::from_iter(words.iter().map(Option::as_deref)));
        let first = DictionaryArray::new(keys(&mut random), few.clone());
        let second = DictionaryArray::new(
            cast(&keys(&mut random), &DataType::UInt32)
                .unwrap()
                .as_primitive::<arrow::datatypes::UInt32Type>()
                .clone(),
            Arc::new(StringArray::from_iter(words.iter().map(Option::as_deref))) as ArrayRef,
        );
        let third = DictionaryArray::new(keys(&mut random), cast(&few, &DataType::BinaryView).unwrap());
        let columns: Vec<ArrayRef> = vec![Arc::new(first), Arc::new(second), Arc::new(third)];
        plain.push(batch(&shape, columns.clone()));
        let names = shape.columns.iter().map(|column| column.name.clone());
        coded.push(RecordBatch::try_from_iter(names.zip(columns)).unwrap());
    }
    let written = write(&warehouse, &shape, &TableProperties::default(), to_files(), &coded).unwrap();
    for (at, found) in read_back(&warehouse, &shape, &written.files[0]).iter().enumerate() {
        assert_same(found, &joined(&plain, at), &format!("column {at}"));
    }
}

#[test]
fn fields_have_the_ids_of_their_columns_and_plain_types() {
    let shape = shape(&types());
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let written = write(
        &warehouse,
        &shape,
        &TableProperties::default(),
        to_files(),
        &[rows(1, 10_000, Spread::All, true)],
    )
    .unwrap();
    let path = written.files[0].paths().next().unwrap().clone();
    let bytes = warehouse.read(TABLE, &path).unwrap();
    let builder = ParquetRecordBatchReaderBuilder::try_new(bytes).unwrap();
    for (column, field) in shape.columns.iter().zip(builder.schema().fields()) {
        assert_eq!(
            field.metadata(),
            &HashMap::from([("PARQUET:field_id".to_owned(), column.id.0.to_string())])
        );
        let plain = match &column.data_type {
            DataType::Timestamp(unit, Some(_)) => DataType::Timestamp(*unit, Some("UTC".into())),
            DataType::List(_) | DataType::Struct(_) => continue,
            // Parquet has no such unit: others see the numbers.
            DataType::Timestamp(TimeUnit::Second, _) => DataType::Int64,
            other => other.clone(),
        };
        assert_eq!(field.data_type(), &plain, "a reader that knows nothing of Arrow sees {}", column.name);
    }
    let text = builder.metadata().row_group(0).column(14);
    let number = builder.metadata().row_group(0).column(4);
    assert!(matches!(text.compression(), Compression::ZSTD(_)), "{:?}", text.compression());
    assert_eq!(number.compression(), Compression::LZ4_RAW);
}

#[test]
fn bounds_hold_for_files_and_pages() {
    let shape = shape(&types());
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    for spread in [Spread::Few, Spread::All, Spread::Runs] {
        let batch = rows(9, 50_000, spread, true);
        let written =
            write(&warehouse, &shape, &TableProperties::default(), to_files(), std::slice::from_ref(&batch))
                .unwrap();
        let file = &written.files[0];
        for (column, array) in shape.columns.iter().zip(batch.columns()) {
            let known = file.statistics.column(column.id).unwrap();
            assert_eq!(known.nulls, array.logical_null_count() as u64, "{}", column.data_type);
            let bounds = (known.min, known.max);
            match (&column.data_type, bounds) {
                (DataType::Utf8, (Some(Bound::Text(min)), Some(Bound::Text(max)))) => {
                    let texts = array.as_string_view();
                    assert!(
                        texts
                            .iter()
                            .flatten()
                            .all(|it| min.as_slice() <= it.as_bytes() && it.as_bytes() <= max.as_slice())
                    );
                }
                (DataType::Boolean | DataType::Binary | DataType::List(_) | DataType::Struct(_), bounds) => {
                    assert_eq!(bounds, (None, None))
                }
                // Some of the floats are no number.
                (DataType::Float32 | DataType::Float64, bounds) => assert_eq!(bounds, (None, None)),
                (data_type, bounds) => {
                    let values: Vec<i128> = (0..array.len())
                        .filter_map(|row| nyala_schema::Value::from_row(array, row).as_i128())
                        .collect();
                    let expected = (
                        values.iter().min().copied().map(Bound::Int),
                        values.iter().max().copied().map(Bound::Int),
                    );
                    assert_eq!(bounds, expected, "{data_type} {spread:?}");
                }
            }
        }
        check_pages(&warehouse, file.paths().next().unwrap(), &batch);
    }
}

/// The page index says of each page what its rows have.
fn check_pages(warehouse: &Warehouse, path: &str, batch: &RecordBatch) {
    use parquet::file::page_index::column_index::ColumnIndexMetaData;
    let bytes = warehouse.read(TABLE, path).unwrap();
    let options = ArrowReaderOptions::new().with_page_index_policy(PageIndexPolicy::Required);
    let builder = ParquetRecordBatchReaderBuilder::try_new_with_options(bytes, options).unwrap();
    let metadata = builder.metadata();
    let (columns, offsets) = (metadata.column_index().unwrap(), metadata.offset_index().unwrap());
    let starts: Vec<usize> =
        offsets[0][4].page_locations().iter().map(|page| page.first_row_index as usize).collect();
    assert_eq!(starts, [0, 20_480, 40_960]);
    let ColumnIndexMetaData::INT64(index) = &columns[0][4] else { panic!("c4 is a BIGINT") };
    let numbers = batch.column(4).as_primitive::<Int64Type>();
    for (page, start) in starts.iter().enumerate() {
        let end = starts.get(page + 1).copied().unwrap_or(numbers.len());
        let of_page = numbers.slice(*start, end - start);
        assert_eq!(index.null_count(page), Some(of_page.null_count() as i64));
        assert_eq!(index.min_value(page).copied(), of_page.iter().flatten().min());
        assert_eq!(index.max_value(page).copied(), of_page.iter().flatten().max());
    }
}

#[test]
fn types_that_parquet_lacks_are_refused() {
    let interval = DataType::Interval(IntervalUnit::MonthDayNano);
    let list = DataType::List(Arc::new(Field::new("item", interval.clone(), true)));
    for data_type in [interval, list] {
        let error = write(
            &Warehouse::in_memory(),
            &shape(&[data_type]),
            &TableProperties::default(),
            to_files(),
            &[],
        )
        .unwrap_err();
        assert_eq!(error.code(), ErrorCode::Unsupported);
        assert!(error.message().contains("column \"c0\" is INTERVAL"), "{error}");
    }
}

#[test]
fn columns_without_values_and_empty_text_are_written() {
    let types =
        [DataType::Int64, DataType::Utf8, DataType::Utf8, DataType::Float64, DataType::Decimal128(38, 0)];
    let shape = shape(&types);
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let rows = 30_000;
    let columns: Vec<ArrayRef> = types
        .iter()
        .enumerate()
        .map(|(at, data_type)| match at {
            2 => Arc::new(StringArray::from(vec![""; rows])) as ArrayRef,
            _ => new_null_array(data_type, rows),
        })
        .collect();
    let batch = batch(&shape, columns);
    let written =
        write(&warehouse, &shape, &TableProperties::default(), to_files(), std::slice::from_ref(&batch))
            .unwrap();
    for (at, found) in read_back(&warehouse, &shape, &written.files[0]).iter().enumerate() {
        assert_same(found, batch.column(at), &format!("column {at}"));
    }
    let known = written.files[0].statistics.column(shape.columns[0].id).unwrap();
    assert_eq!((known.min, known.max, known.nulls), (None, None, rows as u64));
}

/// Pages carry checksums, which readers hold against their bytes.
#[test]
fn flipped_bits_of_a_file_are_noticed() {
    let shape = shape(&[DataType::Int64, DataType::Utf8]);
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let mut random = Random::new(8);
    let columns =
        [DataType::Int64, DataType::Utf8].iter().map(|it| column(&mut random, it, 5_000, Spread::All, true));
    let batch = batch(&shape, columns.collect());
    let written =
        write(&warehouse, &shape, &TableProperties::default(), to_files(), std::slice::from_ref(&batch))
            .unwrap();
    let path = written.files[0].paths().next().unwrap().clone();
    let good = warehouse.read(TABLE, &path).unwrap();
    let target = warehouse.local_path(TABLE, "damaged.parquet").unwrap();
    let storage = nyala_storage::Storage::new();
    let read = |bytes: &[u8]| {
        std::fs::write(&target, bytes).unwrap();
        let files = storage.resolve(target.to_str().unwrap(), None, None, &[])?;
        crate::support::read_all(&storage, &files, 1024)
    };
    let expected = read(&good).unwrap();
    assert_same(&expected[1], batch.column(1), "the file as it was written");
    // The pages of both columns lie before the indexes and the footer.
    let pages = ParquetRecordBatchReaderBuilder::try_new(good.clone())
        .unwrap()
        .metadata()
        .row_group(0)
        .compressed_size();
    let (mut noticed, mut flipped) = (0, 0);
    for at in (4..pages as usize).step_by(701) {
        flipped += 1;
        let mut bad = good.to_vec();
        bad[at] ^= 1 << (at % 8);
        match read(&bad) {
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::CorruptFile, "byte {at}: {error}");
                noticed += 1;
            }
            // A field of a header that nobody needs.
            Ok(found) => assert_eq!(found, expected, "byte {at}"),
        }
    }
    assert!(noticed > flipped / 2, "{noticed} of {flipped}");
}

#[test]
fn long_text_has_pages_of_its_own_and_bounds_that_are_cut() {
    let shape = shape(&[DataType::Utf8]);
    let folder = tempfile::tempdir().unwrap();
    let warehouse = Warehouse::open(folder.path().to_str().unwrap()).unwrap();
    let texts: Vec<String> = (0..300).map(|at| format!("{}{at:05}", "ÿ".repeat(20_000))).collect();
    let batch = batch(&shape, vec![Arc::new(StringArray::from(texts.clone()))]);
    let written =
        write(&warehouse, &shape, &TableProperties::default(), to_files(), std::slice::from_ref(&batch))
            .unwrap();
    let file = &written.files[0];
    assert_same(&read_back(&warehouse, &shape, file)[0], batch.column(0), "long text");
    let known = file.statistics.column(shape.columns[0].id).unwrap();
    let (Some(Bound::Text(min)), Some(Bound::Text(max))) = (known.min, known.max) else {
        panic!("text has bounds")
    };
    assert!(min.len() <= 32 && max.len() <= 32, "{} {}", min.len(), max.len());
    assert!(min.as_slice() <= texts[0].as_bytes() && texts[299].as_bytes() <= max.as_slice());
    assert!(std::str::from_utf8(&max).is_ok());
    let width = written.sketches[0].width.unwrap();
    assert_eq!(width, 40_005.0);
    let null_free: Option<&NullBuffer> = batch.column(0).nulls();
    assert!(null_free.is_none());
    assert_eq!(physical_type(&DataType::Utf8), *batch.column(0).data_type());
}
