//! The contents of a plan's states, and the sinks that write them.

use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use arrow::datatypes::DataType;
use nyala_pipeline::program::Type;
use nyala_pipeline::state::{StateId, StateSpec};
use nyala_pipeline::{PipelinePlan, Sink, Step};
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::operator::JoinKind;
use nyala_schema::{Error, Result};

use crate::aggregate::AggregateState;
use crate::code::ComputeNode;
use crate::column::Chunk;
use crate::guest::GuestState;
use crate::join::{JoinState, RuntimeFilter};
use crate::keep::{CollectState, LimitState, ResultRows};
use crate::memory::Memory;
use crate::run::Query;
use crate::run::exchange_sink::ExchangeSink;
use crate::run::output_sink::OutputSink;
use crate::sort::SortState;
use crate::window::WindowState;

/// Jobs that may run side by side.
pub(crate) type Stage = Vec<Box<dyn FnOnce() -> Result<()> + Send>>;

/// Takes the chunks of one worker.
pub(crate) trait SinkWorker: Send {
    /// # Errors
    /// OutOfMemory, and those of the operator.
    fn consume(&mut self, chunk: Chunk) -> Result<()>;

    /// After the last chunk.
    ///
    /// # Errors
    /// As `consume`.
    fn finish(&mut self) -> Result<()>;

    /// Hands over what leaves the instance, of sinks from which something does. Pending when there is no room for it yet; the
    /// waker is called when there may be some. Also to be called after `finish`.
    ///
    /// # Errors
    /// `Connection` when a receiver is gone.
    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<()>> {
        let _ = context;
        Poll::Ready(Ok(()))
    }
}

pub(crate) enum StateSlot {
    Join(Arc<JoinState>),
    Aggregate(Arc<AggregateState>),
    Sort(Arc<SortState>),
    Window(Arc<WindowState>),
    Guest(Arc<GuestState>),
    Collect(Arc<CollectState>),
    Limit(Arc<LimitState>),
}

impl StateSlot {
    /// # Errors
    /// Unsupported for specifications that cannot be run.
    pub(crate) fn new(plan: &PipelinePlan, index: usize, memory: &Arc<Memory>) -> Result<Self> {
        let operator = plan.states[index].operator;
        Ok(match &plan.states[index].spec {
            StateSpec::Join(spec) => {
                let has_residual = has_residual(plan, StateId(index));
                Self::Join(JoinState::new(spec, has_residual, memory.reserve(operator))?)
            }
            StateSpec::Aggregate(spec) => Self::Aggregate(AggregateState::new(operator, spec)),
            StateSpec::Sort(spec) => Self::Sort(SortState::new(spec, memory.reserve(operator))),
            StateSpec::Window(spec) => Self::Window(WindowState::new(spec, memory.reserve(operator))),
            StateSpec::Guest(spec) => Self::Guest(GuestState::new(spec, memory.reserve(operator))),
            StateSpec::Collect { types } => {
                let kind = nested_loop_kind(plan, StateId(index));
                Self::Collect(CollectState::new(data_types(types), usize::MAX, kind))
            }
            StateSpec::AtMostOneRow { types } => {
                let kind = nested_loop_kind(plan, StateId(index));
                Self::Collect(CollectState::new(data_types(types), 1, kind))
            }
            StateSpec::Limit { skip, fetch } => Self::Limit(Arc::new(LimitState::new(*skip, *fetch))),
        })
    }

    /// The jobs of stage `number` of finishing, after all rows have come and the stage before is done; none when
    /// the state is complete.
    pub(crate) fn stage(&self, query: &Arc<Query>, number: usize) -> Result<Stage> {
        match self {
            Self::Join(state) => state.stage(query, number),
            Self::Aggregate(state) => state.stage(query, number),
            Self::Sort(state) => state.stage(query.threads, number),
            Self::Window(state) => state.stage(query, number),
            Self::Guest(state) => state.stage(query, number),
            Self::Collect(state) => state.stage(number),
            Self::Limit(_) => Ok(vec![]),
        }
    }

