//! What footers and dictionaries say of a table's columns.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use arrow::datatypes::DataType;
use nyala_schema::Result;
use nyala_schema::statistics::ColumnStatistics;
use parquet::basic::Encoding;
use parquet::file::metadata::ColumnChunkMetaData;
use parquet::file::statistics::Statistics;

use crate::file::FileHandle;
use crate::prune::{Bound, Bounds};
use crate::resolve::{FileContents, FileSchema, normalised_type};

use super::footer::ParquetFooter;
use super::header::{self, PageKind};

/// Row groups whose dictionaries are looked at, for each column.
const DICTIONARIES_SAMPLED: usize = 3;
/// A page header with statistics of short values is smaller than this.
const HEADER_BYTES: usize = 256;

/// A chunk whose data pages are all dictionary-encoded.
#[derive(Debug, Clone, PartialEq)]
pub struct DictionaryInfo {
    pub entries: f64,
    /// Values of the chunk, without NULLs.
    pub values: f64,
    /// Mean bytes of an entry, its length prefix of four bytes not counted.
    pub width: f64,
}

/// Schemas, rows and columns of files. Without `with_schemas` the caller knows the columns already.
///
/// # Errors
/// None at present; kept so that formats are alike.
pub(crate) fn describe(footers: &[Arc<ParquetFooter>], with_schemas: bool) -> Result<FileContents> {
    let schemas = footers
        .iter()
        .filter(|_| with_schemas)
        .map(|footer| FileSchema {
            path: footer.path.clone(),
            schema: Arc::clone(&footer.schema),
            guessed: false,
        })
        .collect();
    let rows: i64 =
        footers.iter().flat_map(|footer| footer.metadata.row_groups()).map(|group| group.num_rows()).sum();
    Ok(FileContents { schemas, rows: Some(rows as f64), columns: columns(footers, rows as f64) })
}

/// One stored column chunk.
struct Chunk<'a> {
    footer: &'a ParquetFooter,
    group: usize,
    root: usize,
    bounds: Bounds,
}

fn columns(footers: &[Arc<ParquetFooter>], rows: f64) -> Vec<(String, ColumnStatistics)> {
    let mut names: Vec<(String, DataType)> = Vec::new();
    let mut chunks: HashMap<String, Vec<Chunk<'_>>> = HashMap::new();
    for footer in footers {
        for (root, field) in footer.schema.fields().iter().enumerate() {
            if !chunks.contains_key(field.name()) {
                names.push((field.name().clone(), field.data_type().clone()));
            }
            let of_column = chunks.entry(field.name().clone()).or_default();
            for group in 0..footer.metadata.num_row_groups() {
                let Some(chunk) = footer.chunk(group, root) else { continue };
                let rows = footer.metadata.row_group(group).num_rows().try_into().unwrap_or(0);
                let bounds = chunk_bounds(chunk, field.data_type(), rows);
                of_column.push(Chunk { footer, group, root, bounds });
            }
        }
    }
    names
        .into_iter()
        .map(|(name, data_type)| {
            let of_column = chunks.remove(&name).unwrap_or_default();
            let statistics = column(&of_column, &data_type, rows);
            (name, statistics)
        })
        .collect()
}

