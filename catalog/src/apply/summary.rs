//! What is known of a table's rows as a whole: kept true by every change, made anew where a change is great anyway.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use datasketches::hll::{HllSketch, HllUnion};
use nyala_schema::bound::Bound;
use nyala_schema::id::{ColumnId, TableId};
use nyala_schema::managed::{
    ColumnSketch, ColumnSummary, DataFile, FileColumn, FileList, TableColumn, TableShape, TableSummary,
};
use nyala_schema::value::Value;
use nyala_schema::{Error, ErrorCode, Result};

use super::conflict::require_same_table;
use super::table;
use crate::snapshot::Snapshot;

/// Of a table without rows.
pub(super) fn empty(shape: &TableShape) -> TableSummary {
    let column = |column: &TableColumn| (column.id, without_values());
    TableSummary { columns: shape.columns.iter().map(column).collect(), ..TableSummary::default() }
}

fn without_values() -> ColumnSummary {
    ColumnSummary { is_bounded: true, ..ColumnSummary::default() }
}

/// Of these files, without what only their rows can tell.
pub(crate) fn of_files(shape: &TableShape, files: &FileList) -> TableSummary {
    let mut summary = empty(shape);
    files.iter().for_each(|file| add_file(&mut summary, file));
    summary
}

/// Of these files, with sketches, widths and histograms of `known`.
pub(super) fn again(shape: &TableShape, files: &FileList, known: &TableSummary) -> TableSummary {
    let mut summary = of_files(shape, files);
    summary.analyzed = known.analyzed;
    for (id, column) in &mut summary.columns {
        if let Some(known) = known.columns.get(id) {
            column.sketch.clone_from(&known.sketch);
            column.width = known.width;
            column.histogram.clone_from(&known.histogram);
        }
    }
    summary
}

/// Rows and bytes of a file count; bounds widen.
pub(super) fn add_file(summary: &mut TableSummary, file: &DataFile) {
    let rows = file.live_rows();
    summary.rows = summary.rows.saturating_add(rows);
    summary.bytes = summary.bytes.saturating_add(file.bytes());
    if rows == 0 {
        return;
    }
    let of_file: BTreeMap<ColumnId, FileColumn> =
        file.statistics.columns().map(|column| (column.id, column)).collect();
    for (id, column) in &mut summary.columns {
        widen(column, of_file.get(id), file.rows);
    }
}

/// Rows and bytes of a file count no more; bounds stay.
pub(super) fn remove_file(summary: &mut TableSummary, file: &DataFile) {
    summary.rows = summary.rows.saturating_sub(file.live_rows());
    summary.bytes = summary.bytes.saturating_sub(file.bytes());
    for column in file.statistics.columns() {
        if let Some(known) = summary.columns.get_mut(&column.id) {
            known.nulls = known.nulls.saturating_sub(column.nulls);
        }
    }
}

/// `rows` are those of the file.
fn widen(summary: &mut ColumnSummary, column: Option<&FileColumn>, rows: u64) {
    let Some(column) = column else {
        summary.nulls = summary.nulls.saturating_add(rows);
        return unbounded(summary);
    };
    summary.nulls = summary.nulls.saturating_add(column.nulls);
    if column.nulls < rows {
        widen_by(summary, column.min.as_ref().zip(column.max.as_ref()));
    }
}

/// By the bounds of some values; `None` when they are not known.
fn widen_by(summary: &mut ColumnSummary, bounds: Option<(&Bound, &Bound)>) {
    let Some((min, max)) = bounds.filter(|_| summary.is_bounded) else { return unbounded(summary) };
    let least = match summary.min.take() {
        Some(known) => known.least(min.clone()),
        None => Some(min.clone()),
    };
    let greatest = match summary.max.take() {
        Some(known) => known.greatest(max.clone()),
        None => Some(max.clone()),
    };
    match (least, greatest) {
        (Some(least), Some(greatest)) => (summary.min, summary.max) = (Some(least), Some(greatest)),
        _ => unbounded(summary),
    }
}

