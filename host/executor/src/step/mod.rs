//! What happens to chunks between source and sink.

mod compute;
mod cursor;
mod limit;
mod nested_loop;
mod pairing;
mod probe;
mod table_function;
mod unnest;

use std::sync::Arc;
use std::sync::atomic::AtomicUsize;

use nyala_pipeline::Step;
use nyala_schema::Result;

use crate::code::ComputeNode;
use crate::column::Chunk;
use crate::run::Query;
use compute::ComputeStep;
use limit::LimitStep;
use nested_loop::NestedLoopStep;
use probe::ProbeStep;
use table_function::TableFunctionStep;
use unnest::UnnestStep;

/// One worker's instance of a step.
pub(crate) trait StepWorker: Send {
    /// Takes a chunk of at least one row; only after [`next`](Self::next) has given `None` for the one before.
    ///
    /// # Errors
    /// Those of the step's code.
    fn push(&mut self, chunk: Chunk) -> Result<()>;

    /// The next chunk that comes of what was pushed, which may be empty; `None` when the next one is wanted.
    ///
    /// # Errors
    /// Those of the step's code.
    fn next(&mut self) -> Result<Option<Chunk>>;
}

/// What a step is made from, beside its description.
pub(crate) struct StepContext<'a> {
    pub(crate) query: &'a Arc<Query>,
    pub(crate) code: &'a [Arc<ComputeNode>],
    /// The step's place in its pipeline.
    pub(crate) index: usize,
    /// How many first steps are no longer necessary.
    pub(crate) satisfied: &'a Arc<AtomicUsize>,
}

/// # Errors
/// Internal when the state is not complete or of another kind.
pub(crate) fn step_worker(step: &Step, context: &StepContext<'_>) -> Result<Box<dyn StepWorker>> {
    Ok(match step {
        Step::Compute { .. } | Step::Expand { .. } => Box::new(ComputeStep::new(context.code)),
        Step::Probe(probe) => Box::new(ProbeStep::new(probe, context)?),
        Step::NestedLoop(join) => Box::new(NestedLoopStep::new(join, context)?),
        Step::Limit { state, .. } => {
            Box::new(LimitStep::new(context.query.states[state.0].limit()?.clone(), context))
        }
        Step::Unnest { columns, preserve_nulls, .. } => Box::new(UnnestStep::new(columns, *preserve_nulls)),
        Step::TableFunction(call) => Box::new(TableFunctionStep::new(call, context)?),
    })
}
