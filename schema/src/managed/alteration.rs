//! A change of what a table looks like.

use arrow::datatypes::DataType;

use super::shape::{CheckConstraint, SortField};
use crate::value::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum TableAlteration {
    AddColumn {
        column: NewColumn,
        if_not_exists: bool,
    },
    DropColumn {
        name: String,
        if_exists: bool,
    },
    RenameColumn {
        from: String,
        to: String,
    },
    /// `None` drops the default.
    SetDefault {
        column: String,
        default: Option<String>,
    },
    /// To NOT NULL only with a version of the table in which no row has NULL.
    SetNullable {
        column: String,
        nullable: bool,
    },
    /// Only with a version of the table in which it holds for every row.
    AddCheck(CheckConstraint),
    DropCheck {
        name: String,
        if_exists: bool,
    },
    /// For files that are written from now on.
    SetSortBy(Vec<SortField>),
    /// Name and value; a value of `None` is the default.
    SetProperties(Vec<(String, Option<String>)>),
}

/// A column whose id the catalog gives.
#[derive(Debug, Clone, PartialEq)]
pub struct NewColumn {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    pub default: Option<String>,
    pub initial: Option<Value>,
}
