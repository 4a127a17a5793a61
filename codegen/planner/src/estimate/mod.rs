//! Guesses: how many rows, how many distinct values.
//!
//! Values are compared as positions on a line of `f64`: numbers as they are, dates and times by their count of units,
//! text by its first bytes. Predicates are taken as independent, except ranges over one column, values as spread
//! evenly between bounds (the textbook assumptions of Selinger et al., SIGMOD 1979) where no histogram says how they
//! are spread, and sums as bell-shaped.

pub mod derive;
pub mod distinct;
pub mod selectivity;
pub mod spread;

use arrow::datatypes::{DataType, SchemaRef};
use nyala_schema::Value;
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};

use crate::column::{ColumnId, Columns};
use spread::Spread;

/// When neither rows nor bytes of a table are known.
const ROWS_UNKNOWN: f64 = 100_000.0;
/// Text columns without statistics repeat their values.
const TEXT_ROWS_PER_VALUE: f64 = 10.0;
const TEXT_WIDTH: f64 = 16.0;

/// What is expected of a column's values.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnEstimate {
    /// Distinct values that predicates on the column itself leave; infinite when unknown.
    pub distinct: f64,
    /// Distinct values before any predicate.
    pub distinct_table: f64,
    /// Distinct values in the rows that predicates on the whole table leave; infinite when unknown.
    pub kept: f64,
    /// Least and greatest position.
    pub range: Option<(f64, f64)>,
    /// Sums and averages.
    pub bell: Option<Bell>,
    /// What ANALYZE found.
    pub spread: Option<Spread>,
    pub null_fraction: f64,
    /// Bytes of a value.
    pub width: f64,
    /// Columns of one origin come from rows of one table or aggregate.
    pub origin: Option<ColumnId>,
    /// Rows of the origin; infinite when unknown.
    pub origin_rows: f64,
}

/// A normal distribution.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Bell {
    pub mean: f64,
    pub deviation: f64,
}

impl ColumnEstimate {
    pub fn unknown(data_type: &DataType) -> Self {
        let distinct = if *data_type == DataType::Boolean { 2.0 } else { f64::INFINITY };
        Self {
            distinct,
            distinct_table: distinct,
            kept: f64::INFINITY,
            range: None,
            bell: None,
            spread: None,
            null_fraction: 0.0,
            width: type_width(data_type),
            origin: None,
            origin_rows: f64::INFINITY,
        }
    }

    /// Of a table's column, with what is known of it.
    pub fn of_table(known: Option<&ColumnStatistics>, data_type: &DataType, rows: f64) -> Self {
        let mut estimate = Self { origin_rows: rows, ..Self::unknown(data_type) };
        if let Some(known) = known {
            estimate.range = range(known);
            let spread = known.histogram.as_ref().and_then(|histogram| Spread::of(histogram, data_type));
            estimate.spread = spread.map(|spread| spread.within(estimate.range));
            estimate.null_fraction = known.nulls.map_or(0.0, |nulls| (nulls / rows.max(1.0)).min(1.0));
            estimate.width = known.width.unwrap_or(estimate.width);
        }
        let distinct = known.and_then(|known| known.distinct);
        let distinct = distinct.unwrap_or_else(|| estimate.guess_distinct(data_type, rows));
        estimate.distinct = distinct.clamp(1.0, rows.max(1.0));
        estimate.distinct_table = estimate.distinct;
        estimate
    }

    fn guess_distinct(&self, data_type: &DataType, rows: f64) -> f64 {
        match self.range {
            _ if *data_type == DataType::Boolean => 2.0,
            Some((min, max)) if is_counted(data_type) => (max - min + 1.0).min(rows),
            _ if matches!(data_type, DataType::Utf8View) => rows / TEXT_ROWS_PER_VALUE,
            _ => rows,
        }
    }

    /// Whether equal values are as good as never in two rows.
    pub fn is_unique(&self) -> bool {
        self.distinct_table >= UNIQUE_FRACTION * self.origin_rows
    }
}

/// Distinct counts are estimates: so near to the rows, a column is taken as a key.
pub const UNIQUE_FRACTION: f64 = 0.8;

fn range(known: &ColumnStatistics) -> Option<(f64, f64)> {
    let min = position(known.min.as_ref()?)?;
    let max = position(known.max.as_ref()?)?;
    (min <= max).then_some((min, max))
}

/// Where a value lies on the line; `None` for NULL and for types without a line.
pub fn position(value: &Value) -> Option<f64> {
    if let Some(text) = value.as_str() {
        return Some(text_position(text.as_bytes()));
    }
    match value.as_bool() {
        Some(truth) => Some(f64::from(u8::from(truth))),
        None => value.as_f64(),
    }
}

fn text_position(text: &[u8]) -> f64 {
    let mut bytes = [0; 8];
    text.iter().zip(&mut bytes).for_each(|(byte, slot)| *slot = *byte);
    u64::from_be_bytes(bytes) as f64
}

/// Types whose values between two bounds can be counted.
fn is_counted(data_type: &DataType) -> bool {
    data_type.is_integer() || matches!(data_type, DataType::Date32)
}

/// Bytes of a value of which nothing else is known.
pub fn type_width(data_type: &DataType) -> f64 {
    data_type.primitive_width().map_or(TEXT_WIDTH, |bytes| bytes as f64)
}

/// Rows of a table: counted, or guessed from its bytes.
pub fn table_rows(statistics: &TableStatistics, schema: &SchemaRef) -> f64 {
    let row_width: f64 = schema.fields().iter().map(|field| type_width(field.data_type())).sum();
    let from_bytes = statistics.bytes.map(|bytes| bytes as f64 / row_width.max(1.0));
    statistics.rows.or(from_bytes).unwrap_or(ROWS_UNKNOWN)
}

impl Columns {
    /// Says that these columns come from the same rows.
    pub fn share_origin(&mut self, ids: impl Iterator<Item = ColumnId> + Clone) {
        let first = ids.clone().next();
        ids.for_each(|id| self.estimate_mut(id).origin = first);
    }
}
