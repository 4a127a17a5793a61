//! The rows of a reader that have not been deleted.

use std::sync::Arc;

use arrow::array::ArrayRef;
use nyala_schema::Result;
use roaring::RoaringBitmap;

use crate::row_reader::RowReader;
use crate::scanner::MorselReader;

pub struct LiveRows {
    rows: RowReader,
    deleted: Arc<RoaringBitmap>,
    /// What `deleted` calls the reader's row 0.
    first: u64,
    /// The rows of the batch that are there; `None` when all are.
    live: Option<Vec<u32>>,
}

impl LiveRows {
    pub fn new(rows: RowReader, deleted: Arc<RoaringBitmap>, first: u64) -> Self {
        Self { rows, deleted, first, live: None }
    }
}

/// How many of `count` rows from `start` on are deleted.
pub fn deleted_among(deleted: &RoaringBitmap, start: u64, count: u64) -> u64 {
    let limit = u64::from(u32::MAX) + 1;
    let (start, end) = (start.min(limit), (start + count).min(limit));
    if start >= end {
        return 0;
    }
    deleted.range_cardinality(start as u32..=(end - 1) as u32)
}

/// Of `count` rows from `start` on those that are not deleted, counted from `start`.
fn live_among(deleted: &RoaringBitmap, start: u64, count: usize) -> Vec<u32> {
    let mut live = Vec::with_capacity(count);
    let mut next = 0;
    let first = u32::try_from(start).unwrap_or(u32::MAX);
    for position in deleted.range(first..) {
        let row = u64::from(position) - u64::from(first);
        if row >= count as u64 {
            break;
        }
        live.extend(next..row as u32);
        next = row as u32 + 1;
    }
    live.extend(next..count as u32);
    live
}

impl MorselReader for LiveRows {
    fn next_batch(&mut self, rows_max: usize) -> Result<usize> {
        loop {
            let rows = self.rows.next_batch(rows_max)?;
            let start = self.first + self.rows.batch_start() as u64;
            let deleted = deleted_among(&self.deleted, start, rows as u64);
            if deleted == 0 {
                self.live = None;
                return Ok(rows);
            }
            if deleted < rows as u64 {
                let live = live_among(&self.deleted, start, rows);
                return Ok(self.live.insert(live).len());
            }
        }
    }

    fn column(&mut self, index: usize) -> Result<ArrayRef> {
        match &self.live {
            None => self.rows.column(index),
            Some(live) => self.rows.column_selected(index, live),
        }
    }

    fn column_selected(&mut self, index: usize, selection: &[u32]) -> Result<ArrayRef> {
        match &self.live {
            None => self.rows.column_selected(index, selection),
            Some(live) => {
                let selected: Option<Vec<u32>> =
                    selection.iter().map(|&row| live.get(row as usize).copied()).collect();
                let selected = selected
                    .ok_or_else(|| nyala_schema::Error::internal("a selection reaches past its batch"))?;
                self.rows.column_selected(index, &selected)
            }
        }
    }
}
