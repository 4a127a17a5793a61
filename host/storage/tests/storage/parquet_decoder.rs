//! The page decoder against what was written: types, nullability, encodings, codecs, page sizes, versions.

use std::fs::File;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use nyala_schema::Result;
use nyala_storage::Storage;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding};
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::support::{Random, joined, physical, plain, read_all, scan_of};

const ROWS: usize = 5_000;

/// NULLs in percent: none, few, many, in long runs, all.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Nulls {
    Never,
    Percent(usize),
    Runs,
}

fn validity(random: &mut Random, nulls: Nulls) -> Vec<bool> {
    match nulls {
        Nulls::Never => vec![true; ROWS],
        Nulls::Percent(percent) => (0..ROWS).map(|_| !random.chance(percent)).collect(),
        Nulls::Runs => {
            let mut valid = Vec::new();
            while valid.len() < ROWS {
                let value = random.chance(50);
                valid.resize((valid.len() + 1 + random.below(700)).min(ROWS), value);
            }
            valid
        }
    }
}

/// A column for every type that is decoded, with `distinct` different values.
fn batch(random: &mut Random, nulls: Nulls, distinct: usize) -> RecordBatch {
    let mut fields = Vec::new();
    let mut columns: Vec<ArrayRef> = Vec::new();
    let mut add = |name: &str, column: ArrayRef| {
        fields.push(Field::new(name, column.data_type().clone(), nulls != Nulls::Never));
        columns.push(column);
    };
    let mut numbers = || -> Vec<Option<i64>> {
        let valid = validity(random, nulls);
        let runs = random.chance(50);
        let mut value = 0;
        valid
            .into_iter()
            .map(|valid| {
                if !runs || random.chance(10) {
                    value = random.below(distinct) as i64 - distinct as i64 / 2;
                }
                valid.then_some(value)
            })
            .collect()
    };
    macro_rules! column {
        ($name:literal, $array:ty, $convert:expr) => {{
            let values: $array = numbers().into_iter().map(|value| value.map($convert)).collect();
            add($name, Arc::new(values));
        }};
    }
    column!("int8", Int8Array, |v| v as i8);
    column!("int16", Int16Array, |v| v as i16);
    column!("int32", Int32Array, |v| v as i32 * 1_001);
    column!("int64", Int64Array, |v| v * 1_000_000_007);
    column!("uint8", UInt8Array, |v| v as u8);
    column!("uint16", UInt16Array, |v| v as u16);
    column!("uint32", UInt32Array, |v| v as u32);
    column!("uint64", UInt64Array, |v| v as u64);
    column!("float32", Float32Array, |v| v as f32 / 3.0);
    column!("float64", Float64Array, |v| v as f64 / 7.0);
    column!("boolean", BooleanArray, |v| v % 3 == 0);
    column!("date", Date32Array, |v| v as i32);
    column!("time32", Time32MillisecondArray, |v| v.unsigned_abs() as i32 % 86_400_000);
    column!("time64", Time64NanosecondArray, |v| v.abs());
    column!("milli", TimestampMillisecondArray, |v| v * 86_400_000);
    column!("micro", TimestampMicrosecondArray, |v| v * 3_600_000_000);
    column!("nano", TimestampNanosecondArray, |v| v * 1_000_000_000);
    column!("second", TimestampSecondArray, |v| v * 1_000);
    column!("text", StringViewArray, |v| format!(
        "{:0width$}",
        v,
        width = 1 + v.unsigned_abs() as usize % 40
    ));
    column!("words", StringArray, |v| "äöü-€".repeat(v.unsigned_abs() as usize % 7));
    column!("bytes", BinaryViewArray, |v| v.to_le_bytes().to_vec());
    for (name, precision, scale) in [("d9", 9, 2), ("d18", 18, 4), ("d38", 38, 10)] {
        let values: Decimal128Array = numbers()
            .into_iter()
            .map(|v| v.map(|v| i128::from(v) * if precision > 18 { 1 << 70 } else { 1 }))
            .collect();
        add(name, Arc::new(values.with_precision_and_scale(precision, scale).unwrap()));
    }
    add("list", Arc::new(lists(&numbers()[..10])));
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns).unwrap()
}

