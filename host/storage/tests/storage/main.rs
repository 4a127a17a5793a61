//! The storage crate as its users see it.

mod files;
mod generators;
mod managed_parts;
mod managed_scan;
mod managed_support;
mod managed_table;
mod managed_types;
mod managed_warehouse;
mod managed_writer;
mod parquet_damage;
mod parquet_decoder;
mod support;
mod text_formats;
