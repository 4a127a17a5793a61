//! Pairs of probe and build rows: the further condition, and what a kind of join makes of them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use arrow::array::{ArrayRef, BooleanArray, UInt32Array};
use nyala_schema::Result;
use nyala_schema::operator::JoinKind;

use crate::code::ComputeNode;
use crate::column::{Chunk, Column, Composer, Indices};

/// Makes chunks of the pairs that a join finds.
pub(crate) struct Pairing {
    pub(crate) kind: JoinKind,
    condition: Option<Condition>,
    kept: Vec<usize>,
    /// The build columns of the result.
    payload: Vec<ArrayRef>,
}

/// What must hold of a pair beside the keys.
struct Condition {
    /// Over the columns below, in their order.
    code: ComputeNode,
    columns: Vec<PairColumn>,
}

enum PairColumn {
    Probe(usize),
    Build(ArrayRef),
}

impl Pairing {
    pub(crate) fn has_condition(&self) -> bool {
        self.condition.is_some()
    }

    /// Whether every pair gives a row.
    pub(crate) fn emits_pairs(&self) -> bool {
        matches!(
            self.kind,
            JoinKind::Inner | JoinKind::ProbeOuter | JoinKind::BuildOuter | JoinKind::FullOuter
        )
    }

    /// Whether it matters for each probe row if it had a match.
    pub(crate) fn notes_probe_rows(&self) -> bool {
        match self.kind {
            JoinKind::Inner
            | JoinKind::BuildOuter
            | JoinKind::BuildSemi
            | JoinKind::BuildAnti
            | JoinKind::BuildMark => false,
            JoinKind::ProbeOuter
            | JoinKind::FullOuter
            | JoinKind::ProbeSemi
            | JoinKind::ProbeAnti
            | JoinKind::ProbeMark => true,
        }
    }

    /// Drops the pairs for which the condition does not hold.
    ///
    /// # Errors
    /// Those of the code.
    pub(crate) fn check(&self, chunk: &Chunk, probe: &mut Vec<u32>, build: &mut Vec<u32>) -> Result<()> {
        let Some(condition) = &self.condition else { return Ok(()) };
        if probe.is_empty() {
            return Ok(());
        }
        let (rows, positions) = (probe.len(), Indices::any_order(std::mem::take(probe)));
        let matches = Indices::any_order(std::mem::take(build));
        let mut composer = Composer::new(&positions);
        let columns = condition.columns.iter().map(|column| match column {
            PairColumn::Probe(index) => composer.apply(&chunk.columns[*index]),
            PairColumn::Build(array) => Ok(Column::selected(array.clone(), &matches)),
        });
        let mut pairs = Chunk::new(rows, columns.collect::<Result<_>>()?);
        let survivors = condition.code.filter(&mut pairs)?;
        let (all_probe, all_build) = (positions.array().values(), matches.array().values());
        match survivors {
            None => {
                probe.extend_from_slice(all_probe);
                build.extend_from_slice(all_build);
            }
            Some(survivors) => {
                probe.extend(survivors.iter().map(|&pair| all_probe[pair as usize]));
                build.extend(survivors.iter().map(|&pair| all_build[pair as usize]));
            }
        }
        Ok(())
    }

    /// The rows of pairs.
    ///
    /// # Errors
    /// Of composing row numbers.
    pub(crate) fn pairs(&self, chunk: &Chunk, probe: Vec<u32>, build: UInt32Array) -> Result<Chunk> {
        let rows = probe.len();
        let columns = chunk.pick_rows(&self.kept, &Indices::any_order(probe))?;
        self.with_payload(rows, columns, build)
    }

    /// The rows of pairs in which each probe row stands at most once, in order.
    ///
    /// # Errors
    /// Of composing row numbers.
    pub(crate) fn single_pairs(
        &self,
        chunk: &Chunk,
        probe: Option<Vec<u32>>,
        build: UInt32Array,
    ) -> Result<Chunk> {
        match probe {
            None => self.with_payload(chunk.rows, chunk.pick(&self.kept), build),
            Some(probe) => {
                let rows = probe.len();
                let columns = chunk.pick_rows(&self.kept, &Indices::ascending(probe))?;
                self.with_payload(rows, columns, build)
            }
        }
    }