fn lists(items: &[Option<i64>]) -> ListArray {
    let mut builder = ListBuilder::new(Int64Builder::new());
    for row in 0..ROWS {
        for item in &items[..row % 3] {
            builder.values().append_option(*item);
        }
        builder.append(true);
    }
    builder.finish()
}

fn write(batch: &RecordBatch, properties: WriterProperties) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let file = File::create(&path).unwrap();
    let mut writer = ArrowWriter::try_new(file, batch.schema(), Some(properties)).unwrap();
    writer.write(batch).unwrap();
    writer.close().unwrap();
    (directory, path.display().to_string())
}

fn check(batch: &RecordBatch, properties: WriterProperties, what: &str) {
    let (_directory, path) = write(batch, properties);
    let storage = Storage::new();
    let files = storage.resolve(&path, None, None, &[]).unwrap();
    let expected = physical(batch);
    for rows_max in [777, 4096] {
        let found = read_all(&storage, &files, rows_max).unwrap_or_else(|error| panic!("{what}: {error:?}"));
        for (index, (found, expected)) in found.iter().zip(&expected).enumerate() {
            assert_eq!(found, expected, "{what}, column {}", batch.schema().field(index).name());
        }
    }
    check_selected(&storage, batch, &path, what).unwrap();
}

/// Random batches are skipped, read whole, or read in part, each column by itself.
fn check_selected(storage: &Storage, batch: &RecordBatch, path: &str, what: &str) -> Result<()> {
    let files = storage.resolve(path, None, None, &[])?;
    let scan = scan_of(&files, (0..files.schema.fields().len()).collect(), vec![]);
    let expected = physical(batch);
    let mut random = Random::new(what.len() as u64);
    let mut parts = vec![Vec::new(); expected.len()];
    let mut wanted = vec![Vec::new(); expected.len()];
    let scanner = storage.open(&scan)?;
    let mut start = 0;
    for morsel in scanner.morsels() {
        let mut reader = scanner.read(morsel)?;
        loop {
            let rows = reader.next_batch(1 + random.below(1500))?;
            if rows == 0 {
                break;
            }
            for index in 0..expected.len() {
                let rows_wanted: Vec<u32> = match random.below(4) {
                    0 => continue,
                    1 => (0..rows as u32).collect(),
                    2 => (0..rows as u32).filter(|_| random.chance(2)).collect(),
                    _ => (0..rows as u32).filter(|_| random.chance(40)).collect(),
                };
                let column = reader.column_selected(index, &rows_wanted)?;
                assert_eq!(column.len(), rows_wanted.len());
                parts[index].push(plain(&column, &scan, index));
                wanted[index].extend(rows_wanted.iter().map(|row| start + row));
            }
            start += rows as u32;
        }
    }
    for (index, found) in joined(parts, &scan).iter().enumerate() {
        let rows = UInt32Array::from(wanted[index].clone());
        let expected = arrow::compute::take(&expected[index], &rows, None).unwrap();
        assert_eq!(found, &expected, "{what}, selected of {}", batch.schema().field(index).name());
    }
    Ok(())
}

fn properties(
    codec: Compression,
    version: WriterVersion,
    dictionary: bool,
    page_rows: usize,
) -> WriterProperties {
    WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_dictionary_enabled(dictionary)
        .set_data_page_row_count_limit(page_rows)
        .set_write_batch_size(page_rows.min(512))
        .set_max_row_group_row_count(Some(3_000))
        .build()
}

#[test]
fn every_type_codec_version_and_page_size() {
    let codecs = [
        Compression::UNCOMPRESSED,
        Compression::SNAPPY,
        Compression::ZSTD(Default::default()),
        Compression::LZ4_RAW,
        Compression::GZIP(Default::default()),
    ];
    let nulls = [Nulls::Never, Nulls::Percent(3), Nulls::Percent(60), Nulls::Percent(100), Nulls::Runs];
    let mut random = Random::new(7);
    for (round, codec) in codecs.into_iter().enumerate() {
        for (at, nulls) in nulls.into_iter().enumerate() {
            for version in [WriterVersion::PARQUET_1_0, WriterVersion::PARQUET_2_0] {
                let dictionary = version == WriterVersion::PARQUET_1_0 || (round + at) % 2 == 0;
                let page_rows = [100, 1000, 100_000][(round + at) % 3];
                let distinct = [2, 200, 3000, 100_000][(round * 3 + at) % 4];
                let batch = batch(&mut random, nulls, distinct);
                let what = format!("{codec:?} {nulls:?} {version:?} {dictionary} {page_rows} {distinct}");
                check(&batch, properties(codec, version, dictionary, page_rows), &what);
            }
        }
    }
}

