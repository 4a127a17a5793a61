//! One worker's share of a pipeline, cut into slices of time so that queries take turns.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use nyala_pipeline::guest::Supervised;
use nyala_schema::{Error, Result};

use crate::column::Chunk;
use crate::report::OperatorCounters;
use crate::run::query::Query;
use crate::run::schedule::{self, PipelineRun};
use crate::source::SourceWorker;
use crate::state::SinkWorker;
use crate::step::StepWorker;

/// After so long a task lets others run when some wait.
const SLICE: Duration = Duration::from_millis(10);

pub(crate) struct Task {
    query: Arc<Query>,
    run: Arc<PipelineRun>,
    /// Made on the worker thread, since making it may wait for the compiler.
    chain: Option<Chain>,
    /// Result batches that the output had no room for.
    pub(crate) pending: VecDeque<RecordBatch>,
}

/// Source, steps and sink of one worker.
pub(crate) struct Chain {
    pub(crate) source: Box<dyn SourceWorker>,
    pub(crate) source_counters: Arc<OperatorCounters>,
    pub(crate) steps: Vec<ChainStep>,
    pub(crate) sink: Box<dyn SinkWorker>,
    pub(crate) sink_counters: Option<Arc<OperatorCounters>>,
    /// The sink is the build side of a join, whose probe rows are counted under the same operator.
    pub(crate) is_build: bool,
}

pub(crate) struct ChainStep {
    pub(crate) worker: Box<dyn StepWorker>,
    pub(crate) counters: Arc<OperatorCounters>,
    /// It has taken a chunk and may give more for it.
    pub(crate) active: bool,
}

/// How a slice of time ended.
enum Slice {
    /// Nothing is left to do.
    Ended,
    /// There is more, now or when the output has room.
    Paused,
}

impl Task {
    pub(crate) fn submit(query: &Arc<Query>, run: &Arc<PipelineRun>) {
        let task = Self { query: query.clone(), run: run.clone(), chain: None, pending: VecDeque::new() };
        task.resume();
    }

    /// Puts the task in the pool's queue.
    pub(crate) fn resume(self) {
        let pool = self.query.pool.clone();
        pool.submit(Box::new(move || self.work()));
    }

    fn work(mut self) {
        // Also while it ends, which may drop instances of uploaded code.
        let _supervised = Supervised::enter(self.query.clone());
        loop {
            let slice = catch_unwind(AssertUnwindSafe(|| self.slice()));
            let ended = match slice.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))) {
                Ok(Slice::Ended) => true,
                Ok(Slice::Paused) => false,
                Err(error) => {
                    self.query.fail(error);
                    true
                }
            };
            if !self.pending.is_empty() {
                let query = self.query.clone();
                match query.output.take_from(self) {
                    Some(task) => self = task,
                    None => return,
                }
            }
            if ended {
                return self.end();
            }
            if self.query.pool.is_busy() {
                return self.resume();
            }
        }
    }

    /// Works until there is output, the time is up, or all is done.
    fn slice(&mut self) -> Result<Slice> {
        let start = Instant::now();
        if self.chain.is_none() {
            self.chain = Some(self.run.chain(&self.query)?);
        }
        let Some(chain) = &mut self.chain else { return Err(Error::internal("a task without its chain")) };
        loop {
            if self.query.is_stopped() {
                return Ok(Slice::Ended);
            }
            if !chain.advance(self.run.satisfied_steps())? {
                chain.sink.finish()?;
                chain.sink.take_output(&mut self.pending);
                return Ok(Slice::Ended);
            }
            chain.sink.take_output(&mut self.pending);
            if !self.pending.is_empty() || (start.elapsed() > SLICE && self.query.pool.is_busy()) {
                return Ok(Slice::Paused);
            }
        }
    }

    fn end(mut self) {
        // What the chain holds is freed before the query may be reported as ended.
        let dropped = catch_unwind(AssertUnwindSafe(|| self.chain = None));
        if let Err(panic) = dropped {
            self.query.fail(panic_error(panic.as_ref()));
        }
        let (query, run) = (self.query.clone(), self.run.clone());
        drop(self);
        schedule::task_ended(&query, &run);
    }
}

impl Chain {
    /// Takes one chunk one or more steps further; `false` when the source and all steps have nothing left. What comes
    /// out of the first `satisfied` steps is no longer wanted.
    fn advance(&mut self, satisfied: usize) -> Result<bool> {
        let active = self.steps.iter().rposition(|step| step.active).filter(|&index| index >= satisfied);
        let (mut chunk, mut level) = match active {
            None if satisfied > 0 => return Ok(false),
            Some(index) => match self.steps[index].next()? {
                Some(chunk) => (chunk, index + 1),
                None => return Ok(true),
            },
            None => {
                let start = Instant::now();
                let chunk = self.source.next()?;
                self.source_counters.add_time(start);
                match chunk {
                    Some(chunk) => {
                        self.source_counters.rows_out.fetch_add(chunk.rows as u64, Relaxed);
                        (chunk, 0)
                    }
                    None => return Ok(false),
                }
            }
        };
        while let Some(step) = self.steps.get_mut(level) {
            if chunk.rows == 0 {
                return Ok(true);
            }
            step.push(chunk)?;
            match step.next()? {
                Some(next) => chunk = next,
                None => return Ok(true),
            }
            level += 1;
        }
        self.sink(chunk)?;
        Ok(true)
    }

    fn sink(&mut self, chunk: Chunk) -> Result<()> {
        if chunk.rows == 0 {
            return Ok(());
        }
        let start = Instant::now();
        let rows = chunk.rows as u64;
        self.sink.consume(chunk)?;
        if let Some(counters) = &self.sink_counters {
            counters.add_time(start);
            let rows_in = if self.is_build { &counters.rows_built } else { &counters.rows_in };
            rows_in.fetch_add(rows, Relaxed);
        }
        Ok(())
    }
}

impl ChainStep {
    fn push(&mut self, chunk: Chunk) -> Result<()> {
        let start = Instant::now();
        self.counters.rows_in.fetch_add(chunk.rows as u64, Relaxed);
        self.active = true;
        self.worker.push(chunk)?;
        self.counters.add_time(start);
        Ok(())
    }

    fn next(&mut self) -> Result<Option<Chunk>> {
        let start = Instant::now();
        let next = self.worker.next()?;
        self.counters.add_time(start);
        match &next {
            Some(chunk) => _ = self.counters.rows_out.fetch_add(chunk.rows as u64, Relaxed),
            None => self.active = false,
        }
        Ok(next)
    }
}

/// A caught panic as the error of its query.
pub(crate) fn panic_error(panic: &(dyn std::any::Any + Send)) -> Error {
    let message = panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("no message");
    Error::internal(format!("a worker panicked: {message}"))
        .with_hint("this is a mistake in Nyala, please report it with the query")
}
