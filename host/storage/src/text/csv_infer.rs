//! Names and types of a CSV file's columns, guessed from its first rows.

use std::collections::HashSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::CastOptions;
use arrow::csv::reader::Format;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use nyala_schema::scan::CsvOptions;
use nyala_schema::{Error, ErrorCode, Result};

use crate::file::FileHandle;

use super::csv_error::csv_error;
use super::csv_reader::without_null_text;
use super::input;
use super::split::last_record_end;

/// Decompressed bytes that are looked at.
const SAMPLE_BYTES: usize = 1 << 20;
const SAMPLE_ROWS: usize = 20_480;

pub struct Inferred {
    pub schema: SchemaRef,
    /// Estimated from the size.
    pub rows: f64,
}

/// # Errors
/// FileAccess, CorruptFile; InvalidText when rows of the sample differ in length.
pub fn infer(file: &FileHandle, options: &CsvOptions) -> Result<Inferred> {
    let (bytes, complete) = input::sample(file, SAMPLE_BYTES)?;
    let names = names_of(file.path(), &bytes, options)?;
    let end = if complete { bytes.len() } else { last_record_end(&bytes, options.quote, options.delimiter) };
    let fields: Vec<Field> = names.iter().map(|name| Field::new(name, DataType::Utf8, true)).collect();
    let sample = sample_batch(file.path(), &bytes[..end], Arc::new(Schema::new(fields)), options)?;
    let rows = sample.num_rows() as f64;
    let fields: Vec<Field> = names
        .iter()
        .zip(sample.columns())
        .map(|(name, column)| {
            let column = without_null_text(column, options.null_text.as_deref())?;
            Ok(Field::new(name, guess(&column), true))
        })
        .collect::<Result<_>>()?;
    let read = if sample.num_rows() == SAMPLE_ROWS { end as f64 / 2.0 } else { end as f64 };
    let stored_share =
        if input::compression(file)? == nyala_schema::scan::Compression::None { 1.0 } else { 3.0 };
    let rows = if complete || end == 0 { rows } else { rows * file.size() as f64 * stored_share / read };
    Ok(Inferred { schema: Arc::new(Schema::new(fields)), rows })
}

/// Names of the columns as they stand in the file; made up when it has no header.
///
/// # Errors
/// FileAccess, CorruptFile.
pub fn names(file: &FileHandle, options: &CsvOptions) -> Result<Vec<String>> {
    let (bytes, _) = input::sample(file, SAMPLE_BYTES / 4)?;
    names_of(file.path(), &bytes, options)
}

fn names_of(path: &str, bytes: &[u8], options: &CsvOptions) -> Result<Vec<String>> {
    if bytes.is_empty() {
        return Err(Error::new(ErrorCode::FileAccess, format!("'{path}' is empty"))
            .with_hint("declare the table's columns to read it as a table without rows"));
    }
    let format = Format::default()
        .with_header(options.header)
        .with_delimiter(options.delimiter)
        .with_quote(options.quote)
        .with_truncated_rows(true);
    // Without a header the first row shows how many columns there are.
    let (schema, _) =
        format.infer_schema(bytes, Some(1)).map_err(|error| csv_error(path, 0, &error.to_string()))?;
    let mut seen = HashSet::new();
    let mut names = Vec::with_capacity(schema.fields().len());
    for (index, field) in schema.fields().iter().enumerate() {
        let given = field.name().trim();
        let base = if given.is_empty() { format!("column_{}", index + 1) } else { given.to_owned() };
        let mut name = base.clone();
        let mut number = 2;
        while !seen.insert(name.to_lowercase()) {
            name = format!("{base}_{number}");
            number += 1;
        }
        names.push(name);
    }
    Ok(names)
}

fn sample_batch(path: &str, bytes: &[u8], schema: SchemaRef, options: &CsvOptions) -> Result<RecordBatch> {
    let empty = RecordBatch::new_empty(Arc::clone(&schema));
    let reader = arrow::csv::ReaderBuilder::new(schema)
        .with_header(options.header)
        .with_delimiter(options.delimiter)
        .with_quote(options.quote)
        .with_batch_size(SAMPLE_ROWS)
        .build_buffered(bytes)
        .map_err(|error| csv_error(path, 0, &error.to_string()))?;
    match reader.into_iter().next() {
        None => Ok(empty),
        Some(batch) => batch.map_err(|error| csv_error(path, 0, &error.to_string())),
    }
}

/// The narrowest type that all values of the sample have.
fn guess(column: &ArrayRef) -> DataType {
    if column.null_count() == column.len() {
        return DataType::Utf8View;
    }
    let is_boolean = column.as_string_opt::<i32>().is_some_and(|texts| {
        texts.iter().flatten().all(|text| ["true", "false"].iter().any(|it| text.eq_ignore_ascii_case(it)))
    });
    if is_boolean {
        return DataType::Boolean;
    }
    let candidates = [
        DataType::Int64,
        DataType::Float64,
        DataType::Date32,
        DataType::Timestamp(TimeUnit::Microsecond, None),
    ];
    let fits = |data_type: &DataType| {
        let options = CastOptions { safe: true, ..CastOptions::default() };
        arrow::compute::cast_with_options(column, data_type, &options)
            .is_ok_and(|cast| cast.null_count() == column.null_count())
    };
    // Dates are read from timestamps as well, which would lose the time of day.
    let short = column
        .as_string_opt::<i32>()
        .is_some_and(|texts| texts.iter().flatten().all(|text| text.trim().len() <= "2024-12-31".len()));
    candidates
        .into_iter()
        .find(|data_type| (*data_type != DataType::Date32 || short) && fits(data_type))
        .unwrap_or(DataType::Utf8View)
}
