//! Damaged Parquet files give errors with a place: never a panic, never wild memory.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Schema};
use nyala_schema::{ErrorCode, Result};
use nyala_storage::Storage;
use parquet::arrow::ArrowWriter;
use parquet::basic::Compression;
use parquet::file::properties::{WriterProperties, WriterVersion};

use crate::support::{Random, read_all};

const MUTATIONS: usize = 1_500;

fn sample(codec: Compression, version: WriterVersion) -> Vec<u8> {
    let rows = 600;
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, false),
        Field::new("price", DataType::Decimal128(12, 2), true),
        Field::new("mode", DataType::Utf8, true),
        Field::new("note", DataType::Utf8View, false),
        Field::new("flag", DataType::Boolean, true),
    ]));
    let price: Decimal128Array = (0..rows).map(|row| (row % 7 != 0).then_some(row as i128 % 50)).collect();
    let batch = RecordBatch::try_new(
        schema.clone(),
        vec![
            Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * row))),
            Arc::new(price.with_precision_and_scale(12, 2).unwrap()),
            Arc::new(
                (0..rows)
                    .map(|row| (row % 5 != 0).then_some(["AIR", "SHIP"][row as usize % 2]))
                    .collect::<StringArray>(),
            ),
            Arc::new(StringViewArray::from_iter_values((0..rows).map(|row| format!("note number {row}")))),
            Arc::new((0..rows).map(|row| (row % 3 != 0).then_some(row % 2 == 0)).collect::<BooleanArray>()),
        ],
    )
    .unwrap();
    let properties = WriterProperties::builder()
        .set_compression(codec)
        .set_writer_version(version)
        .set_data_page_row_count_limit(200)
        .set_write_batch_size(100)
        .set_max_row_group_row_count(Some(400))
        .set_column_dictionary_enabled("note".into(), false)
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

fn read(path: &str) -> Result<()> {
    let storage = Storage::new();
    let files = storage.resolve(path, None, None, &[])?;
    read_all(&storage, &files, 150).map(|_| ())
}

fn expect_error_or_rows(path: &str, what: &str) -> bool {
    let result = catch_unwind(AssertUnwindSafe(|| read(path)));
    match result.unwrap_or_else(|_| panic!("{what}: panicked")) {
        Ok(()) => false,
        Err(error) => {
            let expected = [
                ErrorCode::CorruptFile,
                ErrorCode::FileAccess,
                ErrorCode::Unsupported,
                ErrorCode::InvalidText,
                ErrorCode::NumericOverflow,
            ];
            assert!(expected.contains(&error.code()), "{what}: {error:?}");
            true
        }
    }
}

fn mutate(codec: Compression, version: WriterVersion, seed: u64) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let whole = sample(codec, version);
    let mut random = Random::new(seed);
    let mut errors = 0;
    for round in 0..MUTATIONS {
        let mut bytes = whole.clone();
        let what = match random.below(4) {
            0 => {
                let bit = random.below(bytes.len() * 8);
                bytes[bit / 8] ^= 1 << (bit % 8);
                format!("bit {bit}")
            }
            1 => {
                let at = random.below(bytes.len());
                bytes[at] = random.next() as u8;
                format!("byte {at}")
            }
            2 => {
                let (from, to) = (random.below(bytes.len()), random.below(bytes.len()));
                let length = random.below(16).min(bytes.len() - from.max(to));
                bytes.copy_within(from..from + length, to);
                format!("{length} bytes from {from} to {to}")
            }
            _ => {
                // The footer is where damage is most varied.
                let at = bytes.len() - 1 - random.below(1_200.min(bytes.len()));
                bytes[at] ^= 1 << random.below(8);
                format!("footer byte {at}")
            }
        };
        fs::write(&path, &bytes).unwrap();
        let what = format!("{codec:?} {version:?} round {round}: {what}");
        errors += usize::from(expect_error_or_rows(&path.display().to_string(), &what));
    }
    assert!(errors > MUTATIONS / 20, "only {errors} of {MUTATIONS} mutations were noticed");
}

#[test]
fn flipped_bits_with_snappy() {
    mutate(Compression::SNAPPY, WriterVersion::PARQUET_1_0, 1);
}

#[test]
fn flipped_bits_without_compression() {
    mutate(Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0, 2);
    mutate(Compression::UNCOMPRESSED, WriterVersion::PARQUET_2_0, 3);
}

#[test]
fn flipped_bits_with_zstd() {
    mutate(Compression::ZSTD(Default::default()), WriterVersion::PARQUET_2_0, 4);
}

#[test]
fn every_truncation_is_an_error() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let whole = sample(Compression::SNAPPY, WriterVersion::PARQUET_1_0);
    for length in (0..whole.len()).step_by(37) {
        fs::write(&path, &whole[..length]).unwrap();
        assert!(
            expect_error_or_rows(&path.display().to_string(), &format!("{length} bytes")),
            "{length} bytes"
        );
    }
}

#[test]
fn errors_name_file_row_group_and_column() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.parquet");
    let mut bytes = sample(Compression::UNCOMPRESSED, WriterVersion::PARQUET_1_0);
    let at = bytes.windows(11).position(|window| window == b"note number").unwrap();
    bytes[at] = 0xff;
    fs::write(&path, &bytes).unwrap();
    let error = read(&path.display().to_string()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::CorruptFile);
    let message = error.message();
    assert!(
        message.contains("t.parquet") && message.contains("row group 0") && message.contains("'note'"),
        "{message}"
    );
}
