//! Checks of rows that uploaded code made: what is declared is what the rest of the pipeline counts on.

use arrow::array::Array;
use nyala_pipeline::Type;
use nyala_pipeline::guest::GuestRows;
use nyala_schema::guest::GuestCode;
use nyala_schema::{Error, ErrorCode, Result};

/// The rows, with columns of just these types and, where it is to be so, sources below `source_rows`.
///
/// # Errors
/// GuestFailed, naming the code and what is wrong.
pub(crate) fn checked(
    code: &GuestCode,
    given: GuestRows,
    types: &[Type],
    source_rows: Option<usize>,
) -> Result<GuestRows> {
    if given.columns.len() != types.len() {
        return Err(wrong(code, format!("{} columns instead of {}", given.columns.len(), types.len())));
    }
    for (index, (column, ty)) in given.columns.iter().zip(types).enumerate() {
        if column.len() != given.rows {
            let (len, rows) = (column.len(), given.rows);
            return Err(wrong(code, format!("{len} values in column {index} for {rows} rows")));
        }
        if *column.data_type() != ty.data_type {
            let (is, wanted) = (column.data_type(), &ty.data_type);
            return Err(wrong(code, format!("column {index} of type {is} instead of {wanted}")));
        }
        if !ty.nullable && column.logical_null_count() > 0 {
            return Err(wrong(code, format!("NULL in column {index}, which is declared NOT NULL")));
        }
    }
    let Some(source_rows) = source_rows else { return Ok(given) };
    let Some(sources) = &given.sources else {
        return Err(wrong(code, "rows without the input rows that they come of".to_owned()));
    };
    if sources.len() != given.rows {
        return Err(wrong(code, format!("{} source rows for {} rows", sources.len(), given.rows)));
    }
    match sources.iter().find(|&&row| row as usize >= source_rows) {
        Some(row) => Err(wrong(code, format!("a row of input row {row}, of which there are {source_rows}"))),
        None => Ok(given),
    }
}

fn wrong(code: &GuestCode, what: String) -> Error {
    Error::new(ErrorCode::GuestFailed, format!("{code} gave {what}"))
        .with_hint("the module does not do what it was declared to do; mend it and add a version")
}
