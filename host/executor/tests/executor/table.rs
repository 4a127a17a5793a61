//! Small tables of optional numbers, shown to the engine as columns of many types.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, BooleanArray, Date32Array, Decimal64Array, DictionaryArray, Float64Array, Int32Array,
    Int64Array, RecordBatch, StringViewArray, UInt8Array, UInt64Array,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::util::display::{ArrayFormatter, FormatOptions};

pub type Row = Vec<Option<i64>>;

/// How numbers become a column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Kind {
    Int,
    Int32,
    Unsigned,
    /// Far apart, so that no array over the values pays.
    Sparse,
    Text,
    /// Text as a dictionary of its own for each batch.
    Dictionary,
    Decimal,
    Date,
    Float,
    Boolean,
}

impl Kind {
    /// What there are keys of, to join, group or sort by.
    pub const KEYS: [Self; 9] = [
        Self::Int,
        Self::Int32,
        Self::Unsigned,
        Self::Sparse,
        Self::Text,
        Self::Dictionary,
        Self::Decimal,
        Self::Date,
        Self::Float,
    ];

    pub fn data_type(self) -> DataType {
        match self {
            Self::Int | Self::Sparse => DataType::Int64,
            Self::Int32 => DataType::Int32,
            Self::Unsigned => DataType::UInt64,
            Self::Text | Self::Dictionary => DataType::Utf8View,
            Self::Decimal => DataType::Decimal64(12, 2),
            Self::Date => DataType::Date32,
            Self::Float => DataType::Float64,
            Self::Boolean => DataType::Boolean,
        }
    }

    pub fn array(self, values: &[Option<i64>]) -> ArrayRef {
        let values = values.iter().copied();
        let text = |value: i64| format!("value number {value}");
        match self {
            Self::Int => Arc::new(values.collect::<Int64Array>()),
            Self::Sparse => Arc::new(values.map(|v| v.map(|v| v * 1_000_000_007)).collect::<Int64Array>()),
            Self::Int32 => Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Int32Array>()),
            Self::Unsigned => {
                Arc::new(values.map(|v| v.map(|v| u64::MAX / 2 + v as u64)).collect::<UInt64Array>())
            }
            Self::Text => Arc::new(values.map(|v| v.map(text)).collect::<StringViewArray>()),
            Self::Dictionary => {
                let values: Vec<Option<i64>> = values.collect();
                let mut distinct: Vec<i64> = values.iter().flatten().copied().collect();
                distinct.sort_unstable();
                distinct.dedup();
                let code = |v: i64| distinct.binary_search(&v).unwrap() as u8;
                let codes: UInt8Array = values.iter().map(|v| v.map(code)).collect();
                let words = distinct.iter().map(|&v| Some(text(v))).collect::<StringViewArray>();
                Arc::new(DictionaryArray::new(codes, Arc::new(words)))
            }
            Self::Decimal => {
                let decimals: Decimal64Array = values.map(|v| v.map(|v| v * 25)).collect();
                Arc::new(decimals.with_precision_and_scale(12, 2).unwrap())
            }
            Self::Date => Arc::new(values.map(|v| v.map(|v| v as i32)).collect::<Date32Array>()),
            Self::Float => Arc::new(values.map(|v| v.map(|v| v as f64 / 2.0)).collect::<Float64Array>()),
            Self::Boolean => Arc::new(values.map(|v| v.map(|v| v % 2 == 1)).collect::<BooleanArray>()),
        }
    }
}

/// Columns by name and kind, and rows.
#[derive(Debug, Clone)]
pub struct Table {
    pub name: String,
    pub kinds: Vec<Kind>,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(name: &str, kinds: &[Kind], rows: Vec<Row>) -> Self {
        Self { name: name.to_owned(), kinds: kinds.to_vec(), rows }
    }

    pub fn schema(&self) -> SchemaRef {
        let field = |(index, kind): (usize, &Kind)| Field::new(format!("c{index}"), kind.data_type(), true);
        Arc::new(Schema::new(self.kinds.iter().enumerate().map(field).collect::<Vec<_>>()))
    }

    /// The rows in batches of `size`.
    pub fn batches(&self, size: usize) -> Vec<Vec<ArrayRef>> {
        self.rows.chunks(size).map(|rows| arrays(&self.kinds, rows)).collect()
    }
}

pub fn arrays(kinds: &[Kind], rows: &[Row]) -> Vec<ArrayRef> {
    let column =
        |(index, kind): (usize, &Kind)| kind.array(&rows.iter().map(|row| row[index]).collect::<Vec<_>>());
    kinds.iter().enumerate().map(column).collect()
}

/// Rows as text, sorted.
pub fn shown(kinds: &[Kind], rows: &[Row]) -> Vec<Vec<String>> {
    let mut text = text_of(&arrays(kinds, rows), rows.len());
    text.sort();
    text
}

pub fn text_of(columns: &[ArrayRef], rows: usize) -> Vec<Vec<String>> {
    let options = FormatOptions::default().with_null("NULL");
    let columns: Vec<ArrayRef> = columns
        .iter()
        .map(|column| match column.data_type() {
            DataType::Dictionary(_, value) => arrow::compute::cast(column, value).unwrap(),
            _ => column.clone(),
        })
        .collect();
    let formatters: Vec<ArrayFormatter<'_>> =
        columns.iter().map(|column| ArrayFormatter::try_new(column.as_ref(), &options).unwrap()).collect();
    (0..rows).map(|row| formatters.iter().map(|f| f.value(row).to_string()).collect()).collect()
}

pub fn batch_text(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    batches.iter().flat_map(|batch| text_of(batch.columns(), batch.num_rows())).collect()
}

/// Numbers that look random and are the same in every run.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, limit: i64) -> i64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        ((self.0 >> 11) % limit as u64) as i64
    }

    /// NULL one time in `nulls`, never for 0.
    pub fn maybe(&mut self, limit: i64, nulls: i64) -> Option<i64> {
        if nulls > 0 && self.below(nulls) == 0 { None } else { Some(self.below(limit)) }
    }
}