    fn with_payload(&self, rows: usize, mut columns: Vec<Column>, build: UInt32Array) -> Result<Chunk> {
        let build = Indices::from_array(build);
        columns.extend(self.payload.iter().map(|array| Column::selected(array.clone(), &build)));
        Ok(Chunk::new(rows, columns))
    }

    /// What is left to say of a chunk when all its pairs have been seen: the probe rows without a match, or those
    /// that the kind is about.
    ///
    /// # Errors
    /// Of composing row numbers.
    pub(crate) fn rest(&self, chunk: &Chunk, matched: &[bool]) -> Result<Option<Chunk>> {
        let wanted = match self.kind {
            JoinKind::Inner
            | JoinKind::BuildOuter
            | JoinKind::BuildSemi
            | JoinKind::BuildAnti
            | JoinKind::BuildMark => return Ok(None),
            JoinKind::ProbeMark => {
                let mut columns = chunk.pick(&self.kept);
                columns.push(Column::new(Arc::new(BooleanArray::from(matched.to_vec()))));
                return Ok(Some(Chunk::new(chunk.rows, columns)));
            }
            JoinKind::ProbeSemi => true,
            JoinKind::ProbeAnti | JoinKind::ProbeOuter | JoinKind::FullOuter => false,
        };
        let positions = positions_where(matched, wanted);
        if positions.is_empty() {
            return Ok(None);
        }
        let rows = positions.len();
        let mut columns = if rows == chunk.rows {
            chunk.pick(&self.kept)
        } else {
            chunk.pick_rows(&self.kept, &Indices::ascending(positions))?
        };
        if self.emits_pairs() {
            let nulls =
                self.payload.iter().map(|a| Column::new(arrow::array::new_null_array(a.data_type(), rows)));
            columns.extend(nulls);
        }
        Ok(Some(Chunk::new(rows, columns)))
    }
}

/// A pairing for chunks of a width that the first one tells.
pub(crate) struct PairingPlan {
    kind: JoinKind,
    condition: Option<Arc<ComputeNode>>,
    kept: Vec<usize>,
    payload: Vec<ArrayRef>,
    build: Vec<ArrayRef>,
}

impl PairingPlan {
    /// `condition` reads chunk columns, then `build` columns.
    pub(crate) fn new(
        kind: JoinKind,
        condition: Option<&Arc<ComputeNode>>,
        kept: &[usize],
        payload: &[usize],
        build: &[ArrayRef],
    ) -> Self {
        Self {
            kind,
            condition: condition.cloned(),
            kept: kept.to_vec(),
            payload: payload.iter().map(|&index| build[index].clone()).collect(),
            build: build.to_vec(),
        }
    }

    pub(crate) fn for_width(&self, width: usize) -> Pairing {
        let condition = self.condition.as_ref().map(|node| {
            let columns = node.inputs.iter().map(|&index| match index.checked_sub(width) {
                None => PairColumn::Probe(index),
                Some(index) => PairColumn::Build(self.build[index].clone()),
            });
            Condition {
                columns: columns.collect(),
                code: ComputeNode {
                    slot: node.slot.clone(),
                    inputs: (0..node.inputs.len()).collect(),
                    kept: vec![],
                },
            }
        });
        Pairing { kind: self.kind, condition, kept: self.kept.clone(), payload: self.payload.clone() }
    }
}

/// The positions of `flags` that are `wanted`, without a branch on them.
fn positions_where(flags: &[bool], wanted: bool) -> Vec<u32> {
    let mut positions = vec![0u32; flags.len()];
    let mut found = 0;
    for (position, &flag) in flags.iter().enumerate() {
        positions[found] = position as u32;
        found += usize::from(flag == wanted);
    }
    positions.truncate(found);
    positions
}

/// Notes that build rows have a match. Most are noted again and again: reading first keeps their cache lines shared.
pub(crate) fn note_build_rows(flags: &[AtomicBool], rows: &[u32]) {
    for &row in rows {
        let flag = &flags[row as usize];
        if !flag.load(Relaxed) {
            flag.store(true, Relaxed);
        }
    }
}
