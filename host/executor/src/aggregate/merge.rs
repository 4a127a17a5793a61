//! Putting the groups of several workers together, a partition of them at a time.

use arrow::array::{ArrayRef, UInt32Array};
use nyala_pipeline::Library;
use nyala_pipeline::state::AggregateSpec;
use nyala_schema::{Error, Result};

use crate::aggregate::combine::Combiner;
use crate::aggregate::finish::CompleteTable;
use crate::aggregate::groups::Groups;
use crate::aggregate::integer::{Direct, IntegerKeys};
use crate::aggregate::records::Records;
use crate::aggregate::sink::{WorkerTable, accumulators};
use crate::state::data_types;

/// So many groups are merged by one job.
const PARTITION_GROUPS: usize = 16_384;
const PARTITION_BITS_MAX: u32 = 9;
/// Room that is made before it is known how many groups the parts have in common.
const RESERVE_MAX: usize = 65_536;

/// One worker's groups, ready to be read by all merging jobs.
pub(crate) struct Part {
    keys: Option<Groups>,
    records: Records,
    /// For each aggregate of the library the columns of its states.
    states: Vec<Vec<ArrayRef>>,
    /// Groups by partition of their hash; empty when partitions are ranges of keys.
    partitions: Partitions,
}

/// Group numbers, those of each partition together.
#[derive(Default)]
struct Partitions {
    groups: Vec<u32>,
    /// Where each partition ends.
    ends: Vec<usize>,
}

impl Partitions {
    fn one(groups: usize) -> Self {
        Self { groups: (0..groups as u32).collect(), ends: vec![groups] }
    }

    /// By the highest bits of the hashes.
    fn of(hashes: &[u64], bits: u32) -> Self {
        let partition = |hash: u64| (hash >> (u64::BITS - bits)) as usize;
        let mut ends = vec![0usize; 1 << bits];
        hashes.iter().for_each(|&hash| ends[partition(hash)] += 1);
        let mut begin = 0;
        for end in &mut ends {
            let count = *end;
            *end = begin;
            begin += count;
        }
        let mut groups = vec![0u32; hashes.len()];
        for (group, &hash) in hashes.iter().enumerate() {
            let place = &mut ends[partition(hash)];
            groups[*place] = group as u32;
            *place += 1;
        }
        Self { groups, ends }
    }

    fn get(&self, number: usize) -> &[u32] {
        let begin = if number == 0 { 0 } else { self.ends[number - 1] };
        &self.groups[begin..self.ends[number]]
    }
}

/// How the groups are split.
#[derive(Clone, Copy)]
pub(crate) enum Split {
    Hash {
        bits: u32,
    },
    /// Integer keys that lie close together: by value, `width` values to a partition.
    Range {
        min: i128,
        width: u64,
        count: usize,
    },
}

impl Split {
    pub(crate) fn of(tables: &[WorkerTable]) -> Self {
        let groups: usize = tables.iter().map(WorkerTable::len).sum();
        let bits = match groups {
            few if few < PARTITION_GROUPS => 0,
            many => {
                many.div_ceil(PARTITION_GROUPS).next_power_of_two().trailing_zeros().min(PARTITION_BITS_MAX)
            }
        };
        if bits == 0 {
            return Self::Hash { bits };
        }
        let bounds = tables.iter().map(|table| match &table.keys {
            Some(Groups::Integer(keys)) => keys.bounds(),
            _ => None,
        });
        let Some(bounds) = bounds.collect::<Option<Vec<_>>>() else { return Self::Hash { bits } };
        let min = bounds.iter().map(|(min, _)| *min).min().unwrap_or(0);
        let end = bounds.iter().map(|(_, max)| *max + 1).max().unwrap_or(0);
        let values = (end - min).max(1) as u64;
        let count = 1usize << bits;
        Self::Range { min, width: values.div_ceil(count as u64), count }
    }

    pub(crate) fn partitions(self) -> usize {
        match self {
            Self::Hash { bits } => 1 << bits,
            Self::Range { count, .. } => count,
        }
    }
}

impl Part {
    /// # Errors
    /// Those of the library.
    pub(crate) fn new(mut table: WorkerTable, split: Split) -> Result<Self> {
        let states = table.accumulators.iter_mut().map(|a| a.take_states()).collect::<Result<Vec<_>>>()?;
        let partitions = match (split, &table.keys) {
            (Split::Range { .. }, _) => Partitions::default(),
            (Split::Hash { .. }, None) => Partitions::one(1),
            (Split::Hash { bits: 0 }, Some(keys)) => Partitions::one(keys.len()),
            (Split::Hash { bits }, Some(keys)) => Partitions::of(&keys.hashes(), bits),
        };
        Ok(Self { keys: table.keys, records: table.records, states, partitions })
    }

