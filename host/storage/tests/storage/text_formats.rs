//! CSV, JSON and Arrow files: written by sinks, read by scans, and what goes wrong in them.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::*;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, TimeUnit};
use nyala_schema::scan::{CsvOptions, FileFormat};
use nyala_schema::{Error, ErrorCode};
use nyala_storage::{ResolvedFiles, SinkFormat, Storage, create_sink};

use crate::support::{physical, read_all};

fn sample() -> RecordBatch {
    let schema = Arc::new(Schema::new(vec![
        Field::new("id", DataType::Int64, true),
        Field::new("name", DataType::Utf8View, true),
        Field::new("price", DataType::Float64, true),
        Field::new("day", DataType::Date32, true),
        Field::new("at", DataType::Timestamp(TimeUnit::Microsecond, None), true),
        Field::new("ok", DataType::Boolean, true),
    ]));
    let rows = 1000;
    let text = |row: usize| ["plain", "with, comma", "with \"quotes\"", "two\nlines", "ümläut"][row % 5];
    RecordBatch::try_new(
        schema,
        vec![
            Arc::new((0..rows).map(|row| (row % 11 != 3).then_some(row as i64 - 50)).collect::<Int64Array>()),
            Arc::new((0..rows).map(|row| (row % 7 != 3).then(|| text(row))).collect::<StringViewArray>()),
            Arc::new(
                (0..rows).map(|row| (row % 13 != 3).then_some(row as f64 / 4.0)).collect::<Float64Array>(),
            ),
            Arc::new((0..rows).map(|row| (row % 9 != 3).then_some(row as i32)).collect::<Date32Array>()),
            Arc::new(
                (0..rows).map(|row| Some(row as i64 * 1_234_567)).collect::<TimestampMicrosecondArray>(),
            ),
            Arc::new((0..rows).map(|row| (row % 3 != 1).then_some(row % 2 == 0)).collect::<BooleanArray>()),
        ],
    )
    .unwrap()
}

fn write(path: &Path, batch: &RecordBatch) {
    let path = path.display().to_string();
    let mut sink = create_sink(&path, &SinkFormat::of_path(&path).unwrap(), batch.schema()).unwrap();
    sink.write(&batch.slice(0, batch.num_rows() / 2)).unwrap();
    sink.write(&batch.slice(batch.num_rows() / 2, batch.num_rows() - batch.num_rows() / 2)).unwrap();
    let summary = sink.finish().unwrap();
    assert_eq!(summary.rows, batch.num_rows() as u64);
    assert_eq!(summary.bytes, fs::metadata(&path).unwrap().len());
}

fn resolve(path: &Path) -> Result<ResolvedFiles, Error> {
    Storage::new().resolve(&path.display().to_string(), None, None, &[])
}

fn read_error(path: &Path) -> Error {
    let files = resolve(path).unwrap();
    read_all(&Storage::new(), &files, 1000).unwrap_err()
}

fn types(files: &ResolvedFiles) -> Vec<DataType> {
    files.schema.fields().iter().map(|field| field.data_type().clone()).collect()
}

#[test]
fn csv_round_trip_plain_and_compressed() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["t.csv", "t.tsv", "t.csv.gz", "t.csv.zst"] {
        let path = directory.path().join(name);
        write(&path, &sample());
        let files = resolve(&path).unwrap();
        let expected: Vec<DataType> =
            sample().schema().fields().iter().map(|field| field.data_type().clone()).collect();
        assert_eq!(types(&files), expected, "{name}");
        assert_eq!(files.statistics.rows, Some(1000.0), "{name}");
        for rows_max in [64, 5000] {
            assert_eq!(read_all(&Storage::new(), &files, rows_max).unwrap(), physical(&sample()), "{name}");
        }
    }
}

#[test]
fn json_round_trip_lines_and_array() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["t.json", "t.ndjson", "t.json.gz", "t.jsonl.zst"] {
        let path = directory.path().join(name);
        write(&path, &sample());
        let first = if name.starts_with("t.json") && !name.starts_with("t.jsonl") { b'[' } else { b'{' };
        let bytes = fs::read(&path).unwrap();
        assert!(name.contains(".gz") || name.contains(".zst") || bytes[0] == first, "{name}");
        let declared = sample().schema();
        let files = Storage::new().resolve(&path.display().to_string(), None, Some(&declared), &[]).unwrap();
        for rows_max in [64, 5000] {
            assert_eq!(read_all(&Storage::new(), &files, rows_max).unwrap(), physical(&sample()), "{name}");
        }
        let inferred = types(&resolve(&path).unwrap());
        assert_eq!(inferred[..3], [DataType::Int64, DataType::Utf8View, DataType::Float64], "{name}");
    }
}

