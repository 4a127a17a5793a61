//! The code of a pipeline, made ready when the query starts.

use std::sync::Arc;

use nyala_pipeline::pipeline::Compute;
use nyala_pipeline::{Pipeline, Sink, Source, Step};
use nyala_schema::id::OperatorId;

use crate::code::{Backends, CodeSlot, ComputeNode};
use crate::report::counters::{sink_operator, source_operator, step_operator};

/// The code of one pipeline, in the order of its parts.
pub(crate) struct Prepared {
    pub(crate) filter: Option<Arc<ComputeNode>>,
    /// For each step its programs: one for Compute, as many as variants for Expand, none or one for joins.
    pub(crate) steps: Vec<Vec<Arc<ComputeNode>>>,
    pub(crate) update: Option<Arc<ComputeNode>>,
}

impl Prepared {
    pub(crate) fn new(pipeline: &Pipeline, backends: &Backends) -> Self {
        let node = |compute: &Compute, operator: OperatorId| ComputeNode::new(compute, operator, backends);
        let optional = |compute: &Option<Compute>, operator| compute.as_ref().map(|c| node(c, operator));
        let filter = match &pipeline.source {
            Source::Scan { filter, .. } => optional(filter, source_operator(&pipeline.source)),
            Source::Values { .. }
            | Source::Series { .. }
            | Source::State { .. }
            | Source::BuildRows { .. }
            | Source::Receive { .. } => None,
        };
        let steps = pipeline.steps.iter().map(|step| {
            let operator = step_operator(step);
            match step {
                Step::Compute { compute, .. } => vec![node(compute, operator)],
                Step::Expand { variants, .. } => variants.iter().map(|c| node(c, operator)).collect(),
                Step::Probe(probe) => optional(&probe.residual, operator).into_iter().collect(),
                Step::NestedLoop(join) => optional(&join.condition, operator).into_iter().collect(),
                Step::Limit { .. } | Step::Unnest { .. } | Step::TableFunction(_) => vec![],
            }
        });
        let steps = steps.collect();
        let update = match (&pipeline.sink, sink_operator(&pipeline.sink)) {
            (Sink::Aggregate { update, .. }, Some(operator)) => optional(update, operator),
            _ => None,
        };
        Self { filter, steps, update }
    }

    pub(crate) fn slots(&self) -> impl Iterator<Item = &Arc<CodeSlot>> {
        let nodes = self.filter.iter().chain(self.steps.iter().flatten()).chain(&self.update);
        nodes.map(|node| &node.slot)
    }
}
