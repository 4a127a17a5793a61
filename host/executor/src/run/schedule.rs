//! Which pipelines may run: those whose states have been written, in the order of the plan.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use nyala_pipeline::guest::Supervised;
use nyala_pipeline::state::{StateId, StateSpec};
use nyala_pipeline::{PipelinePlan, Sink, Source, Step};
use nyala_schema::id::{OperatorId, RuntimeFilterId};
use nyala_schema::option::BackendChoice;
use nyala_schema::{Error, Result};

use crate::lock::lock;
use crate::report::counters::{sink_operator, source_operator, step_operator};
use crate::run::query::Query;
use crate::run::task::{Chain, ChainStep, Task, panic_error};
use crate::source::SharedSource;
use crate::state::{Stage, sink_worker};
use crate::step::{StepContext, step_worker};

/// The state of all pipelines of a query.
pub(crate) struct Schedule {
    pipelines: Vec<Entry>,
    /// Pipelines that have started and not ended.
    running: usize,
}

struct Entry {
    progress: PipelineProgress,
    after: HashSet<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum PipelineProgress {
    Waiting,
    Running,
    /// Its tasks have ended; the state may still be finishing.
    Drained,
    Done,
}

/// A pipeline that runs: what its tasks share.
pub(crate) struct PipelineRun {
    pub(crate) index: usize,
    source: SharedSource,
    tasks: AtomicUsize,
    /// How many first steps a LIMIT among them has made unnecessary.
    satisfied: Arc<AtomicUsize>,
    /// A task has found that the source gives no more, or that no more is wanted of it.
    is_source_finished: AtomicBool,
}

impl Schedule {
    pub(crate) fn new(plan: &PipelinePlan) -> Self {
        let entry = |index| Entry { progress: PipelineProgress::Waiting, after: dependencies(plan, index) };
        Self { pipelines: (0..plan.pipelines.len()).map(entry).collect(), running: 0 }
    }

    fn is_done(&self, index: usize) -> bool {
        self.pipelines[index].progress == PipelineProgress::Done
    }

    /// Marks those that may start now as running and names them.
    fn start_ready(&mut self) -> Vec<usize> {
        let ready: Vec<usize> = (0..self.pipelines.len())
            .filter(|&index| {
                let entry = &self.pipelines[index];
                entry.progress == PipelineProgress::Waiting && entry.after.iter().all(|&i| self.is_done(i))
            })
            .collect();
        for &index in &ready {
            self.pipelines[index].progress = PipelineProgress::Running;
        }
        self.running += ready.len();
        ready
    }

