//! Row code as a step: one program, or several, each over every chunk.

use std::sync::Arc;

use nyala_schema::Result;

use crate::code::ComputeNode;
use crate::column::Chunk;
use crate::step::StepWorker;

pub(crate) struct ComputeStep {
    variants: Vec<Arc<ComputeNode>>,
    chunk: Option<Chunk>,
    next: usize,
}

impl ComputeStep {
    pub(crate) fn new(variants: &[Arc<ComputeNode>]) -> Self {
        Self { variants: variants.to_vec(), chunk: None, next: 0 }
    }
}

impl StepWorker for ComputeStep {
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        self.chunk = Some(chunk);
        self.next = 0;
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        let (Some(chunk), Some(variant)) = (&mut self.chunk, self.variants.get(self.next)) else {
            self.chunk = None;
            return Ok(None);
        };
        self.next += 1;
        variant.run(chunk).map(Some)
    }
}
