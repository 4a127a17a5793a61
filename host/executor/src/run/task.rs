//! One worker's share of a pipeline, cut into slices of time so that queries take turns.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use nyala_pipeline::guest::Supervised;
use nyala_schema::{Error, Result};

use crate::column::Chunk;
use crate::report::OperatorCounters;
use crate::run::parking::Parking;
use crate::run::query::Query;
use crate::run::schedule::{self, PipelineRun};
use crate::source::SourceWorker;
use crate::state::SinkWorker;
use crate::step::StepWorker;

/// After so long a task lets others run when some wait.
const SLICE: Duration = Duration::from_millis(10);
/// After so many chunks, where no clock may decide what runs next.
const SLICE_CHUNKS: usize = 16;

pub(crate) struct Task {
    query: Arc<Query>,
    run: Arc<PipelineRun>,
    /// Made on the worker thread, since making it may wait for the compiler.
    chain: Option<Chain>,
    parking: Arc<Parking>,
    /// Of `parking`.
    waker: Waker,
}

/// Source, steps and sink of one worker.
pub(crate) struct Chain {
    pub(crate) source: Box<dyn SourceWorker>,
    pub(crate) source_counters: Arc<OperatorCounters>,
    /// The first step is of another operator.
    pub(crate) source_gives: bool,
    pub(crate) steps: Vec<ChainStep>,
    pub(crate) sink: Box<dyn SinkWorker>,
    pub(crate) sink_counters: Option<Arc<OperatorCounters>>,
    /// The sink is the build side of a join, whose probe rows are counted under the same operator.
    pub(crate) is_build: bool,
    /// The sink has had its last chunk.
    pub(crate) is_finished: bool,
}

pub(crate) struct ChainStep {
    pub(crate) worker: Box<dyn StepWorker>,
    pub(crate) counters: Arc<OperatorCounters>,
    /// What comes before it, and after it, is of another operator: its rows are counted once.
    pub(crate) takes: bool,
    pub(crate) gives: bool,
    /// It has taken a chunk and may give more for it.
    pub(crate) active: bool,
}

/// How a slice of time ended.
enum Slice {
    /// Nothing is left to do.
    Ended,
    /// There is more.
    Paused,
    /// There may be more when the task is woken.
    Waiting,
}

/// What came of going on with a chain.
enum Advance {
    More,
    Waiting,
    /// The source or a LIMIT gives no more; what the sink has made may still be on its way.
    Finished,
    Ended,
}

impl Task {
    pub(crate) fn submit(query: &Arc<Query>, run: &Arc<PipelineRun>) {
        let parking = Arc::new(Parking::default());
        query.tasks.add(&parking);
        let waker = Waker::from(parking.clone());
        let task = Self { query: query.clone(), run: run.clone(), chain: None, parking, waker };
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
            match slice.unwrap_or_else(|panic| Err(panic_error(panic.as_ref()))) {
                Ok(Slice::Ended) => return self.end(),
                Ok(Slice::Paused) => {}
                Ok(Slice::Waiting) => {
                    let parking = self.parking.clone();
                    match parking.park(self) {
                        Some(task) => self = task,
                        None => return,
                    }
                }
                Err(error) => {
                    self.query.fail(error);
                    return self.end();
                }
            }
            if self.query.pool.is_busy() {
                return self.resume();
            }
        }
    }

    /// Works until the time is up, something is waited for, or all is done.
    fn slice(&mut self) -> Result<Slice> {
        let start = Instant::now();
        if self.query.is_stopped() {
            return Ok(Slice::Ended);
        }
        if self.chain.is_none() {
            self.chain = Some(self.run.chain(&self.query)?);
        }
        let Some(chain) = &mut self.chain else { return Err(Error::internal("a task without its chain")) };
        let mut context = Context::from_waker(&self.waker);
        let mut chunks = 0;
        loop {
            if self.query.is_stopped() {
                return Ok(Slice::Ended);
            }
            match chain.advance(self.run.satisfied_steps(), &mut context)? {
                Advance::More => {}
                Advance::Waiting => return Ok(Slice::Waiting),
                Advance::Finished => self.run.source_finished(&self.query),
                Advance::Ended => return Ok(Slice::Ended),
            }
            chunks += 1;
            let pool = &self.query.pool;
            let is_up = if pool.is_driven() { chunks >= SLICE_CHUNKS } else { start.elapsed() > SLICE };
            if is_up && pool.is_busy() {
                return Ok(Slice::Paused);
            }
        }
    }

    fn end(mut self) {
        self.query.tasks.remove(&self.parking);
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
    /// Takes one chunk one or more steps further. What comes out of the first `satisfied` steps is no longer wanted.
    fn advance(&mut self, satisfied: usize, context: &mut Context<'_>) -> Result<Advance> {
        match self.sink.poll_flush(context) {
            Poll::Pending => return Ok(Advance::Waiting),
            Poll::Ready(flushed) => flushed?,
        }
        if self.is_finished {
            return Ok(Advance::Ended);
        }
        let active = self.steps.iter().rposition(|step| step.active).filter(|&index| index >= satisfied);
        let (mut chunk, mut level) = match active {
            None if satisfied > 0 => return self.finish(),
            Some(index) => match self.steps[index].next()? {
                Some(chunk) => (chunk, index + 1),
                None => return Ok(Advance::More),
            },
            None => {
                let start = Instant::now();
                let next = self.source.poll_next(context);
                self.source_counters.add_time(start);
                match next {
                    Poll::Pending => return Ok(Advance::Waiting),
                    Poll::Ready(next) => match next? {
                        Some(chunk) => {
                            if self.source_gives {
                                self.source_counters.rows_out.fetch_add(chunk.rows as u64, Relaxed);
                            }
                            (chunk, 0)
                        }
                        None => return self.finish(),
                    },
                }
            }
        };
        while let Some(step) = self.steps.get_mut(level) {
            if chunk.rows == 0 {
                return Ok(Advance::More);
            }
            step.push(chunk)?;
            match step.next()? {
                Some(next) => chunk = next,
                None => return Ok(Advance::More),
            }
            level += 1;
        }
        self.sink(chunk)?;
        Ok(Advance::More)
    }

    fn finish(&mut self) -> Result<Advance> {
        self.sink.finish()?;
        self.is_finished = true;
        Ok(Advance::Finished)
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
        if self.takes {
            self.counters.rows_in.fetch_add(chunk.rows as u64, Relaxed);
        }
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
            Some(chunk) if self.gives => _ = self.counters.rows_out.fetch_add(chunk.rows as u64, Relaxed),
            Some(_) => {}
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
