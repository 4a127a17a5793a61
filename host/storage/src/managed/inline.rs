//! Few rows as they are kept in the catalog.

use std::sync::Arc;

use arrow::array::RecordBatch;
use nyala_schema::id::FileId;
use nyala_schema::managed::{DataFile, FileContent, InlineRows};
use nyala_schema::{Result, Value};

use super::bounds::bounds_of;
use super::lanes::{Lanes, rows_at};
use super::open_file::statistics_of;
use super::run::sorted_order;
use super::target::Target;

/// Rows of one piece, at most: as many as a row group has.
const PIECE_ROWS: usize = 122_880;

/// Rows by partition, each in the order of SORTED BY, in pieces.
///
/// # Errors
/// Those of Arrow's kernels.
pub fn inline_files(target: &Target, batches: Vec<RecordBatch>) -> Result<Vec<DataFile>> {
    let mut lanes = Lanes::new(&target.shape)?;
    if !batches.is_empty() {
        let batches = batches.iter().map(|batch| target.unpacked(batch)).collect::<Result<_>>()?;
        lanes.add(&target.shape, batches)?;
    }
    let mut files = Vec::new();
    for lane in lanes.take_all() {
        let order = sorted_order(&target.shape, &lane.batches)?;
        for places in order.chunks(PIECE_ROWS) {
            files.push(inline_file(target, &lane.partition, rows_at(&lane.batches, places)?)?);
        }
    }
    Ok(files)
}

fn inline_file(target: &Target, partition: &[Value], batch: RecordBatch) -> Result<DataFile> {
    let bounds = batch.columns().iter().map(bounds_of).collect::<Result<_>>()?;
    let rows = batch.num_rows() as u64;
    let columns = target.shape.columns.iter().map(|column| column.id).collect::<Arc<[_]>>();
    Ok(DataFile {
        id: FileId(0),
        added_in: 0,
        content: FileContent::Rows(InlineRows { columns, batch }),
        rows,
        partition: partition.to_vec(),
        statistics: statistics_of(target, bounds),
        deletions: None,
    })
}
