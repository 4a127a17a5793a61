//! The order of kept rows: runs sorted side by side, then merged.

use std::cmp::{Ordering, Reverse};
use std::collections::binary_heap::{BinaryHeap, PeekMut};
use std::sync::{Arc, Mutex};

use arrow::array::{Array, UInt32Array};
use nyala_pipeline::state::SortColumn;
use nyala_schema::{Error, Result};

use crate::keep::Kept;
use crate::lock::lock;
use crate::sort::keys::{KeyEncoder, SortKeys};
use crate::state::Stage;

/// Runs of fewer rows are not worth a job of their own.
const RUN_ROWS_MIN: usize = 16_384;

pub(crate) struct Sorter {
    pub(crate) kept: Arc<Kept>,
    keys: Vec<SortColumn>,
    fetch: usize,
    runs: Mutex<Vec<Option<Run>>>,
    order: Mutex<Option<UInt32Array>>,
}

/// Some consecutive rows, in order.
struct Run {
    first: u32,
    /// Arranged in this order.
    keys: SortKeys,
    order: Vec<u32>,
}

impl Sorter {
    pub(crate) fn new(kept: Arc<Kept>, keys: Vec<SortColumn>, fetch: usize) -> Arc<Self> {
        Arc::new(Self { kept, keys, fetch, runs: Mutex::default(), order: Mutex::default() })
    }

    /// The jobs of stage `number`: columns put together, runs sorted, runs merged; none when the order is there.
    pub(crate) fn stage(self: &Arc<Self>, threads: usize, number: usize) -> Stage {
        match number {
            0 if self.kept.column_count() > 0 => self.kept.concat_stage(),
            0 | 1 if lock(&self.runs).is_empty() && self.kept.rows() > 0 => self.run_stage(threads),
            _ if lock(&self.order).is_none() => {
                let this = self.clone();
                vec![Box::new(move || this.merge())]
            }
            _ => vec![],
        }
    }

    fn run_stage(self: &Arc<Self>, threads: usize) -> Stage {
        let rows = self.kept.rows();
        let length = rows.div_ceil(threads.max(1)).max(RUN_ROWS_MIN);
        let starts: Vec<usize> = (0..rows).step_by(length).collect();
        *lock(&self.runs) = starts.iter().map(|_| None).collect();
        let job = |(index, first): (usize, usize)| {
            let this = self.clone();
            Box::new(move || this.sort_run(index, first, length.min(rows - first)))
                as Box<dyn FnOnce() -> Result<()> + Send>
        };
        starts.into_iter().enumerate().map(job).collect()
    }

    fn sort_run(&self, index: usize, first: usize, rows: usize) -> Result<()> {
        let columns = self.kept.columns()?;
        let columns: Vec<_> = self.keys.iter().map(|key| columns[key.index].slice(first, rows)).collect();
        let types: Vec<_> = columns.iter().map(|column| column.data_type().clone()).collect();
        let keys = KeyEncoder::new(&types, &self.keys)?.encode(&columns, rows)?;
        let order = if self.keys.is_empty() {
            (0..rows.min(self.fetch) as u32).collect()
        } else {
            keys.order(self.fetch)
        };
        let keys = keys.arranged(&order);
        lock(&self.runs)[index] = Some(Run { first: first as u32, keys, order });
        Ok(())
    }

    fn merge(&self) -> Result<()> {
        let runs: Option<Vec<Run>> = std::mem::take(&mut *lock(&self.runs)).into_iter().collect();
        let runs = runs.ok_or_else(|| Error::internal("a run was not sorted"))?;
        let order = match runs.as_slice() {
            [one] if one.first == 0 => one.order.clone(),
            runs => merge_runs(runs, self.fetch),
        };
        *lock(&self.order) = Some(order.into());
        Ok(())
    }

    /// Row numbers of the kept rows, in order.
    ///
    /// # Errors
    /// Internal before the last stage.
    pub(crate) fn order(&self) -> Result<UInt32Array> {
        lock(&self.order)
            .clone()
            .ok_or_else(|| Error::internal("sorted rows are read before they are complete"))
    }

    pub(crate) fn release(&self) {
        lock(&self.runs).clear();
        *lock(&self.order) = None;
        self.kept.release();
    }
}

/// The next row of a run.
struct Head<'a> {
    run: &'a Run,
    at: usize,
}

impl Ord for Head<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        let order = match (&self.run.keys, &other.run.keys) {
            (SortKeys::Fixed(left), SortKeys::Fixed(right)) => left[self.at].cmp(&right[other.at]),
            (left, right) => left.compare(self.run.order[self.at], right, other.run.order[other.at]),
        };
        order.then(self.run.first.cmp(&other.run.first))
    }
}

impl PartialOrd for Head<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head<'_> {}

fn merge_runs(runs: &[Run], fetch: usize) -> Vec<u32> {
    let total: usize = runs.iter().map(|run| run.order.len()).sum();
    let wanted = total.min(fetch);
    let mut order = Vec::with_capacity(wanted);
    let heads = runs.iter().filter(|run| !run.order.is_empty()).map(|run| Head { run, at: 0 });
    let mut heads: Vec<Head<'_>> = heads.collect();
    if let [left, right] = heads.as_mut_slice() {
        merge_two(left, right, wanted, &mut order);
        return order;
    }
    let mut heads: BinaryHeap<Reverse<Head<'_>>> = heads.into_iter().map(Reverse).collect();
    while order.len() < wanted
        && let Some(mut least) = heads.peek_mut()
    {
        let head = &mut least.0;
        order.push(head.next());
        if head.at == head.run.order.len() {
            PeekMut::pop(least);
        }
    }
    order
}

fn merge_two(left: &mut Head<'_>, right: &mut Head<'_>, wanted: usize, order: &mut Vec<u32>) {
    while order.len() < wanted {
        let is_left = match (left.at < left.run.order.len(), right.at < right.run.order.len()) {
            (true, true) => *left < *right,
            (is_left, _) => is_left,
        };
        order.push(if is_left { left.next() } else { right.next() });
    }
}

impl Head<'_> {
    fn next(&mut self) -> u32 {
        let row = self.run.first + self.run.order[self.at];
        self.at += 1;
        row
    }
}