#[test]
fn plain_pages_without_dictionary() {
    let mut random = Random::new(11);
    for nulls in [Nulls::Never, Nulls::Percent(20), Nulls::Runs] {
        let batch = batch(&mut random, nulls, 1000);
        let properties = properties(Compression::SNAPPY, WriterVersion::PARQUET_1_0, false, 300);
        check(&batch, properties, &format!("plain {nulls:?}"));
    }
}

#[test]
fn a_dictionary_that_overflows_into_plain_pages() {
    let mut random = Random::new(13);
    for nulls in [Nulls::Never, Nulls::Percent(20)] {
        let batch = batch(&mut random, nulls, 2_000);
        let properties = WriterProperties::builder()
            .set_compression(Compression::SNAPPY)
            .set_dictionary_page_size_limit(2_000)
            .set_data_page_row_count_limit(256)
            .set_write_batch_size(128)
            .build();
        check(&batch, properties, &format!("overflow {nulls:?}"));
    }
}

#[test]
fn other_encodings_fall_back() {
    let mut random = Random::new(17);
    let batch = batch(&mut random, Nulls::Percent(10), 500);
    let properties = WriterProperties::builder()
        .set_dictionary_enabled(false)
        .set_column_encoding("int64".into(), Encoding::DELTA_BINARY_PACKED)
        .set_column_encoding("text".into(), Encoding::DELTA_BYTE_ARRAY)
        .set_column_encoding("float64".into(), Encoding::BYTE_STREAM_SPLIT)
        .build();
    check(&batch, properties, "fallback");
}

#[test]
fn dictionary_text_keeps_codes_and_one_dictionary() {
    let values: StringArray = (0..40_000).map(|row| Some(["AIR", "RAIL", "SHIP"][row % 3])).collect();
    let schema = Arc::new(Schema::new(vec![Field::new("mode", DataType::Utf8, false)]));
    let batch = RecordBatch::try_new(schema, vec![Arc::new(values)]).unwrap();
    let (_directory, path) =
        write(&batch, properties(Compression::SNAPPY, WriterVersion::PARQUET_1_0, true, 1000));
    let storage = Storage::new();
    let files = storage.resolve(&path, None, None, &[]).unwrap();
    assert_eq!(files.statistics.columns[0].distinct, Some(3.0));
    let scanner = storage.open(&scan_of(&files, vec![0], vec![])).unwrap();
    let mut reader = scanner.read(&scanner.morsels()[0]).unwrap();
    let mut dictionaries = Vec::new();
    while reader.next_batch(700).unwrap() > 0 {
        let column = reader.column(0).unwrap();
        let column = column.as_dictionary::<arrow::datatypes::UInt8Type>();
        dictionaries.push(column.values().clone());
    }
    assert!(dictionaries.len() > 2 && dictionaries.windows(2).all(|pair| Arc::ptr_eq(&pair[0], &pair[1])));
}

#[test]
fn empty_batches_and_files_without_rows() {
    let schema = Arc::new(Schema::new(vec![
        Field::new("a", DataType::Int64, true),
        Field::new("t", DataType::Timestamp(TimeUnit::Microsecond, None), true),
    ]));
    let batch = RecordBatch::new_empty(schema);
    let (_directory, path) = write(&batch, WriterProperties::default());
    let storage = Storage::new();
    let files = storage.resolve(&path, None, None, &[]).unwrap();
    assert_eq!(files.statistics.rows, Some(0.0));
    assert_eq!(read_all(&storage, &files, 100).unwrap()[0].len(), 0);
}