    /// The rows of a complete state.
    pub(crate) fn rows(&self) -> Result<Arc<ResultRows>> {
        match self {
            Self::Aggregate(state) => state.rows(),
            Self::Sort(state) => state.rows(),
            Self::Window(state) => state.rows(),
            Self::Guest(state) => state.rows(),
            Self::Collect(state) => Ok(state.collected()?.rows.clone()),
            Self::Join(_) | Self::Limit(_) => Err(wrong_state("rows")),
        }
    }

    pub(crate) fn join(&self) -> Result<&Arc<JoinState>> {
        match self {
            Self::Join(state) => Ok(state),
            _ => Err(wrong_state("join")),
        }
    }

    pub(crate) fn collect(&self) -> Result<&Arc<CollectState>> {
        match self {
            Self::Collect(state) => Ok(state),
            _ => Err(wrong_state("collect")),
        }
    }

    pub(crate) fn limit(&self) -> Result<&Arc<LimitState>> {
        match self {
            Self::Limit(state) => Ok(state),
            _ => Err(wrong_state("limit")),
        }
    }

    pub(crate) fn runtime_filters(&self) -> Vec<(RuntimeFilterId, Arc<OnceLock<RuntimeFilter>>)> {
        match self {
            Self::Join(state) => state.runtime_filters(),
            _ => vec![],
        }
    }

    /// Frees the contents: nobody reads them any more.
    pub(crate) fn release(&self) {
        match self {
            Self::Join(state) => state.release(),
            Self::Aggregate(state) => state.release(),
            Self::Sort(state) => state.release(),
            Self::Window(state) => state.release(),
            Self::Guest(state) => state.release(),
            Self::Collect(state) => state.release(),
            Self::Limit(_) => {}
        }
    }
}

/// # Errors
/// Internal when the sink and its state do not go together.
pub(crate) fn sink_worker(
    sink: &Sink,
    update: Option<Arc<ComputeNode>>,
    query: &Arc<Query>,
) -> Result<Box<dyn SinkWorker>> {
    match sink {
        Sink::Output { columns } => match &query.ends.output {
            None => Ok(Box::new(OutputSink::new(query, columns))),
            Some(output) => {
                let worker = query.sinks.fetch_add(1, Relaxed);
                Ok(Box::new(ExchangeSink::new(query, output.clone(), columns, worker)?))
            }
        },
        Sink::Build { operator, state, keys, payload } => {
            let columns: Vec<usize> = keys.iter().chain(payload).copied().collect();
            let state = query.states[state.0].join()?;
            Ok(Box::new(state.sink(&columns, query.memory.reserve(*operator))))
        }
        Sink::Aggregate { state, keys, library, .. } => match &query.states[state.0] {
            StateSlot::Aggregate(state) => Ok(Box::new(state.sink(query, keys, update, library)?)),
            _ => Err(wrong_state("aggregate")),
        },
        Sink::Keep { operator, state, input, columns } => {
            let reservation = query.memory.reserve(*operator);
            match &query.states[state.0] {
                StateSlot::Sort(state) => state.sink(columns, reservation),
                StateSlot::Window(state) => Ok(Box::new(state.sink(columns, reservation))),
                StateSlot::Guest(state) => Ok(Box::new(state.sink(*input, columns, reservation)?)),
                StateSlot::Collect(state) => Ok(Box::new(state.sink(columns, reservation))),
                StateSlot::Join(_) | StateSlot::Aggregate(_) | StateSlot::Limit(_) => {
                    Err(wrong_state("keep"))
                }
            }
        }
    }
}

pub(crate) fn data_types(types: &[Type]) -> Vec<DataType> {
    types.iter().map(|ty| ty.data_type.clone()).collect()
}

fn has_residual(plan: &PipelinePlan, state: StateId) -> bool {
    plan.pipelines
        .iter()
        .flat_map(|pipeline| &pipeline.steps)
        .any(|step| matches!(step, Step::Probe(probe) if probe.state == state && probe.residual.is_some()))
}

fn nested_loop_kind(plan: &PipelinePlan, state: StateId) -> Option<JoinKind> {
    plan.pipelines.iter().flat_map(|pipeline| &pipeline.steps).find_map(|step| match step {
        Step::NestedLoop(join) if join.state == state => Some(join.kind),
        _ => None,
    })
}

fn wrong_state(wanted: &str) -> Error {
    Error::internal(format!("a pipeline names a state of another kind as its {wanted} state"))
}
