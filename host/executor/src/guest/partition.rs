//! Partitions of several sorted inputs: rows with equal keys, wherever they come from.

use std::cmp::Ordering;
use std::ops::Range;

use arrow::array::{ArrayRef, UInt32Array};
use nyala_pipeline::state::{GuestInputSpec, SortColumn};
use nyala_schema::Result;

use crate::sort::{KeyEncoder, SortKeys};

/// For every input a range of its sorted rows, empty where it has none of the key.
pub(crate) type Partition = Vec<Range<usize>>;

/// A sorted input.
pub(crate) struct Sorted<'a> {
    pub(crate) spec: &'a GuestInputSpec,
    /// All columns kept.
    pub(crate) columns: Vec<ArrayRef>,
    pub(crate) rows: usize,
    pub(crate) order: UInt32Array,
}

/// The ranges of an input that is partitioned, with their keys.
struct Keyed<'a> {
    input: usize,
    keys: SortKeys,
    order: &'a [u32],
    ranges: Vec<Range<usize>>,
    next: usize,
}

/// All partitions in the order of their keys. An input that is not partitioned goes whole with each; when none is,
/// there is one partition, even of no rows.
pub(crate) fn partitions(inputs: &[Sorted<'_>]) -> Result<Vec<Partition>> {
    let whole: Partition = inputs.iter().map(|input| Range { start: 0, end: input.order.len() }).collect();
    let mut keyed = inputs
        .iter()
        .enumerate()
        .filter(|(_, input)| !input.spec.partition_by.is_empty())
        .map(|(index, input)| Keyed::new(index, input))
        .collect::<Result<Vec<_>>>()?;
    if keyed.is_empty() {
        return Ok(vec![whole]);
    }
    let mut partitions = vec![];
    loop {
        let heads = keyed.iter().filter(|input| input.head().is_some());
        let Some(least) = heads.min_by(|left, right| left.compare(right)) else { return Ok(partitions) };
        let equal: Vec<bool> = keyed
            .iter()
            .map(|input| input.head().is_some() && input.compare(least) == Ordering::Equal)
            .collect();
        let mut partition = whole.clone();
        for (input, is_equal) in keyed.iter_mut().zip(equal) {
            partition[input.input] = input.take(is_equal);
        }
        partitions.push(partition);
    }
}

impl<'a> Keyed<'a> {
    fn new(index: usize, input: &'a Sorted<'_>) -> Result<Self> {
        let columns: Vec<ArrayRef> =
            input.spec.partition_by.iter().map(|&index| input.columns[index].clone()).collect();
        let types: Vec<_> =
            input.spec.partition_by.iter().map(|&index| input.spec.types[index].data_type.clone()).collect();
        let sort = vec![SortColumn { index: 0, descending: false, nulls_first: true }; columns.len()];
        let keys = KeyEncoder::new(&types, &sort)?.encode(&columns, input.rows)?;
        let order: &[u32] = input.order.values();
        let mut ranges = Vec::new();
        let mut start = 0;
        for row in 1..=order.len() {
            if row == order.len() || keys.compare(order[row - 1], &keys, order[row]).is_ne() {
                ranges.push(start..row);
                start = row;
            }
        }
        Ok(Self { input: index, keys, order, ranges, next: 0 })
    }

    /// The first row of the next range.
    fn head(&self) -> Option<u32> {
        self.ranges.get(self.next).map(|range| self.order[range.start])
    }

    fn compare(&self, other: &Self) -> Ordering {
        match (self.head(), other.head()) {
            (Some(row), Some(other_row)) => self.keys.compare(row, &other.keys, other_row),
            (left, right) => right.is_some().cmp(&left.is_some()),
        }
    }

    /// The next range, or an empty one before it.
    fn take(&mut self, is_equal: bool) -> Range<usize> {
        let next = self.ranges.get(self.next).cloned();
        match next {
            Some(range) if is_equal => {
                self.next += 1;
                range
            }
            Some(range) => range.start..range.start,
            None => self.order.len()..self.order.len(),
        }
    }
}

/// Consecutive partitions for each job, with together at least so many rows.
pub(crate) fn job_groups(partitions: Vec<Partition>, rows_min: usize) -> Vec<Vec<Partition>> {
    let mut groups: Vec<Vec<Partition>> = Vec::new();
    let mut room = 0;
    for partition in partitions {
        if room == 0 {
            groups.push(Vec::new());
            room = rows_min;
        }
        let rows: usize = partition.iter().map(Range::len).sum();
        room = room.saturating_sub(rows.max(1));
        if let Some(group) = groups.last_mut() {
            group.push(partition);
        }
    }
    groups
}
