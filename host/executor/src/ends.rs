//! What ties an instance of a fragment to the rest of its query: where rows come from and go to, which parts it scans.

use std::collections::HashMap;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{Input, Output};
use nyala_pipeline::{PipelinePlan, PlanOutput, Source};
use nyala_schema::cluster::Attempt;
use nyala_schema::id::{FragmentId, OperatorId, RuntimeFilterId};
use nyala_schema::{Error, Result};

use crate::run::over::guarded;

/// The ends of one instance. The default is that of a whole query in one process: it has none.
#[derive(Clone, Default)]
pub struct Ends {
    /// Whose instance it is: those of one attempt count as one query where memory is limited.
    pub attempt: Option<Attempt>,
    /// Rows of the fragments that this one receives from.
    pub inputs: HashMap<FragmentId, Arc<dyn Input>>,
    /// Without it rows come out of the [`Execution`](crate::Execution).
    pub output: Option<Arc<dyn Output>>,
    /// Shares of scans; a scan without one reads everything.
    pub morsels: HashMap<OperatorId, Arc<dyn Morsels>>,
    /// Told of the filters that joins of this instance make.
    pub filters: Option<Arc<dyn FilterSink>>,
    /// How long scans wait for filters that joins of other fragments make, before they begin without them. Nothing but
    /// [`Execution::give_filter`](crate::Execution::give_filter) wakes them: who sets this gives each filter in the end, an
    /// empty one when there will be none.
    pub filter_wait: Duration,
}

impl Ends {
    /// # Errors
    /// Internal when the plan has inputs that are missing here, or sends its rows where nothing leads.
    pub(crate) fn check(&self, plan: &PipelinePlan) -> Result<()> {
        if self.output.is_none() != (plan.output == PlanOutput::Client) {
            return Err(Error::internal("an output without a fragment to send to, or the other way round"));
        }
        plan.pipelines.iter().try_for_each(|pipeline| match pipeline.source {
            Source::Receive { from, .. } => self.input(from).map(|_| ()),
            Source::Scan { .. }
            | Source::Values { .. }
            | Source::Series { .. }
            | Source::State { .. }
            | Source::BuildRows { .. } => Ok(()),
        })
    }

    pub(crate) fn input(&self, from: FragmentId) -> Result<Arc<dyn Input>> {
        let input = self.inputs.get(&from).cloned();
        input.ok_or_else(|| Error::internal(format!("an instance without the input from {from}")))
    }

    /// Nothing more is received or sent. What it calls is not ours: it may panic.
    pub(crate) fn close(&self, outcome: Result<()>) {
        self.inputs.values().for_each(|input| guarded(|| input.close()));
        if let Some(output) = &self.output {
            guarded(|| output.end(outcome));
        }
    }
}

/// The share of a scan that an instance reads, handed out while it runs.
pub trait Morsels: Send + Sync {
    /// The next position in the scanner's morsels, each given once; `None` when there are no more. Several workers ask at once.
    /// When it is not known yet, the waker is called when it is worth asking again.
    ///
    /// # Errors
    /// `Connection` when who hands them out is gone.
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<usize>>>;
}

/// Takes what joins say of their build sides.
pub trait FilterSink: Send + Sync {
    /// Once for each filter that a join of the instance makes, from a worker thread: must not block. Empty bytes keep
    /// everything; others are for [`merge_filters`](crate::merge_filters) and
    /// [`Execution::give_filter`](crate::Execution::give_filter).
    fn made(&self, filter: RuntimeFilterId, bytes: Bytes);
}