    /// Nothing runs, and nothing will without an outside cause.
    pub(crate) fn is_over(&self) -> bool {
        self.running == 0
    }
}

/// Writers of the states that pipeline `index` reads, the probers of a join whose build rows it emits, and as far
/// as they stand earlier in the plan the builders of its scan's runtime filters, which would else come too late.
fn dependencies(plan: &PipelinePlan, index: usize) -> HashSet<usize> {
    let reads = reads(plan, index);
    let emits = match plan.pipelines[index].source {
        Source::BuildRows { state, .. } => Some(state),
        _ => None,
    };
    let filters: Vec<RuntimeFilterId> = match &plan.pipelines[index].source {
        Source::Scan { scan, .. } => scan.runtime_filters.iter().map(|used| used.filter).collect(),
        _ => vec![],
    };
    let makes_filter = |state: StateId| match &plan.states[state.0].spec {
        StateSpec::Join(spec) => spec.runtime_filters.iter().any(|(id, _)| filters.contains(id)),
        _ => false,
    };
    let others = (0..plan.pipelines.len()).filter(|&other| other != index);
    others
        .filter(|&other| {
            let written = written(&plan.pipelines[other].sink);
            written.is_some_and(|state| reads.contains(&state) || (other < index && makes_filter(state)))
                || emits.is_some_and(|state| probes(plan, other, state))
        })
        .collect()
}

fn reads(plan: &PipelinePlan, index: usize) -> Vec<StateId> {
    let pipeline = &plan.pipelines[index];
    let mut states = match pipeline.source {
        Source::State { state, .. } | Source::BuildRows { state, .. } => vec![state],
        Source::Scan { .. } | Source::Values { .. } | Source::Series { .. } | Source::Receive { .. } => {
            vec![]
        }
    };
    states.extend(pipeline.steps.iter().filter_map(|step| match step {
        Step::Probe(probe) => Some(probe.state),
        Step::NestedLoop(join) => Some(join.state),
        Step::Compute { .. }
        | Step::Expand { .. }
        | Step::Limit { .. }
        | Step::Unnest { .. }
        | Step::TableFunction(_) => None,
    }));
    states
}

fn probes(plan: &PipelinePlan, index: usize, wanted: StateId) -> bool {
    plan.pipelines[index].steps.iter().any(|step| match step {
        Step::Probe(probe) => probe.state == wanted,
        Step::NestedLoop(join) => join.state == wanted,
        Step::Compute { .. }
        | Step::Expand { .. }
        | Step::Limit { .. }
        | Step::Unnest { .. }
        | Step::TableFunction(_) => false,
    })
}

pub(crate) fn written(sink: &Sink) -> Option<StateId> {
    match sink {
        Sink::Output { .. } => None,
        Sink::Build { state, .. } | Sink::Aggregate { state, .. } | Sink::Keep { state, .. } => Some(*state),
    }
}

/// Starts what can start; ends the query when nothing is left. Also to be called to begin with.
pub(crate) fn proceed(query: &Arc<Query>) {
    let (ready, over) = {
        let mut schedule = lock(&query.schedule);
        let ready = if query.is_stopped() { vec![] } else { schedule.start_ready() };
        (ready, schedule.is_over())
    };
    for index in ready {
        start(query, index);
    }
    if over {
        query.end();
    }
}

fn start(query: &Arc<Query>, index: usize) {
    match catch_unwind(AssertUnwindSafe(|| PipelineRun::new(query, index))) {
        Ok(Ok(run)) => {
            let run = Arc::new(run);
            let tasks = run.tasks.load(Ordering::Relaxed);
            (0..tasks).for_each(|_| Task::submit(query, &run));
        }
        Ok(Err(error)) => {
            query.fail(error);
            done(query, index);
        }
        Err(panic) => {
            query.fail(panic_error(panic.as_ref()));
            done(query, index);
        }
    }
}

/// The last task of a pipeline goes on to finish the state, once all pipelines that write it are drained.
pub(crate) fn task_ended(query: &Arc<Query>, run: &Arc<PipelineRun>) {
    if run.tasks.fetch_sub(1, Ordering::AcqRel) > 1 {
        return;
    }
    let state = written(&query.plan.pipelines[run.index].sink);
    let is_last = {
        let mut schedule = lock(&query.schedule);
        schedule.pipelines[run.index].progress = PipelineProgress::Drained;
        let mut writers = (0..query.plan.pipelines.len())
            .filter(|&other| state.is_some() && written(&query.plan.pipelines[other].sink) == state);
        writers.all(|other| {
            matches!(schedule.pipelines[other].progress, PipelineProgress::Drained | PipelineProgress::Done)
        })
    };
    match state {
        Some(state) if is_last => finish(query, run.index, state, 0),
        _ => done(query, run.index),
    }
}

/// Runs stage `number` of finishing a state, its jobs side by side, then the next one.
fn finish(query: &Arc<Query>, pipeline: usize, state: StateId, number: usize) {
    if query.is_stopped() {
        return done(query, pipeline);
    }
    let jobs: Stage = match catch_unwind(AssertUnwindSafe(|| query.states[state.0].stage(query, number))) {
        Ok(Ok(jobs)) => jobs,
        Ok(Err(error)) => return fail_pipeline(query, pipeline, error),
        Err(panic) => return fail_pipeline(query, pipeline, panic_error(panic.as_ref())),
    };
    if jobs.is_empty() {
        return done(query, pipeline);
    }
    let left = Arc::new(AtomicUsize::new(jobs.len()));
    let counters = query.counters.of(query.plan.states[state.0].operator);
    let mut jobs = jobs.into_iter().map(|job| {
        let (query, left, counters) = (query.clone(), left.clone(), counters.clone());
        move || {
            let start = Instant::now();
            if !query.is_stopped() {
                let _supervised = Supervised::enter(query.clone());
                let result = catch_unwind(AssertUnwindSafe(job));
                if let Err(error) = result.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))) {
                    query.fail(error);
                }
            }
            counters.add_time(start);
            if left.fetch_sub(1, Ordering::AcqRel) == 1 {
                finish(&query, pipeline, state, number + 1);
            }
        }
    });
    // This thread takes the first job itself, after the others are in the queue.
    let first = jobs.next();
    jobs.for_each(|job| query.pool.submit(Box::new(job)));
    if let Some(first) = first {
        first();
    }
}

