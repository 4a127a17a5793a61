//! `nyala generate`: the tables of TPC-H and TPC-DS as Parquet files.

use nyala_node::storage::generate::{Benchmark, GeneratedTable, Progress, generate, table_names};
use nyala_node::{Error, ErrorCode};
use nyala_schema::option::format_bytes;

use crate::arguments::{BenchmarkName, GenerateArguments};
use crate::exit::Failure;
use crate::progress::{bar, grouped};
use crate::terminal;

/// # Errors
/// `Usage` for a scale or a directory that is not possible, `Sql` when writing fails otherwise.
pub fn run(arguments: &GenerateArguments) -> Result<(), Failure> {
    let benchmark = match arguments.benchmark {
        BenchmarkName::Tpch => Benchmark::Tpch,
        BenchmarkName::Tpcds => Benchmark::Tpcds,
    };
    let tables = table_names(benchmark).len() as u64;
    let bar = bar(tables, "{pos}/{len} tables {bar:30} {elapsed}  {wide_msg}");
    let show = |progress: Progress| {
        bar.set_message(format!("{}: {} rows", progress.table, grouped(progress.rows)));
        if progress.finished {
            bar.inc(1);
        }
        bar.tick();
    };
    let generated = generate(benchmark, arguments.scale, &arguments.out, &show);
    bar.finish_and_clear();
    tell(&generated.map_err(failure)?);
    Ok(())
}

fn failure(error: Error) -> Failure {
    match error.code() {
        ErrorCode::InvalidParameter | ErrorCode::FileAccess => Failure::Usage(error),
        _ => Failure::Sql(error),
    }
}

fn tell(tables: &[GeneratedTable]) {
    let width = tables.iter().map(|table| table.path.chars().count()).max().unwrap_or(0);
    for table in tables {
        let (rows, bytes) = (grouped(table.rows), format_bytes(table.bytes));
        terminal::tell(&format!("{:<width$}  {rows:>13} rows  {bytes:>10}", table.path));
    }
}
