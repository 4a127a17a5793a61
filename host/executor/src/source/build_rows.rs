//! The rows of a join's build side, after the last probe.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};

use arrow::array::{ArrayRef, BooleanArray, new_null_array};
use arrow::datatypes::DataType;
use nyala_pipeline::program::Type;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, Result};

use crate::column::{Chunk, Column, Indices};
use crate::source::SourceWorker;
use crate::state::{StateSlot, data_types};

pub(crate) struct BuildRowsSource {
    kind: JoinKind,
    rows: usize,
    columns: Vec<ArrayRef>,
    matched: Matched,
    probe_types: Vec<DataType>,
    rows_max: usize,
    next: AtomicUsize,
}

/// The flags, whoever owns them.
enum Matched {
    Join(Arc<crate::join::JoinTable>),
    Loop(Arc<crate::keep::collect::Collected>),
}

pub(crate) struct BuildRowsWorker(pub(crate) Arc<BuildRowsSource>);

impl BuildRowsSource {
    /// # Errors
    /// Internal when the state is none of a join that emits build rows.
    pub(crate) fn new(state: &StateSlot, probe_types: &[Type], rows_max: usize) -> Result<Self> {
        let (kind, rows, columns, matched) = match state {
            StateSlot::Join(state) => {
                let table = state.table()?;
                (state.kind(), table.rows, table.payload.clone(), Matched::Join(table))
            }
            StateSlot::Collect(state) => {
                let collected = state.collected()?;
                let kind = state.kind.ok_or_else(|| Error::internal("build rows of no join"))?;
                let piece = &collected.rows.pieces[0];
                (kind, piece.rows, piece.columns.clone(), Matched::Loop(collected.clone()))
            }
            _ => return Err(Error::internal("build rows of a state that is no join's")),
        };
        if !kind.emits_build_rows() {
            return Err(Error::internal("build rows of a join that emits none"));
        }
        let probe_types = match kind {
            JoinKind::BuildOuter | JoinKind::FullOuter => data_types(probe_types),
            _ => vec![],
        };
        Ok(Self { kind, rows, columns, matched, probe_types, rows_max, next: AtomicUsize::new(0) })
    }

    pub(crate) fn parts(&self) -> usize {
        self.rows.div_ceil(self.rows_max)
    }

    pub(crate) fn rows(&self) -> u64 {
        self.rows as u64
    }

    fn flags(&self) -> &[AtomicBool] {
        match &self.matched {
            Matched::Join(table) => &table.matched,
            Matched::Loop(collected) => &collected.matched,
        }
    }

    fn chunk(&self, offset: usize, rows: usize) -> Result<Chunk> {
        let flags = &self.flags()[offset..offset + rows];
        let columns = self.columns.iter().map(|column| Column::new(column.slice(offset, rows)));
        let all = Chunk::new(rows, columns.collect());
        let wanted = |matched: bool| {
            let positions = (0..rows as u32).filter(|&row| flags[row as usize].load(Relaxed) == matched);
            all.select(&Indices::ascending(positions.collect()))
        };
        let selected = match self.kind {
            JoinKind::BuildMark => {
                let marks: BooleanArray = flags.iter().map(|flag| Some(flag.load(Relaxed))).collect();
                let mut marked = all;
                marked.columns.push(Column::new(Arc::new(marks)));
                return Ok(marked);
            }
            JoinKind::BuildSemi => wanted(true),
            _ => wanted(false),
        };
        let mut chunk = selected?;
        let nulls = self.probe_types.iter().map(|ty| Column::new(new_null_array(ty, chunk.rows)));
        let nulls: Vec<Column> = nulls.collect();
        chunk.columns.splice(0..0, nulls);
        Ok(chunk)
    }
}

impl SourceWorker for BuildRowsWorker {
    fn poll_next(&mut self, _: &mut Context<'_>) -> Poll<Result<Option<Chunk>>> {
        let offset = self.0.next.fetch_add(self.0.rows_max, Relaxed);
        if offset >= self.0.rows {
            return Poll::Ready(Ok(None));
        }
        Poll::Ready(self.0.chunk(offset, self.0.rows_max.min(self.0.rows - offset)).map(Some))
    }
}
