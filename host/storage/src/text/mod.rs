//! Reading text files: CSV and JSON, plain or compressed.

pub mod csv;
mod csv_error;
mod csv_infer;
mod csv_reader;
mod input;
pub mod json;
mod json_array;
mod json_infer;
mod json_reader;
mod split;
