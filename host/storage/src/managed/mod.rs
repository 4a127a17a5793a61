//! Managed tables: where their files are, how they are written, and which of their rows are gone.
//!
//! Reading order: [`warehouse`] over a `folder` or `objects`; [`writer`] takes batches and makes data files of them: few rows
//! stay `inline`, others wait in `lanes` by [`partition`], are ordered as a `run` and encoded (`encode`) by a `pool` of threads
//! for an `open_file`, with a [`sketch`] of each column; [`deletions`] are rows that are gone; [`histogram`] is for ANALYZE.
//! [`scan`] reads tables: `scan_columns` knows where columns come from, `inline_scan` reads rows of the catalog,
//! `live_rows` leaves out what is deleted, `stored_files` opens files and keeps what was learnt of them.

mod bounds;
pub mod deletions;
mod encode;
mod folder;
pub mod histogram;
mod inline;
mod inline_scan;
mod lanes;
mod live_rows;
mod memory;
mod objects;
mod open_file;
pub mod partition;
mod pool;
mod run;
pub mod scan;
mod scan_columns;
pub mod sketch;
pub mod stored_files;
mod tally;
mod target;
pub mod warehouse;
pub mod writer;

pub use deletions::{delete_rows, deleted_rows};
pub use histogram::histogram_of;
pub use partition::partition_values;
pub use sketch::{ColumnSketcher, distinct_of, merge_sketches};
pub use warehouse::{StoredFile, Warehouse, WarehouseFile};
pub use writer::{TableWriter, WriteOptions, Written};
