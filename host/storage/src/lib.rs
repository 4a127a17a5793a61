//! Scans and sinks: files and tables in memory as columns, columns as files.
//!
//! Reading order: [`scanner`] is what an executor sees of a scan; [`storage`] finds files and opens scans over
//! them; `resolve` turns a location into files, a schema and statistics; `parquet`, `text` and `ipc` read the
//! formats, [`managed`] reads and writes tables of our own, `memory` tables that live in the process; `row_reader` hands
//! out batches whose columns are opened late, from the [`column_cache`] (a `clock_cache`) where they are there; [`sink`]
//! writes files and [`generate`] the benchmarks' data.

mod clock_cache;
pub mod column_cache;
pub mod file;
pub mod format;
pub mod generate;
mod ipc;
mod layout;
pub mod managed;
mod memory;
pub mod parquet;
mod prune;
pub mod resolve;
mod row_reader;
pub mod scanner;
pub mod sink;
pub mod storage;
mod text;

pub use resolve::ResolvedFiles;
pub use scanner::{Morsel, MorselReader, Scanner};
pub use sink::{Sink, SinkFormat, WriteSummary, create_sink};
pub use storage::Storage;
