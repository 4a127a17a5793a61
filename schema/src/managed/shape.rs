//! What a managed table looks like at one time.

use std::fmt;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::id::ColumnId;
use crate::value::Value;

/// Columns, constraints, partitioning and order.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TableShape {
    pub columns: Vec<TableColumn>,
    pub checks: Vec<CheckConstraint>,
    pub partition_by: Vec<PartitionField>,
    /// Rows of one file are in this order.
    pub sort_by: Vec<SortField>,
    /// The id of the next column that is added.
    pub next_column: u32,
}

#[derive(Debug, Clone, PartialEq)]
pub struct TableColumn {
    /// Never changes and is never given again: files name columns by it, so that a rename rewrites nothing.
    pub id: ColumnId,
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// SQL without columns: what INSERT takes when it leaves the column out.
    pub default: Option<String>,
    /// What rows have that were written before the column was added; NULL when there is none.
    pub initial: Option<Value>,
}

/// Holds for a row unless `sql` is false for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CheckConstraint {
    pub name: String,
    pub sql: String,
}

/// A file holds rows of one value of this only.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct PartitionField {
    pub column: ColumnId,
    pub transform: Transform,
}

/// What a partition is made of. NULL stays NULL. `Year` to `Hour` count from 1970, as `Int32`; `Bucket` is `Int32`;
/// `Truncate` has the column's type.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Transform {
    Identity,
    Year,
    Month,
    Day,
    Hour,
    /// A hash of the value, modulo this.
    Bucket(u32),
    /// Integers down to a multiple of this; text to this many characters.
    Truncate(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SortField {
    pub column: ColumnId,
    pub descending: bool,
    pub nulls_first: bool,
}

impl TableShape {
    /// The columns as Arrow has them, in order.
    pub fn schema(&self) -> SchemaRef {
        let field =
            |column: &TableColumn| Field::new(&column.name, column.data_type.clone(), column.nullable);
        Arc::new(Schema::new(self.columns.iter().map(field).collect::<Vec<_>>()))
    }

    pub fn column(&self, name: &str) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn column_by_id(&self, id: ColumnId) -> Option<&TableColumn> {
        self.columns.iter().find(|column| column.id == id)
    }

    pub fn position(&self, id: ColumnId) -> Option<usize> {
        self.columns.iter().position(|column| column.id == id)
    }
}

impl Transform {
    /// The type of what a partition is made of.
    pub fn result_type(self, column: &DataType) -> DataType {
        match self {
            Self::Identity | Self::Truncate(_) => column.clone(),
            Self::Year | Self::Month | Self::Day | Self::Hour | Self::Bucket(_) => DataType::Int32,
        }
    }

    /// As in PARTITIONED BY.
    pub fn to_sql(self, column: &str) -> String {
        match self {
            Self::Identity => column.to_owned(),
            Self::Year => format!("year({column})"),
            Self::Month => format!("month({column})"),
            Self::Day => format!("day({column})"),
            Self::Hour => format!("hour({column})"),
            Self::Bucket(count) => format!("bucket({count}, {column})"),
            Self::Truncate(width) => format!("truncate({width}, {column})"),
        }
    }
}

/// In plans.
impl fmt::Display for PartitionField {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.transform.to_sql(&self.column.to_string()))
    }
}
