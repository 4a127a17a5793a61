//! What is known of a managed table's rows.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;

use super::generated::managed_capnp::{column_sketch, column_summary, table_summary};
use super::{count, malformed};
use crate::error::Result;
use crate::id::ColumnId;
use crate::managed::{ColumnSketch, ColumnSummary, Histogram, TableSummary};
use crate::packed::{Reader, put_bound};

pub(super) fn encode(value: &TableSummary, mut builder: table_summary::Builder<'_>) {
    builder.set_rows(value.rows);
    builder.set_bytes(value.bytes);
    if let Some((at_ms, rows)) = value.analyzed {
        builder.set_is_analyzed(true);
        builder.set_analyzed_ms(at_ms);
        builder.set_analyzed_rows(rows);
    }
    encode_columns(value.columns.iter(), builder.init_columns(count(value.columns.len())));
}

pub(super) fn decode(reader: table_summary::Reader<'_>) -> Result<TableSummary> {
    let analyzed = (reader.get_analyzed_ms(), reader.get_analyzed_rows());
    let columns: BTreeMap<_, _> = decode_columns(reader.get_columns()?)?;
    Ok(TableSummary {
        rows: reader.get_rows(),
        bytes: reader.get_bytes(),
        columns,
        analyzed: reader.get_is_analyzed().then_some(analyzed),
    })
}

/// As many as the list has places.
pub(super) fn encode_columns<'a>(
    columns: impl Iterator<Item = (&'a ColumnId, &'a ColumnSummary)>,
    mut list: capnp::struct_list::Builder<'_, column_summary::Owned>,
) {
    for (index, (id, column)) in columns.enumerate() {
        encode_column(*id, column, list.reborrow().get(count(index)));
    }
}

pub(super) fn decode_columns<C: FromIterator<(ColumnId, ColumnSummary)>>(
    list: capnp::struct_list::Reader<'_, column_summary::Owned>,
) -> Result<C> {
    list.iter().map(decode_column).collect()
}

fn encode_column(id: ColumnId, value: &ColumnSummary, mut builder: column_summary::Builder<'_>) {
    builder.set_column(id.0);
    builder.set_is_bounded(value.is_bounded);
    builder.set_nulls(value.nulls);
    let mut bounds = Vec::new();
    if let Some(min) = &value.min {
        builder.set_has_min(true);
        put_bound(&mut bounds, min);
    }
    if let Some(max) = &value.max {
        builder.set_has_max(true);
        put_bound(&mut bounds, max);
    }
    if !bounds.is_empty() {
        builder.set_bounds(&bounds);
    }
    if let Some(sketch) = &value.sketch {
        builder.set_sketch(sketch);
    }
    if let Some(width) = value.width {
        builder.set_has_width(true);
        builder.set_width(width);
    }
    if let Some(histogram) = &value.histogram {
        let mut bounds = Vec::new();
        histogram.bounds.iter().for_each(|bound| put_bound(&mut bounds, bound));
        builder.set_histogram(&bounds);
    }
}

fn decode_column(reader: column_summary::Reader<'_>) -> Result<(ColumnId, ColumnSummary)> {
    let mut bounds = Reader(reader.get_bounds()?);
    let mut bound = |has: bool| {
        has.then(|| bounds.bound().ok_or_else(|| malformed("bounds that cannot be read"))).transpose()
    };
    let (min, max) = (bound(reader.get_has_min())?, bound(reader.get_has_max())?);
    let has_histogram = reader.has_histogram();
    let summary = ColumnSummary {
        min,
        max,
        is_bounded: reader.get_is_bounded(),
        nulls: reader.get_nulls(),
        sketch: reader.has_sketch().then(|| reader.get_sketch()).transpose()?.map(Bytes::copy_from_slice),
        width: reader.get_has_width().then(|| reader.get_width()),
        histogram: has_histogram.then(|| decode_histogram(reader.get_histogram()?)).transpose()?,
    };
    Ok((ColumnId(reader.get_column()), summary))
}

fn decode_histogram(packed: &[u8]) -> Result<Arc<Histogram>> {
    let mut rest = Reader(packed);
    let mut bounds = Vec::new();
    while !rest.0.is_empty() {
        bounds.push(rest.bound().ok_or_else(|| malformed("a histogram that cannot be read"))?);
    }
    if bounds.len() < 2 || !bounds.is_sorted() {
        return Err(malformed("a histogram that does not ascend"));
    }
    Ok(Arc::new(Histogram { bounds }))
}

pub(super) fn encode_sketch(value: &ColumnSketch, mut builder: column_sketch::Builder<'_>) {
    builder.set_column(value.column.0);
    builder.set_sketch(&value.sketch);
    if let Some(width) = value.width {
        builder.set_has_width(true);
        builder.set_width(width);
    }
}

pub(super) fn decode_sketch(reader: column_sketch::Reader<'_>) -> Result<ColumnSketch> {
    Ok(ColumnSketch {
        column: ColumnId(reader.get_column()),
        sketch: Bytes::copy_from_slice(reader.get_sketch()?),
        width: reader.get_has_width().then(|| reader.get_width()),
    })
}