fn unbounded(summary: &mut ColumnSummary) {
    summary.is_bounded = false;
    summary.min = None;
    summary.max = None;
}

/// A column that comes to a table which has rows: all of them have its initial value.
pub(super) fn add_column(summary: &mut TableSummary, column: &TableColumn) {
    let mut added = without_values();
    match column.initial.as_ref().filter(|value| !value.is_null()) {
        None => added.nulls = summary.rows,
        Some(_) if summary.rows == 0 => {}
        Some(value) => {
            let bound = bound_of(value);
            widen_by(&mut added, bound.as_ref().map(|bound| (bound, bound)));
        }
    }
    summary.columns.insert(column.id, added);
}

/// As bounds of that type are written; `None` where it has none.
fn bound_of(value: &Value) -> Option<Bound> {
    if let Some(text) = value.as_str() {
        return Some(Bound::Text(text.as_bytes().to_vec()));
    }
    if value.data_type().is_floating() {
        return value.as_f64().filter(|number| !number.is_nan()).map(Bound::Float);
    }
    value.as_i128().map(Bound::Int)
}

/// Puts what a commit's new files hold to what is known. `rows` were there before, `added` came.
///
/// # Errors
/// `InvalidParameter` for bytes that are no sketch.
pub(super) fn merge_sketches(
    summary: &mut TableSummary,
    sketches: &[ColumnSketch],
    rows: u64,
    added: u64,
) -> Result<()> {
    for new in sketches {
        let Some(column) = summary.columns.get_mut(&new.column) else { continue };
        column.sketch = Some(match &column.sketch {
            Some(known) => united(known, &new.sketch)?,
            None => {
                read_sketch(&new.sketch)?;
                new.sketch.clone()
            }
        });
        column.width = match (column.width, new.width) {
            (Some(known), Some(width)) if rows + added > 0 => {
                Some((known * rows as f64 + width * added as f64) / (rows + added) as f64)
            }
            (known, width) => width.or(known),
        };
    }
    Ok(())
}

fn united(known: &Bytes, new: &Bytes) -> Result<Bytes> {
    let (known, new) = (read_sketch(known)?, read_sketch(new)?);
    let mut union = HllUnion::new(known.lg_config_k().max(new.lg_config_k())).map_err(|e| no_sketch(&e))?;
    union.update(&known);
    union.update(&new);
    Ok(Bytes::from(union.to_sketch(new.target_type()).serialize()))
}

fn read_sketch(bytes: &[u8]) -> Result<HllSketch> {
    HllSketch::deserialize(bytes).map_err(|e| no_sketch(&e))
}

fn no_sketch(error: &datasketches::error::Error) -> Error {
    Error::new(ErrorCode::InvalidParameter, format!("a sketch of distinct values cannot be read: {error}"))
}

/// What ANALYZE found. Bounds and counts of NULL are taken from the files instead: rows may have come since it looked.
pub(super) fn set(
    next: &mut Snapshot,
    name: &str,
    id: TableId,
    columns: &[(ColumnId, ColumnSummary)],
    rows: u64,
) -> Result<()> {
    let at_ms = next.at_ms;
    require_same_table(next, name, id)?;
    for sketch in columns.iter().filter_map(|(_, column)| column.sketch.as_ref()) {
        read_sketch(sketch)?;
    }
    let table = table::managed_mut(next, name)?;
    let mut summary = again(&table.shape, &table.files, &table.summary);
    for (id, found) in columns {
        if let Some(column) = summary.columns.get_mut(id) {
            column.sketch.clone_from(&found.sketch);
            column.width = found.width;
            column.histogram.clone_from(&found.histogram);
        }
    }
    summary.analyzed = Some((at_ms, rows));
    table.summary = Arc::new(summary);
    Ok(())
}