    fn direct(&self) -> Result<(&Direct, Option<u32>)> {
        match &self.keys {
            Some(Groups::Integer(keys)) => keys.direct(),
            _ => None,
        }
        .ok_or_else(|| Error::internal("groups split by a range they do not have"))
    }
}

/// For each part its groups in the partition, and what they are in the merged table.
struct Mapping {
    keys: Option<Groups>,
    groups: Vec<(Vec<u32>, Vec<u32>)>,
}

/// Merges partition `number` of all parts.
///
/// # Errors
/// NumericOverflow; those of the library.
pub(crate) fn merge(
    spec: &AggregateSpec,
    library: &dyn Library,
    parts: &[Part],
    split: Split,
    number: usize,
) -> Result<CompleteTable> {
    let mapping = match split {
        Split::Hash { .. } => map_by_hash(spec, parts, number)?,
        Split::Range { min, width, .. } => {
            map_by_range(parts, min + number as i128 * width as i128, width, number)?
        }
    };
    let count = mapping.keys.as_ref().map_or(1, Groups::len);
    let mut records = Records::new(&spec.initial)?;
    let combiners = spec.fields.iter().map(Combiner::new).collect::<Result<Vec<_>>>()?;
    let mut seen = 0;
    for (part, (from, into)) in parts.iter().zip(&mapping.groups) {
        for (&from, &into) in from.iter().zip(into) {
            // Groups are numbered in the order in which they are first seen.
            if into == seen {
                records.push(&part.records, from);
                seen += 1;
                continue;
            }
            let source = part.records.record(from);
            let target = records.record_mut(into);
            combiners.iter().try_for_each(|combiner| combiner.combine(target, source))?;
        }
    }
    let mut merged = accumulators(spec, library)?;
    for (part, (from, into)) in parts.iter().zip(&mapping.groups) {
        if merged.is_empty() || from.is_empty() {
            continue;
        }
        let from = UInt32Array::from(from.clone());
        for (accumulator, states) in merged.iter_mut().zip(&part.states) {
            let states: Vec<ArrayRef> =
                states.iter().map(|s| arrow::compute::take(s, &from, None)).collect::<Result<_, _>>()?;
            accumulator.merge(&states, into, count)?;
        }
    }
    let library = merged.iter_mut().map(|accumulator| accumulator.finish()).collect::<Result<Vec<_>>>()?;
    Ok(CompleteTable { keys: mapping.keys, records, library })
}

fn map_by_hash(spec: &AggregateSpec, parts: &[Part], number: usize) -> Result<Mapping> {
    let mut keys = match spec.key_types.as_slice() {
        [] => None,
        types => Some(Groups::new(&data_types(types))?),
    };
    let most: usize = parts.iter().map(|part| part.partitions.get(number).len()).sum();
    if let Some(keys) = &mut keys {
        keys.reserve(most.min(RESERVE_MAX));
    }
    let groups = parts.iter().map(|part| {
        let from = part.partitions.get(number).to_vec();
        let mut into = Vec::with_capacity(from.len());
        match (&mut keys, &part.keys) {
            (Some(keys), Some(part_keys)) => keys.merge(part_keys, &from, &mut into)?,
            _ => into.resize(from.len(), 0),
        }
        Ok((from, into))
    });
    let groups = groups.collect::<Result<Vec<_>>>()?;
    Ok(Mapping { keys, groups })
}

fn map_by_range(parts: &[Part], low: i128, width: u64, number: usize) -> Result<Mapping> {
    let mut merged = vec![0u32; width as usize];
    let mut keys: Vec<u64> = Vec::new();
    let mut null_group = None;
    let mut groups = Vec::with_capacity(parts.len());
    for part in parts {
        let (direct, part_null) = part.direct()?;
        let (mut from, mut into) = (Vec::new(), Vec::new());
        let begin = (low - direct.min).clamp(0, direct.groups.len() as i128) as usize;
        let end = (low + i128::from(width) - direct.min).clamp(0, direct.groups.len() as i128) as usize;
        for (index, &group) in direct.groups[begin..end].iter().enumerate() {
            if group == 0 {
                continue;
            }
            let value = direct.min + (begin + index) as i128;
            let place = &mut merged[(value - low) as usize];
            if *place == 0 {
                keys.push(value as u64);
                *place = keys.len() as u32;
            }
            from.push(group - 1);
            into.push(*place - 1);
        }
        if let (0, Some(group)) = (number, part_null) {
            let place = *null_group.get_or_insert_with(|| {
                keys.push(0);
                keys.len() as u32 - 1
            });
            from.push(group);
            into.push(place);
        }
        groups.push((from, into));
    }
    Ok(Mapping { keys: Some(Groups::Integer(IntegerKeys::of_keys(keys, null_group))), groups })
}