#[test]
fn arrow_round_trip_file_and_stream() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.arrow");
    write(&path, &sample());
    assert_eq!(read_all(&Storage::new(), &resolve(&path).unwrap(), 300).unwrap(), physical(&sample()));
    let stream = directory.path().join("s.arrow");
    let mut writer =
        arrow::ipc::writer::StreamWriter::try_new(fs::File::create(&stream).unwrap(), &sample().schema())
            .unwrap();
    writer.write(&sample()).unwrap();
    writer.write(&sample()).unwrap();
    writer.finish().unwrap();
    let columns = read_all(&Storage::new(), &resolve(&stream).unwrap(), 300).unwrap();
    assert_eq!(columns[0].len(), 2000);
    fs::write(&stream, "this is no arrow file at all").unwrap();
    assert_eq!(resolve(&stream).unwrap_err().code(), ErrorCode::CorruptFile);
}

#[test]
fn csv_errors_name_line_column_and_value() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    let mut text = String::from("id,name\n");
    for row in 0..200_000 {
        writeln!(text, "{row},n{row}").unwrap();
    }
    fs::write(&path, format!("{text}oops,n\n")).unwrap();
    let error = read_error(&path);
    assert_eq!(error.code(), ErrorCode::InvalidText);
    let message = error.message();
    assert!(
        message.contains("line 200002") && message.contains("'id'") && message.contains("'oops'"),
        "{message}"
    );
    fs::write(&path, format!("{text}1,2,3\n")).unwrap();
    let error = read_error(&path);
    assert!(error.message().contains("line 200002: expected 2 fields"), "{error}");
}

#[test]
fn csv_options_and_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    fs::write(&path, "1;NA;'x;y'\n2; 4.5;\n").unwrap();
    let options = CsvOptions {
        header: false,
        delimiter: b';',
        quote: b'\'',
        null_text: Some("NA".to_owned()),
        ..CsvOptions::default()
    };
    let storage = Storage::new();
    let location = path.display().to_string();
    let format = Some(FileFormat::Csv(options));
    let files = storage.resolve(&location, format.clone(), None, &[]).unwrap();
    let names: Vec<&str> = files.schema.fields().iter().map(|field| field.name().as_str()).collect();
    assert_eq!(names, ["column_1", "column_2", "column_3"]);
    let declared = Schema::new(vec![
        Field::new("a", DataType::Int32, true),
        Field::new("b", DataType::Decimal128(6, 2), true),
        Field::new("c", DataType::Utf8, true),
    ]);
    let files = storage.resolve(&location, format, Some(&declared), &[]).unwrap();
    let columns = read_all(&storage, &files, 10).unwrap();
    assert_eq!(columns[0].data_type(), &DataType::Int32);
    assert_eq!(
        columns[1].as_primitive::<arrow::datatypes::Decimal64Type>().iter().collect::<Vec<_>>(),
        [None, Some(450)]
    );
    assert_eq!(columns[2].as_string_view().iter().collect::<Vec<_>>(), [Some("x;y"), None]);
}

#[test]
fn large_csv_files_are_cut_where_records_end() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    let mut text = String::from("id,text\n");
    let rows = 900_000;
    for row in 0..rows {
        writeln!(text, "{row},\"a \"\"quoted\"\", text\nof two lines\"").unwrap();
    }
    fs::write(&path, &text).unwrap();
    let storage = Storage::new();
    let files = resolve(&path).unwrap();
    let scanner = storage.open(&crate::support::scan_of(&files, vec![0], vec![])).unwrap();
    assert!(scanner.morsels().len() > 2, "{} bytes in one piece", text.len());
    let columns = read_all(&storage, &files, 10_000).unwrap();
    let ids = columns[0].as_primitive::<Int64Type>();
    assert!(ids.values().iter().copied().eq(0..rows));
}

#[test]
fn json_errors_name_the_line() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.ndjson");
    let mut text = String::new();
    for row in 0..100_000 {
        writeln!(text, "{{\"id\":{row},\"deep\":{{\"list\":[1,2]}}}}").unwrap();
    }
    fs::write(&path, format!("{text}{{\"id\":\"oops\"}}\n")).unwrap();
    let files = resolve(&path).unwrap();
    assert!(matches!(types(&files)[1], DataType::Struct(_)));
    let error = read_all(&Storage::new(), &files, 1000).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidText);
    assert!(error.message().contains("line 100001") && error.message().contains("oops"), "{error}");
}

#[test]
fn empty_and_missing_text_files() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("t.csv");
    fs::write(&path, "").unwrap();
    assert!(resolve(&path).unwrap_err().message().contains("is empty"));
    fs::write(&path, "a,b\n").unwrap();
    let files = resolve(&path).unwrap();
    assert_eq!(read_all(&Storage::new(), &files, 10).unwrap()[1].len(), 0);
}
