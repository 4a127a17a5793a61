//! Scans and sinks: files and tables in memory as columns, columns as files.

pub mod scanner;

pub use scanner::{Morsel, MorselReader, Scanner};
