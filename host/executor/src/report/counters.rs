//! Counters of a running query, added to once per chunk.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Instant;

use nyala_pipeline::{PipelinePlan, Sink, Source, Step};
use nyala_schema::id::OperatorId;

/// Of one operator, over all workers.
#[derive(Default)]
pub(crate) struct OperatorCounters {
    pub(crate) rows_in: AtomicU64,
    pub(crate) rows_out: AtomicU64,
    /// Rows kept by a join's build side.
    pub(crate) rows_built: AtomicU64,
    pub(crate) time_ns: AtomicU64,
    pub(crate) morsels: AtomicU64,
    pub(crate) morsels_pruned: AtomicU64,
    pub(crate) rows_filtered: AtomicU64,
}

/// Of all operators that do something of their own; those fused into others have none.
pub(crate) struct Counters {
    operators: HashMap<OperatorId, (&'static str, Arc<OperatorCounters>)>,
}

impl OperatorCounters {
    pub(crate) fn add_time(&self, since: Instant) {
        self.time_ns.fetch_add(since.elapsed().as_nanos() as u64, Relaxed);
    }
}

impl Counters {
    pub(crate) fn new(plan: &PipelinePlan) -> Self {
        let mut operators = HashMap::new();
        let mut add = |id: OperatorId, name| {
            operators.entry(id).or_insert_with(|| (name, Arc::new(OperatorCounters::default())));
        };
        plan.states.iter().for_each(|state| add(state.operator, state.spec.name()));
        for pipeline in &plan.pipelines {
            add(source_operator(&pipeline.source), source_name(&pipeline.source));
            pipeline.steps.iter().for_each(|step| add(step_operator(step), step_name(step)));
        }
        Self { operators }
    }

    pub(crate) fn of(&self, operator: OperatorId) -> Arc<OperatorCounters> {
        self.operators.get(&operator).map(|(_, counters)| counters.clone()).unwrap_or_default()
    }

    /// Operator, its name, its counters.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (OperatorId, &'static str, &OperatorCounters)> {
        self.operators.iter().map(|(id, (name, counters))| (*id, *name, counters.as_ref()))
    }
}

pub(crate) fn source_operator(source: &Source) -> OperatorId {
    match source {
        Source::Scan { operator, .. }
        | Source::Values { operator, .. }
        | Source::Series { operator, .. }
        | Source::State { operator, .. }
        | Source::BuildRows { operator, .. }
        | Source::Receive { operator, .. } => *operator,
    }
}

pub(crate) fn step_operator(step: &Step) -> OperatorId {
    match step {
        Step::Compute { operator, .. }
        | Step::Expand { operator, .. }
        | Step::Limit { operator, .. }
        | Step::Unnest { operator, .. } => *operator,
        Step::TableFunction(call) => call.operator,
        Step::Probe(probe) => probe.operator,
        Step::NestedLoop(join) => join.operator,
    }
}

pub(crate) fn sink_operator(sink: &Sink) -> Option<OperatorId> {
    match sink {
        Sink::Output { .. } => None,
        Sink::Build { operator, .. } | Sink::Aggregate { operator, .. } | Sink::Keep { operator, .. } => {
            Some(*operator)
        }
    }
}

fn source_name(source: &Source) -> &'static str {
    match source {
        Source::Scan { .. } => "scan",
        Source::Values { .. } => "values",
        Source::Series { .. } => "series",
        Source::State { .. } => "state",
        Source::BuildRows { .. } => "join",
        Source::Receive { .. } => "receive",
    }
}

fn step_name(step: &Step) -> &'static str {
    match step {
        Step::Compute { .. } => "compute",
        Step::Expand { .. } => "expand",
        Step::Probe(_) => "join",
        Step::NestedLoop(_) => "nested-loop",
        Step::Limit { .. } => "limit",
        Step::Unnest { .. } => "unnest",
        Step::TableFunction(_) => "table-function",
    }
}
