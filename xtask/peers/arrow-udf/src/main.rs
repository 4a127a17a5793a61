//! arrow-udf's WASM runtime as a process: reads `NAME ROWS_PER_BATCH` per line, answers with a line of JSON.
//!
//! usage: arrow-udf-peer GUEST.wasm ROWS THREADS

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use anyhow::{Context, Result};
use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow_schema::DataType;
use arrow_udf_runtime::wasm::{FunctionHandle, Runtime};
use serde_json::json;

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [guest, rows, threads] = arguments.as_slice() else {
        anyhow::bail!("usage: arrow-udf-peer GUEST.wasm ROWS THREADS");
    };
    let (rows, threads) = (rows.parse()?, threads.parse()?);
    let code = std::fs::read(guest).with_context(|| format!("reading {guest}"))?;
    let runtime = Runtime::new(&code).context("loading the guest")?;
    let (numbers, words) = (numbers(rows)?, words(rows)?);
    println!("{}", json!({ "version": "0.10" }));
    for line in std::io::stdin().lock().lines() {
        let answer = answer(&runtime, &line?, [&numbers, &words], threads);
        println!("{}", answer.unwrap_or_else(|error| json!({ "error": format!("{error:#}") })));
    }
    Ok(())
}

fn numbers(rows: i64) -> Result<RecordBatch> {
    let column = |factor: i64, modulus: i64| -> ArrayRef {
        Arc::new(Int64Array::from_iter_values((0..rows).map(|row| row * factor % modulus)))
    };
    Ok(RecordBatch::try_from_iter([("a", column(7919, 10_007)), ("b", column(31, 1009))])?)
}

fn words(rows: i64) -> Result<RecordBatch> {
    let words = (0..rows).map(|row| format!("Row {} of block {}", row * 7919 % 10_007, row * 31 % 1009));
    let words: ArrayRef = Arc::new(StringArray::from_iter_values(words));
    Ok(RecordBatch::try_from_iter([("s", words)])?)
}

fn answer(
    runtime: &Runtime,
    line: &str,
    [numbers, words]: [&RecordBatch; 2],
    threads: usize,
) -> Result<serde_json::Value> {
    let (name, rows_per_batch) = line.split_once(' ').context("a line is `NAME ROWS_PER_BATCH`")?;
    let (data, data_type) = match name {
        "capitals" => (words, DataType::Utf8),
        _ => (numbers, DataType::Int64),
    };
    let arguments = vec![data_type.clone(); data.num_columns()];
    let function = runtime.find_function(name, arguments, data_type)?;
    let started = Instant::now();
    let sum = run(runtime, &function, data, rows_per_batch.parse()?, threads)?;
    let ms = started.elapsed().as_secs_f64() * 1e3;
    Ok(json!({ "ms": ms, "rows": data.num_rows(), "sum": sum }))
}

/// The sum of the results, of text that of its characters. Threads take batches in turns.
fn run(
    runtime: &Runtime,
    function: &FunctionHandle,
    data: &RecordBatch,
    rows_per_batch: usize,
    threads: usize,
) -> Result<i64> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<i64> {
        let mut sum = 0;
        loop {
            let start = next.fetch_add(rows_per_batch, Ordering::Relaxed);
            if start >= data.num_rows() {
                return Ok(sum);
            }
            let batch = data.slice(start, rows_per_batch.min(data.num_rows() - start));
            let result = runtime.call(function, &batch)?;
            let column = result.column(0);
            sum += match column.as_string_opt::<i32>() {
                Some(text) => text.iter().flatten().map(|text| text.chars().count() as i64).sum::<i64>(),
                None => column.as_primitive::<Int64Type>().values().iter().sum(),
            };
        }
    };
    std::thread::scope(|scope| {
        let workers: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
        let sums = workers.into_iter().map(|worker| worker.join().expect("a worker does not panic"));
        sums.sum()
    })
}
