//! The storage crate as its users see it.

mod files;
mod generators;
mod managed_scan;
mod managed_table;
mod parquet_damage;
mod parquet_decoder;
mod support;
mod text_formats;
