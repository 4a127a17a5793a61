//! How results become text or files: one file a format, and where the bytes go.

mod cells;
mod columnar;
mod delimited;
mod json;
mod markdown;
mod pager;
#[cfg(test)]
mod samples;
mod table;
mod target;
mod vertical;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use clap::ValueEnum;
use nyala_node::Result;

pub use cells::Cells;
pub use pager::Pager;
pub use target::Output;

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Format {
    Table,
    Csv,
    Tsv,
    Json,
    Ndjson,
    Markdown,
    Vertical,
    Parquet,
    Arrow,
}

impl Format {
    pub fn name(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Markdown => "markdown",
            Self::Vertical => "vertical",
            Self::Parquet => "parquet",
            Self::Arrow => "arrow",
        }
    }

    pub fn description(self) -> &'static str {
        match self {
            Self::Table => "a table with lines, for reading (the default, also in pipes)",
            Self::Csv => "comma-separated values with a header (RFC 4180)",
            Self::Tsv => "tab-separated values with a header; tabs and line ends as \\t and \\n",
            Self::Json => "one array of objects for each result",
            Self::Ndjson => "one JSON object a line",
            Self::Markdown => "a Markdown table",
            Self::Vertical => "one line for each value",
            Self::Parquet => "a Parquet file (--output FILE or a pipe, one result)",
            Self::Arrow => "an Arrow IPC file (--output FILE or a pipe, one result)",
        }
    }

    pub fn from_name(name: &str) -> Option<Self> {
        Self::value_variants().iter().copied().find(|format| format.name().eq_ignore_ascii_case(name))
    }

    /// For a hint.
    pub fn choices() -> String {
        let names: Vec<&str> = Self::value_variants().iter().map(|format| format.name()).collect();
        format!("one of {}", names.join(", "))
    }

    /// Bytes that are no text, and a file that holds one result.
    pub fn is_binary(self) -> bool {
        match self {
            Self::Parquet | Self::Arrow => true,
            Self::Table
            | Self::Csv
            | Self::Tsv
            | Self::Json
            | Self::Ndjson
            | Self::Markdown
            | Self::Vertical => false,
        }
    }

    /// # Errors
    /// `Unsupported` when the format has no place for a type.
    pub fn encoder(self, schema: SchemaRef, layout: &Layout) -> Result<Box<dyn Encoder>> {
        Ok(match self {
            Self::Table => Box::new(table::TableEncoder::new(schema, layout)),
            Self::Csv => Box::new(delimited::DelimitedEncoder::csv(schema, layout)),
            Self::Tsv => Box::new(delimited::DelimitedEncoder::tsv(schema, layout)),
            Self::Json => Box::new(json::JsonEncoder::array()),
            Self::Ndjson => Box::new(json::JsonEncoder::lines()),
            Self::Markdown => Box::new(markdown::MarkdownEncoder::new(schema, layout)),
            Self::Vertical => Box::new(vertical::VerticalEncoder::new(schema, layout)),
            Self::Parquet => Box::new(columnar::ParquetEncoder::new(&schema)?),
            Self::Arrow => Box::new(columnar::ArrowEncoder::new(&schema)?),
        })
    }
}

/// What a format may know of the place where its result is shown.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layout {
    /// What stands for NULL, if not what the format has for it.
    pub null: Option<String>,
    /// Columns of the screen that the result has to fit on.
    pub width: Option<usize>,
    /// Lines from which on the result goes to a pager, where it may be as wide as it likes.
    pub paged_from: Option<usize>,
    pub colours: bool,
}

/// Turns one result into bytes, batch by batch.
pub trait Encoder {
    /// Appends to `out` what can be written by now, which may be nothing.
    fn batch(&mut self, batch: &RecordBatch, out: &mut Vec<u8>) -> Result<()>;

    /// Appends the rest. Returns remarks for the person who reads the result, such as hidden columns.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<Vec<String>>;
}
