//! Reading rows that are kept in the catalog: those of several files are read as one morsel.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use nyala_schema::managed::{DataFile, FileContent, InlineRows};
use nyala_schema::{Error, Result};
use roaring::RoaringBitmap;

use super::scan_columns::{Origin, ScanColumns, file_number};
use crate::layout::{Constant, conform, plain};
use crate::row_reader::{Column, OpenColumns, Wanted};

/// Some rows of one file.
#[derive(Clone)]
pub struct InlinePart {
    pub data: Arc<DataFile>,
    pub rows: Range<usize>,
}

/// The columns of parts that are read one after the other as if they were one.
pub struct InlineColumns {
    pub columns: Arc<ScanColumns>,
    pub parts: Arc<[InlinePart]>,
}

impl InlinePart {
    fn inline(&self) -> Result<&InlineRows> {
        match &self.data.content {
            FileContent::Rows(inline) => Ok(inline),
            FileContent::Parquet { path, .. } => {
                Err(Error::internal(format!("the rows of '{path}' are not in the catalog")))
            }
        }
    }

    /// The part's rows of an output column; `None` when its file lacks the column.
    fn stored(&self, id: nyala_schema::id::ColumnId) -> Result<Option<ArrayRef>> {
        let inline = self.inline()?;
        let Some(position) = inline.columns.iter().position(|column| *column == id) else { return Ok(None) };
        let column = inline.batch.columns().get(position).filter(|column| self.rows.end <= column.len());
        let column = column
            .ok_or_else(|| Error::internal(format!("file {} lacks inline rows of {id}", self.data.id.0)))?;
        Ok(Some(column.slice(self.rows.start, self.rows.len())))
    }
}

impl OpenColumns for InlineColumns {
    fn open(&mut self, index: usize, _: Wanted) -> Result<Column> {
        let (origin, output) = self
            .columns
            .origins
            .get(index)
            .zip(self.columns.outputs.get(index))
            .ok_or_else(|| Error::internal(format!("a scan has no output column {index}")))?;
        match (origin, self.parts.as_ref()) {
            (Origin::Stored { id, initial }, [part]) => Ok(match part.stored(*id)? {
                Some(column) => Column::Whole(conform(column, &output.physical)?),
                None => Column::Constant(initial.clone()),
            }),
            (Origin::File, [part]) => Ok(Column::Constant(Constant::int64(file_number(&part.data)))),
            (Origin::Row, [part]) => Ok(Column::Positions(part.rows.start as i64)),
            (Origin::Stored { id, initial }, parts) => {
                let column = |part: &InlinePart| match part.stored(*id)? {
                    Some(column) => plain(column, &output.physical),
                    None => plain(initial.repeat(part.rows.len())?, &output.physical),
                };
                let columns = parts.iter().map(column).collect::<Result<Vec<_>>>()?;
                let columns: Vec<&dyn Array> = columns.iter().map(AsRef::as_ref).collect();
                Ok(Column::Whole(arrow::compute::concat(&columns)?))
            }
            (Origin::File, parts) => Ok(numbers(
                parts.iter().flat_map(|part| std::iter::repeat_n(file_number(&part.data), part.rows.len())),
            )),
            (Origin::Row, parts) => {
                Ok(numbers(parts.iter().flat_map(|part| part.rows.clone().map(|row| row as i64))))
            }
        }
    }
}

fn numbers(numbers: impl Iterator<Item = i64>) -> Column {
    Column::Whole(Arc::new(numbers.collect::<Int64Array>()))
}

/// The deleted rows of parts, counted over all of them; `None` when there are none. `deleted` gives those of a file.
///
/// # Errors
/// Those of `deleted`.
pub fn deleted_of_parts(
    parts: &[InlinePart],
    deleted: impl Fn(&DataFile) -> Result<Option<Arc<RoaringBitmap>>>,
) -> Result<Option<RoaringBitmap>> {
    let mut all = RoaringBitmap::new();
    let mut before = 0;
    for part in parts {
        if let Some(deleted) = deleted(&part.data)? {
            let rows = part.rows.start as u32..part.rows.end as u32;
            all.extend(deleted.range(rows).map(|row| row - part.rows.start as u32 + before));
        }
        before += part.rows.len() as u32;
    }
    Ok((!all.is_empty()).then_some(all))
}
