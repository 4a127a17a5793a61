//! LIMIT and OFFSET.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use nyala_schema::Result;

use crate::column::Chunk;
use crate::keep::LimitState;
use crate::step::{StepContext, StepWorker};

pub(crate) struct LimitStep {
    state: Arc<LimitState>,
    satisfied: Arc<AtomicUsize>,
    /// Steps before and with this one.
    steps: usize,
    chunk: Option<Chunk>,
}

impl LimitStep {
    pub(crate) fn new(state: Arc<LimitState>, context: &StepContext<'_>) -> Self {
        let step =
            Self { state, satisfied: context.satisfied.clone(), steps: context.index + 1, chunk: None };
        if step.state.is_empty() {
            step.satisfy();
        }
        step
    }

    fn satisfy(&self) {
        self.satisfied.fetch_max(self.steps, Relaxed);
    }
}

impl StepWorker for LimitStep {
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        let claim = self.state.claim(chunk.rows);
        if claim.is_last {
            self.satisfy();
        }
        self.chunk = match claim.rows {
            0 => None,
            rows if rows == chunk.rows => Some(chunk),
            rows => Some(chunk.slice(claim.offset, rows)),
        };
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        Ok(self.chunk.take())
    }
}
