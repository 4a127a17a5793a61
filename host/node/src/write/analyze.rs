//! ANALYZE: what the planner wants to know of a table, found by reading it.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::kernels::length::length;
use arrow::datatypes::{DataType, Int32Type, Int64Type};
use nyala_schema::command::Command;
use nyala_schema::managed::shape::TableColumn;
use nyala_schema::managed::{ColumnSummary, FileList, ManagedTable};
use nyala_schema::{Error, ErrorCode, Result};
use nyala_storage::managed::{ColumnSketcher, histogram_of, merge_sketches};

use super::sample::Sample;
use super::stream;
use super::target::{Target, WithTable};
use crate::answer::Answer;
use crate::query;
use crate::session::Session;

/// Of a table with more rows, some of its files are read, about so many rows.
const ROWS_MAX: u64 = 50_000_000;
const BUCKETS: usize = 100;
/// The name under which files are read.
const ANALYZED: &str = "$analyzed";

pub fn run(session: &Session, table: &str, columns: &[String]) -> Result<Answer> {
    session.retrying(|_| {
        let tables = session.tables();
        let target = Target::find(session, table)?;
        let columns = chosen(&target, columns)?;
        let (files, is_whole) = files_to_read(target.table());
        let mut found = Found::new(&columns);
        let names: Vec<String> = columns.iter().map(|column| quoted(&column.name)).collect();
        let sql = format!("SELECT {} FROM \"{ANALYZED}\"", names.join(", "));
        let (sql, query) = query::parsed(sql)?;
        let world = WithTable { world: &tables, table: target.resolved(ANALYZED, files) };
        stream::each_batch(session, &world, &sql, &query, |batch| found.add(batch))?;
        let rows = target.table().summary.rows;
        let known = (!is_whole).then(|| target.table());
        let columns = found.finish(&columns, known)?;
        session.commit(&Command::SetSummary {
            name: target.name.clone(),
            id: target.table().id,
            columns,
            rows,
        })
    })?;
    Ok(Answer::Done("ANALYZE".into()))
}

fn chosen(target: &Target, names: &[String]) -> Result<Vec<TableColumn>> {
    let shape = &target.table().shape;
    if names.is_empty() {
        return Ok(shape.columns.clone());
    }
    let find = |name: &String| {
        shape.column(name).cloned().ok_or_else(|| {
            let message = format!("table \"{}\" has no column \"{name}\"", target.name);
            Error::new(ErrorCode::UndefinedColumn, message)
        })
    };
    names.iter().map(find).collect()
}

/// All files, or evenly spaced ones of a large table, and whether they are all.
fn files_to_read(table: &ManagedTable) -> (FileList, bool) {
    let rows: u64 = table.files.iter().map(|file| file.live_rows()).sum();
    let step = rows.div_ceil(ROWS_MAX).max(1) as usize;
    (table.files.iter().step_by(step).cloned().collect(), step == 1)
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// What has been seen of the columns.
struct Found {
    columns: Vec<Seen>,
    sample: Sample,
}

#[derive(Default)]
struct Seen {
    sketcher: ColumnSketcher,
    /// Of text and binary values that are not NULL.
    values: u64,
    bytes: u64,
}

impl Found {
    fn new(columns: &[TableColumn]) -> Self {
        Self { columns: columns.iter().map(|_| Seen::default()).collect(), sample: Sample::new() }
    }

    fn add(&mut self, batch: &RecordBatch) -> Result<()> {
        for (seen, values) in self.columns.iter_mut().zip(batch.columns()) {
            seen.sketcher.add(values)?;
            if is_text(values.data_type()) {
                let (count, bytes) = text_bytes(values)?;
                seen.values += count;
                seen.bytes += bytes;
            }
        }
        self.sample.add(batch.columns(), batch.num_rows())
    }

    /// `known` is the table when only some of its rows were seen: distinct values that are known of the others count too.
    fn finish(
        self,
        columns: &[TableColumn],
        known: Option<&ManagedTable>,
    ) -> Result<Vec<(nyala_schema::id::ColumnId, ColumnSummary)>> {
        let sample = self.sample;
        let summary = |(index, (column, seen)): (usize, (&TableColumn, Seen))| {
            let mut sketch = seen.sketcher.finish();
            let before = known.and_then(|table| table.summary.columns.get(&column.id));
            if let Some(before) = before.and_then(|column| column.sketch.as_ref()) {
                sketch = merge_sketches([&sketch, before])?;
            }
            let histogram = histogram_of(&sample.column(index), BUCKETS)?;
            let summary = ColumnSummary {
                sketch: Some(sketch),
                width: (seen.values > 0).then(|| seen.bytes as f64 / seen.values as f64),
                histogram: histogram.map(std::sync::Arc::new),
                ..ColumnSummary::default()
            };
            Ok((column.id, summary))
        };
        columns.iter().zip(self.columns).enumerate().map(summary).collect()
    }
}

fn is_text(data_type: &DataType) -> bool {
    match data_type {
        DataType::Dictionary(_, values) => is_text(values),
        DataType::Utf8
        | DataType::LargeUtf8
        | DataType::Utf8View
        | DataType::Binary
        | DataType::LargeBinary
        | DataType::BinaryView => true,
        _ => false,
    }
}

/// How many values are not NULL, and their bytes.
fn text_bytes(array: &ArrayRef) -> Result<(u64, u64)> {
    let count = (array.len() - array.logical_null_count()) as u64;
    if let Some(dictionary) = array.as_any_dictionary_opt() {
        let lengths = lengths(dictionary.values())?;
        let keys = dictionary.normalized_keys();
        let nulls = dictionary.keys().nulls();
        let valid = (0..keys.len()).filter(|row| nulls.is_none_or(|nulls| nulls.is_valid(*row)));
        let bytes = valid.filter_map(|row| lengths.get(keys[row])).sum();
        return Ok((count, bytes));
    }
    Ok((count, lengths(array)?.iter().sum()))
}

/// Of NULL 0.
fn lengths(array: &ArrayRef) -> Result<Vec<u64>> {
    let array = match array.data_type() {
        DataType::BinaryView => arrow::compute::cast(array, &DataType::LargeBinary)?,
        _ => array.clone(),
    };
    let lengths = length(&array)?;
    Ok(match lengths.data_type() {
        DataType::Int32 => {
            lengths.as_primitive::<Int32Type>().iter().map(|length| length.unwrap_or(0) as u64).collect()
        }
        _ => lengths.as_primitive::<Int64Type>().iter().map(|length| length.unwrap_or(0) as u64).collect(),
    })
}
