//! Looking the rows of chunks up in a join's table.

use std::sync::Arc;

use arrow::array::UInt32Array;
use arrow::buffer::NullBuffer;
use nyala_pipeline::pipeline::Probe;
use nyala_schema::Result;
use nyala_schema::operator::JoinKind;

use crate::column::Chunk;
use crate::join::{JoinTable, ProbeKeys, Ranges};
use crate::step::cursor::Cursor;
use crate::step::pairing::{Pairing, PairingPlan, note_build_rows};
use crate::step::{StepContext, StepWorker};

/// Pairs of a chunk that come out at once.
const PAIRS_MIN: usize = 4096;

pub(crate) struct ProbeStep {
    table: Arc<JoinTable>,
    keys: Vec<usize>,
    null_aware: bool,
    plan: PairingPlan,
    pairing: Option<Pairing>,
    pairs_max: usize,
    work: Work,
    // Reused from chunk to chunk.
    ranges: Ranges,
    found: Vec<u32>,
    matched: Vec<bool>,
}

/// What is left to do for the chunk that was pushed.
enum Work {
    Nothing,
    /// All has been found already.
    Ready(Chunk),
    Pairs {
        chunk: Chunk,
        keys: ProbeKeys,
        cursor: Cursor,
    },
    /// All pairs have been seen.
    Rest(Chunk),
}

impl ProbeStep {
    pub(crate) fn new(probe: &Probe, context: &StepContext<'_>) -> Result<Self> {
        let state = context.query.states[probe.state.0].join()?;
        let table = state.table()?;
        let plan =
            PairingPlan::new(probe.kind, context.code.first(), &probe.kept, &probe.payload, &table.payload);
        Ok(Self {
            table,
            keys: probe.keys.clone(),
            null_aware: state.is_null_aware(),
            plan,
            pairing: None,
            pairs_max: context.query.options.batch_rows.max(PAIRS_MIN),
            work: Work::Nothing,
            ranges: Vec::new(),
            found: Vec::new(),
            matched: Vec::new(),
        })
    }

    /// Semi-joins and the like without a further condition: whether there is a match is all that matters.
    fn look_up(&mut self, pairing: &Pairing, chunk: &Chunk, keys: &ProbeKeys) -> Result<Option<Chunk>> {
        self.table.index.contains(&keys.codes, &mut self.ranges, &mut self.matched);
        if self.null_aware && self.table.rows > 0 {
            if !self.table.null_rows.is_empty() {
                return Ok(None);
            }
            if let Some(nulls) = &keys.nulls {
                self.matched.iter_mut().zip(nulls.iter()).for_each(|(matched, valid)| *matched |= !valid);
            }
        }
        pairing.rest(chunk, &self.matched)
    }

    /// At most one match for each row, and nothing else to check.
    fn single(&mut self, pairing: &Pairing, chunk: &Chunk, keys: &ProbeKeys) -> Result<Option<Chunk>> {
        self.table.index.find(&keys.codes, &mut self.ranges, &mut self.found);
        let rows = chunk.rows;
        if matches!(pairing.kind, JoinKind::ProbeOuter | JoinKind::FullOuter) {
            let valid: NullBuffer = self.found.iter().map(|&found| found != 0).collect::<Vec<_>>().into();
            let build: Vec<u32> = self.found.iter().map(|&found| found.saturating_sub(1)).collect();
            if pairing.kind == JoinKind::FullOuter {
                let noted: Vec<u32> = self.found.iter().filter(|&&f| f != 0).map(|found| found - 1).collect();
                note_build_rows(&self.table.matched, &noted);
            }
            let valid = (valid.null_count() > 0).then_some(valid);
            return pairing.single_pairs(chunk, None, UInt32Array::new(build.into(), valid)).map(Some);
        }
        let (probe, build) = compact(&self.found);
        if pairing.kind.emits_build_rows() {
            note_build_rows(&self.table.matched, &build);
        }
        if build.is_empty() || !pairing.emits_pairs() {
            return Ok(None);
        }
        let probe = (build.len() < rows).then_some(probe);
        pairing.single_pairs(chunk, probe, build.into()).map(Some)
    }

    fn pairs(&mut self, chunk: Chunk, keys: ProbeKeys, mut cursor: Cursor) -> Result<Option<Chunk>> {
        let Some(pairing) = &self.pairing else { return Ok(None) };
        let (mut probe, mut build) = (Vec::with_capacity(self.pairs_max), Vec::with_capacity(self.pairs_max));
        let pairs = (&mut probe, &mut build);
        let by_code = !cursor.is_in_nulls();
        let more = cursor.advance(&self.table, &keys, &self.ranges, self.null_aware, self.pairs_max, pairs);
        if by_code {
            self.table.scheme.verify(&keys, &mut probe, &mut build);
        }
        pairing.check(&chunk, &mut probe, &mut build)?;
        if pairing.notes_probe_rows() {
            probe.iter().for_each(|&row| self.matched[row as usize] = true);
        }
        if pairing.kind.emits_build_rows() {
            note_build_rows(&self.table.matched, &build);
        }
        let made = match pairing.emits_pairs() && !probe.is_empty() {
            true => Some(pairing.pairs(&chunk, probe, build.into())?),
            false => None,
        };
        self.work = if more { Work::Pairs { chunk, keys, cursor } } else { Work::Rest(chunk) };
        Ok(made)
    }
}

impl StepWorker for ProbeStep {
    fn push(&mut self, mut chunk: Chunk) -> Result<()> {
        let keys = self.table.scheme.probe(&chunk.materialise_all(&self.keys)?, chunk.rows)?;
        let pairing = match self.pairing.take() {
            Some(pairing) => pairing,
            None => self.plan.for_width(chunk.columns.len()),
        };
        let only_probe =
            matches!(pairing.kind, JoinKind::ProbeSemi | JoinKind::ProbeAnti | JoinKind::ProbeMark);
        let is_plain = self.table.is_exact() && !pairing.has_condition();
        self.work = if is_plain && only_probe {
            self.look_up(&pairing, &chunk, &keys)?.map_or(Work::Nothing, Work::Ready)
        } else if is_plain && self.table.index.is_unique() {
            self.single(&pairing, &chunk, &keys)?.map_or(Work::Nothing, Work::Ready)
        } else {
            self.table.index.ranges(&keys.codes, &mut self.ranges);
            self.matched.clear();
            self.matched.resize(chunk.rows, false);
            Work::Pairs { chunk, keys, cursor: Cursor::default() }
        };
        self.pairing = Some(pairing);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => Ok(None),
            Work::Ready(chunk) => Ok(Some(chunk)),
            Work::Pairs { chunk, keys, cursor } => {
                // A block without a row is given, too, so that a long walk can be cancelled.
                let made = self.pairs(chunk, keys, cursor)?;
                Ok(Some(made.unwrap_or_else(|| Chunk::new(0, vec![]))))
            }
            Work::Rest(chunk) => match &self.pairing {
                Some(pairing) => pairing.rest(&chunk, &self.matched),
                None => Ok(None),
            },
        }
    }
}

/// Probe positions and build rows of those that were found, without a branch on whether they were.
fn compact(found: &[u32]) -> (Vec<u32>, Vec<u32>) {
    let (mut probe, mut build) = (vec![0u32; found.len()], vec![0u32; found.len()]);
    let mut count = 0;
    for (position, &row) in found.iter().enumerate() {
        probe[count] = position as u32;
        build[count] = row.wrapping_sub(1);
        count += usize::from(row != 0);
    }
    probe.truncate(count);
    build.truncate(count);
    (probe, build)
}
