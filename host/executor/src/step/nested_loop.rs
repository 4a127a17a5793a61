//! Joins on any condition: every probe row with every build row.

use std::sync::Arc;

use nyala_pipeline::pipeline::NestedLoop;
use nyala_schema::Result;

use crate::column::Chunk;
use crate::keep::collect::Collected;
use crate::step::pairing::{Pairing, PairingPlan, note_build_rows};
use crate::step::{StepContext, StepWorker};

/// Pairs that are tried at once.
const PAIRS_MIN: usize = 8192;

pub(crate) struct NestedLoopStep {
    collected: Arc<Collected>,
    build_rows: usize,
    plan: PairingPlan,
    pairing: Option<Pairing>,
    pairs_max: usize,
    work: Work,
    matched: Vec<bool>,
}

enum Work {
    Nothing,
    /// The next pair is `row` with `at`.
    Pairs {
        chunk: Chunk,
        row: usize,
        at: usize,
    },
    Rest(Chunk),
}

impl NestedLoopStep {
    pub(crate) fn new(join: &NestedLoop, context: &StepContext<'_>) -> Result<Self> {
        let collected = context.query.states[join.state.0].collect()?.collected()?;
        let piece = &collected.rows.pieces[0];
        let build_rows = piece.rows;
        let plan =
            PairingPlan::new(join.kind, context.code.first(), &join.kept, &join.payload, &piece.columns);
        Ok(Self {
            collected,
            build_rows,
            plan,
            pairing: None,
            pairs_max: context.query.options.batch_rows.max(PAIRS_MIN),
            work: Work::Nothing,
            matched: Vec::new(),
        })
    }

    fn pairs(&mut self, chunk: Chunk, row: usize, at: usize) -> Result<Option<Chunk>> {
        let Some(pairing) = &self.pairing else { return Ok(None) };
        let (mut probe, mut build) = (Vec::with_capacity(self.pairs_max), Vec::with_capacity(self.pairs_max));
        let next = fill((row, at), (chunk.rows, self.build_rows), self.pairs_max, &mut probe, &mut build);
        // One build row for all: the probe columns stay as they are when all pairs hold.
        let is_identity = self.build_rows == 1 && probe.len() == chunk.rows;
        pairing.check(&chunk, &mut probe, &mut build)?;
        if pairing.notes_probe_rows() {
            probe.iter().for_each(|&row| self.matched[row as usize] = true);
        }
        if pairing.kind.emits_build_rows() {
            note_build_rows(&self.collected.matched, &build);
        }
        let made = if !pairing.emits_pairs() || probe.is_empty() {
            None
        } else if is_identity {
            let probe = (probe.len() < chunk.rows).then_some(probe);
            Some(pairing.single_pairs(&chunk, probe, build.into())?)
        } else {
            Some(pairing.pairs(&chunk, probe, build.into())?)
        };
        self.work = match next {
            Some((row, at)) => Work::Pairs { chunk, row, at },
            None => Work::Rest(chunk),
        };
        Ok(made)
    }
}

/// Adds pairs from `(row, at)` on until there are `pairs_max`; where to go on, if there are more.
fn fill(
    (mut row, mut at): (usize, usize),
    (probe_rows, build_rows): (usize, usize),
    pairs_max: usize,
    probe: &mut Vec<u32>,
    build: &mut Vec<u32>,
) -> Option<(usize, usize)> {
    while row < probe_rows {
        let end = build_rows.min(at + (pairs_max - build.len()));
        build.extend(at as u32..end as u32);
        probe.resize(build.len(), row as u32);
        if end < build_rows {
            return Some((row, end));
        }
        (row, at) = (row + 1, 0);
    }
    None
}

impl StepWorker for NestedLoopStep {
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        if self.pairing.is_none() {
            self.pairing = Some(self.plan.for_width(chunk.columns.len()));
        }
        self.matched.clear();
        self.matched.resize(chunk.rows, false);
        self.work = Work::Pairs { chunk, row: 0, at: 0 };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        match std::mem::replace(&mut self.work, Work::Nothing) {
            Work::Nothing => Ok(None),
            Work::Pairs { chunk, row, at } => {
                let made = self.pairs(chunk, row, at)?;
                Ok(Some(made.unwrap_or_else(|| Chunk::new(0, vec![]))))
            }
            Work::Rest(chunk) => match &self.pairing {
                Some(pairing) => pairing.rest(&chunk, &self.matched),
                None => Ok(None),
            },
        }
    }
}
