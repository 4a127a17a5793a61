//! Where the columns of a managed table's scan come from, and what is known of them before a file is opened.

use std::sync::Arc;

use nyala_schema::id::ColumnId;
use nyala_schema::managed::{DataFile, FileContent};
use nyala_schema::scan::{ManagedScan, TableScan};
use nyala_schema::{Error, Result};

use crate::column_cache::CachedColumn;
use crate::layout::{Constant, OutputColumn, output_columns};
use crate::parquet::file::ColumnSource;
use crate::parquet::footer::ParquetFooter;
use crate::prune::{Bound, Bounds};

/// Where an output column comes from.
#[derive(Debug, Clone)]
pub enum Origin {
    /// The table's column of this id; what rows of files without it have.
    Stored { id: ColumnId, initial: Constant },
    /// The id of the row's file.
    File,
    /// The position of the row in its file.
    Row,
}

/// The output columns of a scan.
pub struct ScanColumns {
    pub outputs: Arc<[OutputColumn]>,
    pub origins: Vec<Origin>,
    pub cached: Arc<[Option<CachedColumn>]>,
}

impl ScanColumns {
    /// # Errors
    /// Internal when the scan's columns do not fit its schema.
    pub fn new(scan: &TableScan, managed: &ManagedScan) -> Result<Self> {
        let outputs: Arc<[OutputColumn]> = output_columns(scan)?.into();
        let identity = if managed.row_identity { 2 } else { 0 };
        if managed.columns.len() + identity != scan.table_schema.fields().len() {
            let message = format!("the scan of {} does not know where all of its columns are", scan.table);
            return Err(Error::internal(message));
        }
        let origins =
            outputs.iter().map(|output| origin(output, managed)).collect::<Result<Vec<Origin>>>()?;
        let cached = origins.iter().zip(outputs.iter()).map(|(origin, output)| match origin {
            Origin::Stored { id, .. } => {
                Some(CachedColumn { column: id.0, physical: output.physical.clone() })
            }
            Origin::File | Origin::Row => None,
        });
        let cached = cached.collect();
        Ok(Self { outputs, origins, cached })
    }

    /// Where each output column is in a Parquet file.
    pub fn sources(&self, data: &DataFile, footer: &ParquetFooter) -> Vec<ColumnSource> {
        let source = |(origin, output): (&Origin, &OutputColumn)| match origin {
            Origin::Stored { id, initial } => match footer.find_id(*id) {
                Some(root) => ColumnSource::Stored { root, physical: output.physical.clone() },
                None => ColumnSource::Constant(initial.clone()),
            },
            Origin::File => ColumnSource::Constant(Constant::int64(file_number(data))),
            Origin::Row => ColumnSource::Position,
        };
        self.origins.iter().zip(self.outputs.iter()).map(source).collect()
    }

    /// What the catalog says of an output column in a file.
    pub fn bounds(&self, data: &DataFile, column: usize) -> Bounds {
        let rows = data.rows;
        let exact = |min: i128, max: i128| Bounds {
            min: Some(Bound::Int(min)),
            max: Some(Bound::Int(max)),
            nulls: Some(0),
            rows,
        };
        match self.origins.get(column) {
            Some(Origin::Stored { id, initial }) => match data.statistics.column(*id) {
                Some(known) => {
                    // In nested columns what is empty may count as NULL, too.
                    let is_nested = self.outputs.get(column).is_some_and(|it| it.logical.is_nested());
                    let nulls = Some(known.nulls).filter(|nulls| *nulls == 0 || !is_nested);
                    Bounds { min: known.min, max: known.max, nulls, rows }
                }
                None => match &data.content {
                    FileContent::Rows(inline) if !inline.columns.contains(id) => initial.bounds(rows),
                    FileContent::Rows(_) | FileContent::Parquet { .. } => {
                        Bounds { rows, ..Bounds::default() }
                    }
                },
            },
            Some(Origin::File) => exact(i128::from(data.id.0), i128::from(data.id.0)),
            Some(Origin::Row) => exact(0, i128::from(rows.saturating_sub(1))),
            None => Bounds::default(),
        }
    }
}

/// The id of a file as rows have it.
pub fn file_number(data: &DataFile) -> i64 {
    data.id.0 as i64
}

fn origin(output: &OutputColumn, managed: &ManagedScan) -> Result<Origin> {
    match managed.columns.get(output.table_index) {
        Some(column) => {
            let initial = match &column.initial {
                Some(value) => Constant::new(value, &output.physical)?,
                None => Constant::null(&output.physical),
            };
            Ok(Origin::Stored { id: column.id, initial })
        }
        None if output.table_index == managed.columns.len() => Ok(Origin::File),
        None => Ok(Origin::Row),
    }
}