fn fail_pipeline(query: &Arc<Query>, pipeline: usize, error: Error) {
    query.fail(error);
    done(query, pipeline);
}

/// The pipeline and the state it writes are complete, or the query is being stopped.
fn done(query: &Arc<Query>, pipeline: usize) {
    let unread: Vec<StateId> = {
        let mut schedule = lock(&query.schedule);
        schedule.pipelines[pipeline].progress = PipelineProgress::Done;
        schedule.running -= 1;
        let mut states = reads(&query.plan, pipeline);
        states.retain(|state| {
            (0..query.plan.pipelines.len())
                .all(|other| schedule.is_done(other) || !reads(&query.plan, other).contains(state))
        });
        states
    };
    for state in unread {
        query.states[state.0].release();
    }
    proceed(query);
}

impl PipelineRun {
    fn new(query: &Arc<Query>, index: usize) -> Result<Self> {
        let pipeline = &query.plan.pipelines[index];
        let source = SharedSource::new(query, index)?;
        let tasks = if pipeline.ordered { 1 } else { query.threads.min(source.parts()).max(1) };
        if query.options.backend == BackendChoice::Auto {
            let rows = source.rows();
            query.prepared[index].slots().for_each(|slot| slot.prepare(rows));
        }
        let (tasks, is_source_finished) = (AtomicUsize::new(tasks), AtomicBool::new(false));
        Ok(Self { index, source, tasks, satisfied: Arc::default(), is_source_finished })
    }

    /// Tasks that wait for the source have nothing to wait for any more.
    pub(crate) fn source_finished(&self, query: &Query) {
        if !self.source.may_wait() || self.is_source_finished.swap(true, Ordering::Relaxed) {
            return;
        }
        if self.satisfied_steps() > 0 {
            self.source.close();
        }
        query.tasks.wake_all();
    }

    pub(crate) fn satisfied_steps(&self) -> usize {
        self.satisfied.load(Ordering::Relaxed)
    }

    /// A worker's chain, made on its own thread.
    pub(crate) fn chain(&self, query: &Arc<Query>) -> Result<Chain> {
        let pipeline = &query.plan.pipelines[self.index];
        let prepared = &query.prepared[self.index];
        prepared.slots().for_each(|slot| slot.prepare(self.source.rows()));
        let source = source_operator(&pipeline.source);
        let operators: Vec<OperatorId> = pipeline.steps.iter().map(step_operator).collect();
        let steps = pipeline.steps.iter().zip(&prepared.steps).enumerate().map(|(index, (step, code))| {
            let context = StepContext { query, code, index, satisfied: &self.satisfied };
            let operator = operators[index];
            let before = if index == 0 { source } else { operators[index - 1] };
            Ok(ChainStep {
                worker: step_worker(step, &context)?,
                counters: query.counters.of(operator),
                takes: before != operator,
                gives: operators.get(index + 1) != Some(&operator),
                active: false,
            })
        });
        let steps = steps.collect::<Result<Vec<_>>>()?;
        let sink_counters = sink_operator(&pipeline.sink).map(|operator| query.counters.of(operator));
        Ok(Chain {
            source: self.source.worker(query)?,
            source_counters: query.counters.of(source),
            source_gives: operators.first() != Some(&source),
            steps,
            sink: sink_worker(&pipeline.sink, prepared.update.clone(), query)?,
            sink_counters,
            is_build: matches!(pipeline.sink, Sink::Build { .. }),
            is_finished: false,
        })
    }
}
