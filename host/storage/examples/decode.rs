//! Measures decoding: `decode generate DIRECTORY [SCALE]` writes TPC-H, `decode FILE [COLUMN]` reads every
//! column of a file by itself, on one thread, and shows milliseconds and gigabytes of values a second.

use std::path::Path;
use std::time::Instant;

use arrow::array::Array;
use arrow::datatypes::DataType;
use nyala_schema::scan::{ScanSource, TableScan};
use nyala_storage::generate::{Benchmark, generate};
use nyala_storage::{ResolvedFiles, Storage};

/// Rows of a batch.
const BATCH_ROWS: usize = 16_384;
const REPEATS: usize = 3;

fn main() -> nyala_schema::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["generate", directory, rest @ ..] => {
            let scale = rest.first().and_then(|scale| scale.parse().ok()).unwrap_or(1.0);
            let benchmark = if rest.get(1) == Some(&"tpcds") { Benchmark::Tpcds } else { Benchmark::Tpch };
            for table in generate(benchmark, scale, Path::new(directory), &|_| {})? {
                println!("{:24} {:>10} rows {:>12} bytes", table.table, table.rows, table.bytes);
            }
            Ok(())
        }
        [path] => measure(path, ""),
        [path, column] => measure(path, column),
        _ => {
            println!("decode generate DIRECTORY [SCALE [tpcds]] | decode FILE [COLUMN]");
            Ok(())
        }
    }
}

fn measure(path: &str, only: &str) -> nyala_schema::Result<()> {
    let storage = Storage::new();
    let started = Instant::now();
    let files = storage.resolve(path, None, None, &[])?;
    let resolved = started.elapsed();
    let started = Instant::now();
    storage.resolve(path, None, None, &[])?;
    println!("resolve {resolved:?}, again {:?}", started.elapsed());
    for (index, field) in files.schema.fields().iter().enumerate() {
        if !field.name().contains(only) {
            continue;
        }
        let mut best = f64::MAX;
        let mut bytes = 0;
        for _ in 0..REPEATS {
            let started = processor_seconds();
            bytes = read(&storage, &files, index)?;
            best = best.min(processor_seconds() - started);
        }
        println!(
            "{:20} {:24} {:8.1} ms {:6.2} GB/s  distinct {:?} width {:?}",
            field.name(),
            field.data_type().to_string(),
            best * 1e3,
            bytes as f64 / best / 1e9,
            files.statistics.columns[index].distinct.map(|it| it as u64),
            files.statistics.columns[index].width,
        );
    }
    Ok(())
}

/// Time that this thread ran: a busy machine makes wall time useless.
fn processor_seconds() -> f64 {
    let text = std::fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    let nanoseconds: f64 = text.split(' ').next().and_then(|it| it.parse().ok()).unwrap_or(0.0);
    nanoseconds / 1e9
}

/// Bytes of the values that one column has, views and codes counted as they are.
fn read(storage: &Storage, files: &ResolvedFiles, column: usize) -> nyala_schema::Result<usize> {
    let ScanSource::Files { .. } = &files.source else { return Ok(0) };
    let scan = TableScan {
        table: "t".to_owned(),
        source: files.source.clone(),
        table_schema: files.schema.clone(),
        projection: vec![column],
        filters: vec![],
        runtime_filters: vec![],
        limit: None,
        statistics: vec![],
    };
    let scanner = storage.open(&scan)?;
    let mut bytes = 0;
    for morsel in scanner.morsels() {
        let mut reader = scanner.read(morsel)?;
        loop {
            let rows = reader.next_batch(BATCH_ROWS)?;
            if rows == 0 {
                break;
            }
            let column = reader.column(0)?;
            bytes += match column.data_type() {
                DataType::Dictionary(code, _) => rows * code.primitive_width().unwrap_or(0),
                DataType::Utf8View => rows * 16,
                other => rows * other.primitive_width().unwrap_or(0),
            };
            std::hint::black_box(&column);
        }
    }
    Ok(bytes)
}
