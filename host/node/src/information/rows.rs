//! Rows that are made of the catalog, as a table to scan.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Float64Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{DataType, Field, Schema, TimeUnit};
use nyala_catalog::Snapshot;
use nyala_frontend::FunctionInfo;
use nyala_schema::Result;
use nyala_schema::id::{ColumnId, FileId, TableId};
use nyala_schema::lookup::{ResolvedTable, TableContent};
use nyala_schema::managed::{DataFile, FileContent, FileList, FileStatistics, InlineRows};
use nyala_schema::scan::{ManagedScan, ScanColumn, ScanSource};
use nyala_schema::statistics::{ColumnStatistics, TableStatistics};

use crate::engine::Engine;

/// What rows are made of.
pub struct Source<'a> {
    pub snapshot: &'a Snapshot,
    pub builtin_functions: &'a dyn Fn() -> Vec<FunctionInfo>,
    /// For what is not in the catalog.
    pub engine: &'a Engine,
}

pub struct MadeTable {
    pub name: &'static str,
    pub columns: &'static [(&'static str, Kind)],
    pub rows: fn(&Source<'_>) -> Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Text,
    Number,
    Real,
    Flag,
    Time,
}

pub enum Cell {
    Null,
    Text(String),
    Number(i64),
    Real(f64),
    Flag(bool),
    /// Milliseconds since 1970.
    Time(i64),
}

impl Cell {
    pub fn text(text: impl Into<String>) -> Self {
        Self::Text(text.into())
    }

    /// Counts of what is kept fit by far.
    pub fn number(number: impl TryInto<i64>) -> Self {
        number.try_into().map_or(Self::Null, Self::Number)
    }

    pub fn maybe(text: Option<impl Into<String>>) -> Self {
        text.map_or(Self::Null, Self::text)
    }

    /// As the standard says it.
    pub fn yes_no(yes: bool) -> Self {
        Self::text(if yes { "YES" } else { "NO" })
    }
}

impl MadeTable {
    pub fn resolve(&self, name: &str, source: &Source<'_>) -> Result<ResolvedTable> {
        let rows = (self.rows)(source);
        let fields = self.columns.iter().map(|(name, kind)| Field::new(*name, kind.data_type(), true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let columns = self.columns.iter().enumerate().map(|(at, (_, kind))| kind.column(&rows, at));
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns.collect())?;
        let statistics = TableStatistics {
            rows: Some(rows.len() as f64),
            bytes: None,
            columns: vec![ColumnStatistics::default(); self.columns.len()],
        };
        let source = ScanSource::Managed(scan(batch));
        let content = TableContent::Data { source, statistics: Arc::new(statistics) };
        Ok(ResolvedTable { name: name.to_owned(), schema, content })
    }
}

fn scan(batch: RecordBatch) -> ManagedScan {
    let ids: Vec<ColumnId> =
        (0..batch.num_columns()).filter_map(|at| u32::try_from(at).ok()).map(ColumnId).collect();
    let columns = ids.iter().map(|id| ScanColumn { id: *id, initial: None }).collect();
    let rows = batch.num_rows() as u64;
    let file = DataFile {
        id: FileId(1),
        added_in: 1,
        content: FileContent::Rows(InlineRows { columns: ids.into(), batch }),
        rows,
        partition: Vec::new(),
        statistics: FileStatistics::default(),
        deletions: None,
    };
    let files: FileList = (rows > 0).then(|| Arc::new(file)).into_iter().collect();
    ManagedScan { table: TableId(0), columns, files, row_identity: false }
}

impl Kind {
    fn data_type(self) -> DataType {
        match self {
            Self::Text => DataType::Utf8,
            Self::Number => DataType::Int64,
            Self::Real => DataType::Float64,
            Self::Flag => DataType::Boolean,
            Self::Time => DataType::Timestamp(TimeUnit::Microsecond, None),
        }
    }

    /// A cell of another kind is NULL.
    fn column(self, rows: &[Vec<Cell>], at: usize) -> ArrayRef {
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Null));
        match self {
            Self::Text => Arc::new(StringArray::from_iter(cells.map(|cell| match cell {
                Cell::Text(text) => Some(text.as_str()),
                _ => None,
            }))),
            Self::Number => Arc::new(Int64Array::from_iter(cells.map(|cell| match cell {
                Cell::Number(number) => Some(*number),
                _ => None,
            }))),
            Self::Real => Arc::new(Float64Array::from_iter(cells.map(|cell| match cell {
                Cell::Real(number) => Some(*number),
                _ => None,
            }))),
            Self::Flag => Arc::new(BooleanArray::from_iter(cells.map(|cell| match cell {
                Cell::Flag(flag) => Some(*flag),
                _ => None,
            }))),
            Self::Time => Arc::new(TimestampMicrosecondArray::from_iter(cells.map(|cell| match cell {
                Cell::Time(at_ms) => Some(at_ms.saturating_mul(1000)),
                _ => None,
            }))),
        }
    }
}
