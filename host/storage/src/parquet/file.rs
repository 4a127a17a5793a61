//! One Parquet file as a scan sees it: where output columns come from, and what its footer says of their rows.

use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;
use nyala_schema::{Expr, Result};

use crate::file::FileHandle;
use crate::layout::{Constant, OutputColumn};
use crate::prune::{self, Bound, Bounds};
use crate::resolve::normalised_type;

use super::footer::ParquetFooter;
use super::pages::{ColumnPages, row_ranges};
use super::statistics::chunk_bounds;

/// Where an output column of one file comes from.
#[derive(Debug, Clone)]
pub enum ColumnSource {
    /// Not in the file: NULL, a partition's value, or what a column had before the file.
    Constant(Constant),
    /// The number of the row in the file, from 0.
    Position,
    Stored {
        /// Position among the file's columns.
        root: usize,
        /// As it is handed out.
        physical: DataType,
    },
}

pub struct ParquetFile {
    pub footer: Arc<ParquetFooter>,
    /// One for each output column.
    pub sources: Vec<ColumnSource>,
    pub columns: Arc<[OutputColumn]>,
}

impl ParquetFile {
    pub fn rows(&self, group: usize) -> usize {
        let metadata = self.footer.metadata.row_groups().get(group);
        metadata.map_or(0, |group| usize::try_from(group.num_rows()).unwrap_or(0))
    }

    /// The position of a row group's first row in the file.
    pub fn first_row(&self, group: usize) -> i64 {
        self.footer.metadata.row_groups().iter().take(group).map(|group| group.num_rows()).sum()
    }

    /// What the footer says of an output column in a row group.
    pub fn bounds(&self, group: usize, column: usize) -> Bounds {
        let rows = self.rows(group) as u64;
        match (self.sources.get(column), self.columns.get(column)) {
            (Some(ColumnSource::Stored { root, .. }), Some(wanted)) => {
                let data_type = self.footer.schema.field(*root).data_type();
                match self.footer.chunk(group, *root) {
                    Some(chunk) if same_order(&normalised_type(data_type), &wanted.logical) => {
                        chunk_bounds(chunk, data_type, rows)
                    }
                    _ => Bounds { rows, ..Bounds::default() },
                }
            }
            (Some(ColumnSource::Constant(constant)), _) => constant.bounds(rows),
            (Some(ColumnSource::Position), _) => {
                let first = i128::from(self.first_row(group));
                let last = first + i128::from(rows.saturating_sub(1));
                Bounds { min: Some(Bound::Int(first)), max: Some(Bound::Int(last)), nulls: Some(0), rows }
            }
            _ => Bounds::default(),
        }
    }

    /// The rows of a row group that the filters leave by its bounds and those of its pages. `open` gives the file when
    /// the page index has not been read.
    pub fn row_ranges(
        &self,
        group: usize,
        filters: &[Expr],
        open: &dyn Fn() -> Result<FileHandle>,
    ) -> Vec<Range<usize>> {
        let rows = self.rows(group);
        let whole = || std::iter::once(0..rows).collect();
        if filters.is_empty() {
            return whole();
        }
        let bounds = |column: usize| self.bounds(group, column);
        if !prune::may_pass(filters, &bounds) {
            return Vec::new();
        }
        let Some(indexed) = self.footer.page_index(open) else { return whole() };
        let pages = |column: usize| {
            let Some(ColumnSource::Stored { root, .. }) = self.sources.get(column) else { return None };
            let data_type = self.footer.schema.field(*root).data_type();
            if !same_order(&normalised_type(data_type), &self.columns.get(column)?.logical) {
                return None;
            }
            ColumnPages::find(indexed, group, (*self.footer.leaves.get(*root)?)?, data_type)
        };
        row_ranges(filters, rows, &pages, &bounds)
    }
}

/// Whether bounds of the stored type mean the same for the table's type.
fn same_order(stored: &DataType, wanted: &DataType) -> bool {
    match (stored, wanted) {
        (DataType::Decimal128(_, s), DataType::Decimal128(_, t)) => s == t,
        (stored, wanted) => {
            stored == wanted
                || stored.is_signed_integer() && wanted.is_signed_integer()
                || stored.is_unsigned_integer() && wanted.is_unsigned_integer()
                || stored.is_floating() && wanted.is_floating()
        }
    }
}
