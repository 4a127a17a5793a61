//! The tables of TPC-H and TPC-DS as Parquet files.

mod tpcds;
mod tpch;

use std::fs;
use std::path::Path;

use nyala_schema::{Error, ErrorCode, Result};

use crate::file::access_error;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Benchmark {
    Tpch,
    Tpcds,
}

/// How far the generation of a table has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    pub table: &'static str,
    /// Rows written so far.
    pub rows: u64,
    pub finished: bool,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GeneratedTable {
    pub table: &'static str,
    pub path: String,
    pub rows: u64,
    pub bytes: u64,
}

/// The names of a benchmark's tables.
pub fn table_names(benchmark: Benchmark) -> Vec<&'static str> {
    match benchmark {
        Benchmark::Tpch => tpch::TABLES.to_vec(),
        Benchmark::Tpcds => tpcds::table_names(),
    }
}

/// Writes one file `<directory>/<table>.parquet` for each table, over old ones; makes the directory. Scale 1 is about
/// a gigabyte of text. Runs on all processors; `progress` is called on the caller's thread.
///
/// # Errors
/// InvalidParameter for a scale that is not positive; FileAccess.
pub fn generate(
    benchmark: Benchmark,
    scale: f64,
    directory: &Path,
    progress: &dyn Fn(Progress),
) -> Result<Vec<GeneratedTable>> {
    if !(scale.is_finite() && scale > 0.0) {
        let message = format!("a scale factor of {scale} is not possible");
        return Err(Error::new(ErrorCode::InvalidParameter, message)
            .with_hint("it must be above 0, such as 0.1 or 1"));
    }
    fs::create_dir_all(directory).map_err(|error| access_error(&directory.display().to_string(), &error))?;
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    match benchmark {
        Benchmark::Tpch => tpch::generate(scale, directory, threads, progress),
        Benchmark::Tpcds => tpcds::generate(scale, directory, threads, progress),
    }
}

fn path_of(directory: &Path, table: &str) -> String {
    directory.join(format!("{table}.parquet")).display().to_string()
}