fn column(chunks: &[Chunk<'_>], data_type: &DataType, rows: f64) -> ColumnStatistics {
    let known: f64 = chunks.iter().map(|chunk| chunk.bounds.rows as f64).sum();
    if chunks.is_empty()
        || chunks.iter().any(|chunk| chunk.footer.schema.field(chunk.root).data_type() != data_type)
    {
        // A column that other files have in another type: bounds cannot be compared.
        return ColumnStatistics::default();
    }
    let nulls: Option<f64> =
        chunks.iter().map(|chunk| chunk.bounds.nulls.map(|nulls| nulls as f64)).sum::<Option<f64>>();
    let nulls = nulls.map(|nulls| nulls + (rows - known).max(0.0));
    let bounds = overall(chunks);
    let not_null = (rows - nulls.unwrap_or(0.0)).max(0.0);
    let sample = dictionaries(chunks);
    let width = text_width(chunks, data_type, &sample);
    let distinct = distinct(chunks, &sample, &bounds, not_null);
    let logical = normalised_type(data_type);
    let value = |bound: &Option<Bound>| bound.as_ref().and_then(|bound| bound.to_value(&logical));
    let converted = logical == *data_type || !logical.is_temporal();
    ColumnStatistics {
        min: value(&bounds.min).filter(|_| converted),
        max: value(&bounds.max).filter(|_| converted),
        nulls,
        distinct,
        width,
        histogram: None,
    }
}

/// Bounds over all chunks; none when one chunk that has values has no bounds.
fn overall(chunks: &[Chunk<'_>]) -> Bounds {
    let mut result: Option<(Bound, Bound)> = None;
    for chunk in chunks {
        let bounds = &chunk.bounds;
        if bounds.rows == 0 || bounds.nulls == Some(bounds.rows) {
            continue;
        }
        let (Some(min), Some(max)) = (&bounds.min, &bounds.max) else { return Bounds::default() };
        result = Some(match result {
            None => (min.clone(), max.clone()),
            Some((low, high)) => {
                let low = if *min < low { min.clone() } else { low };
                let high = if *max > high { max.clone() } else { high };
                (low, high)
            }
        });
    }
    match result {
        Some((min, max)) => Bounds { min: Some(min), max: Some(max), ..Bounds::default() },
        None => Bounds::default(),
    }
}

/// Dictionaries of a few chunks: the first, the last, and between.
fn dictionaries(chunks: &[Chunk<'_>]) -> Vec<(usize, DictionaryInfo)> {
    let count = chunks.len().min(DICTIONARIES_SAMPLED);
    let mut found = Vec::new();
    for sample in 0..count {
        let index = if count == 1 { 0 } else { sample * (chunks.len() - 1) / (count - 1) };
        let chunk = &chunks[index];
        let Some(leaf) = chunk.footer.leaves.get(chunk.root).copied().flatten() else { continue };
        let learnt = chunk.footer.dictionary(chunk.group, leaf, || {
            chunk.footer.chunk(chunk.group, chunk.root).and_then(|it| read_dictionary(chunk, it))
        });
        found.extend(learnt.map(|info| (index, info)));
    }
    found
}

fn read_dictionary(chunk: &Chunk<'_>, metadata: &ColumnChunkMetaData) -> Option<DictionaryInfo> {
    let pages = metadata.page_encoding_stats_mask()?;
    if !(pages.is_only(Encoding::PLAIN_DICTIONARY) || pages.is_only(Encoding::RLE_DICTIONARY)) {
        return None;
    }
    let offset = u64::try_from(metadata.dictionary_page_offset()?).ok()?;
    let (file, _) = FileHandle::open(&chunk.footer.path, &Arc::new(AtomicU64::new(0))).ok()?;
    let left = file.size().checked_sub(offset)?;
    let mut bytes = vec![0; HEADER_BYTES.min(usize::try_from(left).ok()?)];
    file.read_at(offset, &mut bytes).ok()?;
    let (header, _) = header::parse(&bytes).ok()?;
    let PageKind::Dictionary { values: entries, .. } = header.kind else { return None };
    let entries = entries as f64;
    let nulls = chunk.bounds.nulls.unwrap_or(0) as f64;
    Some(DictionaryInfo {
        entries,
        values: (chunk.bounds.rows as f64 - nulls).max(0.0),
        width: if entries > 0.0 { (header.uncompressed as f64 / entries - 4.0).max(0.0) } else { 0.0 },
    })
}

/// The number of distinct values of the whole column.
fn distinct(
    chunks: &[Chunk<'_>],
    sample: &[(usize, DictionaryInfo)],
    bounds: &Bounds,
    not_null: f64,
) -> Option<f64> {
    let range = match (&bounds.min, &bounds.max) {
        (Some(Bound::Int(min)), Some(Bound::Int(max))) => Some(max.saturating_sub(*min) as f64 + 1.0),
        _ => None,
    };
    let most = range.map_or(not_null, |range| range.min(not_null));
    if sample.is_empty() {
        // Keys, prices, free text: writers gave up on a dictionary because there were too many values.
        return (not_null > 0.0).then_some(most);
    }
    let largest = sample.iter().map(|(_, info)| info.entries).fold(0.0, f64::max);
    let estimate = if are_apart(chunks, sample) {
        // Sorted or clustered: each part has values of its own.
        let mean = sample.iter().map(|(_, info)| info.entries).sum::<f64>() / sample.len() as f64;
        mean * chunks.len() as f64
    } else {
        let entries = sample.iter().map(|(_, info)| info.entries).sum::<f64>();
        let values = sample.iter().map(|(_, info)| info.values).sum::<f64>();
        from_sample(entries / sample.len() as f64, values / sample.len() as f64)
    };
    Some(estimate.max(largest).min(most.max(1.0)))
}

/// Whether the sampled chunks have value ranges that do not overlap.
fn are_apart(chunks: &[Chunk<'_>], sample: &[(usize, DictionaryInfo)]) -> bool {
    sample.len() > 1
        && sample.windows(2).all(|pair| {
            let (left, right) = (&chunks[pair[0].0].bounds, &chunks[pair[1].0].bounds);
            match (&left.min, &left.max, &right.min, &right.max) {
                (Some(left_min), Some(left_max), Some(right_min), Some(right_max)) => {
                    left_max < right_min || right_max < left_min
                }
                _ => false,
            }
        })
}

/// How many values there are when `rows` rows drawn from them at random show `seen` different ones: solves
/// `seen = d × (1 − exp(−rows / d))` for `d` by bisection.
fn from_sample(seen: f64, rows: f64) -> f64 {
    if seen <= 0.0 || rows <= 0.0 {
        return seen;
    }
    let shown = |distinct: f64| distinct * (1.0 - (-rows / distinct).exp());
    let (mut low, mut high) = (seen, seen);
    while shown(high) < seen - 0.5 {
        high *= 2.0;
        if high > rows * 1e4 {
            return high;
        }
    }
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if shown(middle) < seen - 0.5 {
            low = middle;
        } else {
            high = middle;
        }
    }
    high
}

fn text_width(chunks: &[Chunk<'_>], data_type: &DataType, sample: &[(usize, DictionaryInfo)]) -> Option<f64> {
    if !matches!(normalised_type(data_type), DataType::Utf8View | DataType::BinaryView) {
        return None;
    }
    let metadata = || chunks.iter().filter_map(|chunk| chunk.footer.chunk(chunk.group, chunk.root));
    let values: f64 = chunks
        .iter()
        .map(|chunk| (chunk.bounds.rows - chunk.bounds.nulls.unwrap_or(0).min(chunk.bounds.rows)) as f64)
        .sum();
    if values == 0.0 {
        return None;
    }
    let exact: Option<i64> = metadata().map(ColumnChunkMetaData::unencoded_byte_array_data_bytes).sum();
    if let Some(bytes) = exact {
        return Some(bytes as f64 / values);
    }
    if let Some((_, info)) = sample.first() {
        return Some(info.width);
    }
    let stored: i64 = metadata().map(ColumnChunkMetaData::uncompressed_size).sum();
    Some((stored as f64 / values - 4.0).max(0.0))
}

/// The bounds of one chunk; `data_type` is the one that the file gives the column.
pub fn chunk_bounds(chunk: &ColumnChunkMetaData, data_type: &DataType, rows: u64) -> Bounds {
    let Some(statistics) = chunk.statistics() else {
        let nulls = (chunk.column_descr().max_def_level() == 0).then_some(0);
        return Bounds { nulls, rows, ..Bounds::default() };
    };
    let nulls = match statistics.null_count_opt() {
        Some(nulls) => Some(nulls.min(rows)),
        None => (chunk.column_descr().max_def_level() == 0).then_some(0),
    };
    let (min, max) = extremes(statistics, data_type);
    let ordered = matches!((&min, &max), (Some(min), Some(max)) if min <= max);
    if !ordered {
        return Bounds { nulls, rows, ..Bounds::default() };
    }
    Bounds { min, max, nulls, rows }
}

fn extremes(statistics: &Statistics, data_type: &DataType) -> (Option<Bound>, Option<Bound>) {
    let unsigned = data_type.is_unsigned_integer();
    if statistics.is_min_max_deprecated() && (unsigned || !data_type.is_numeric() && !data_type.is_temporal())
    {
        // Old writers ordered these by their bytes as signed numbers.
        return (None, None);
    }
    match statistics {
        Statistics::Int32(s) => {
            let bound = |value: &i32| {
                Bound::Int(if unsigned { i128::from(*value as u32) } else { i128::from(*value) })
            };
            (s.min_opt().map(bound), s.max_opt().map(bound))
        }
        Statistics::Int64(s) => {
            let bound = |value: &i64| {
                Bound::Int(if unsigned { i128::from(*value as u64) } else { i128::from(*value) })
            };
            (s.min_opt().map(bound), s.max_opt().map(bound))
        }
        Statistics::Float(s) => {
            (float(s.min_opt().map(|v| f64::from(*v))), float(s.max_opt().map(|v| f64::from(*v))))
        }
        Statistics::Double(s) => (float(s.min_opt().copied()), float(s.max_opt().copied())),
        Statistics::ByteArray(s) => {
            if !matches!(normalised_type(data_type), DataType::Utf8View) {
                return (None, None);
            }
            let bound = |bytes: &[u8]| Bound::Text(bytes.to_vec());
            (s.min_bytes_opt().map(bound), s.max_bytes_opt().map(bound))
        }
        Statistics::FixedLenByteArray(s) => {
            if !matches!(
                data_type,
                DataType::Decimal32(..) | DataType::Decimal64(..) | DataType::Decimal128(..)
            ) {
                return (None, None);
            }
            (s.min_bytes_opt().and_then(big_endian), s.max_bytes_opt().and_then(big_endian))
        }
        Statistics::Boolean(_) | Statistics::Int96(_) => (None, None),
    }
}

fn float(value: Option<f64>) -> Option<Bound> {
    value.filter(|number| !number.is_nan()).map(Bound::Float)
}

fn big_endian(bytes: &[u8]) -> Option<Bound> {
    if bytes.is_empty() || bytes.len() > 16 {
        return None;
    }
    let mut wide = [if bytes[0] & 0x80 != 0 { 0xff } else { 0 }; 16];
    wide[16 - bytes.len()..].copy_from_slice(bytes);
    Some(Bound::Int(i128::from_be_bytes(wide)))
}
