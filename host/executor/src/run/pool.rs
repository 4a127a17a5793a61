//! A fixed number of worker threads that take jobs of all queries in turn.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::thread::JoinHandle;

use crate::lock::lock;

/// A piece of work that does not block: one that has to wait gives its thread back.
pub(crate) type Job = Box<dyn FnOnce() + Send>;

/// The threads; they end when it is dropped, after the jobs that wait.
pub(crate) struct Pool {
    handle: PoolHandle,
    threads: Vec<JoinHandle<()>>,
}

/// What jobs are submitted by.
#[derive(Clone)]
pub(crate) struct PoolHandle(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    /// Jobs that wait, to be read without the lock.
    waiting: AtomicUsize,
    /// There are no threads: jobs are run by whoever calls [`Pool::run_one`].
    driven: bool,
}

/// Bounded by the tasks of all running queries: each has at most its threads for every pipeline.
#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    stopped: bool,
    /// Who runs the jobs when there are no threads, and waits for one.
    driver: Option<Waker>,
}

impl Pool {
    pub(crate) fn start(threads: usize) -> Self {
        let handle = PoolHandle(Arc::new(Queue { driven: threads == 0, ..Queue::default() }));
        let threads = (0..threads)
            .map_while(|number| {
                let queue = handle.0.clone();
                let builder = std::thread::Builder::new().name(format!("nyala-worker-{number}"));
                builder.spawn(move || queue.work()).ok()
            })
            .collect();
        Self { handle, threads }
    }

    pub(crate) fn handle(&self) -> &PoolHandle {
        &self.handle
    }

    /// How many tasks of a pipeline make sense.
    pub(crate) fn threads(&self) -> usize {
        if self.handle.is_driven() { usize::MAX } else { self.threads.len().max(1) }
    }

    /// Who has a handle on it besides its own threads.
    pub(crate) fn users(&self) -> usize {
        Arc::strong_count(&self.handle.0).saturating_sub(1 + self.threads.len())
    }

    /// Runs a job on this thread; `false` when there is none.
    pub(crate) fn run_one(&self) -> bool {
        let job = self.handle.0.pop(&mut lock(&self.handle.0.state));
        let found = job.is_some();
        job.into_iter().for_each(run);
        found
    }

    /// Ready when there is a job.
    pub(crate) fn poll_work(&self, context: &mut Context<'_>) -> Poll<()> {
        let mut state = lock(&self.handle.0.state);
        if !state.jobs.is_empty() {
            return Poll::Ready(());
        }
        state.driver = Some(context.waker().clone());
        Poll::Pending
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.handle.0.state).stopped = true;
        self.handle.0.changed.notify_all();
        while self.handle.is_driven() && self.run_one() {}
        let this = std::thread::current().id();
        for thread in self.threads.drain(..) {
            if thread.thread().id() != this {
                _ = thread.join();
            }
        }
    }
}

impl PoolHandle {
    pub(crate) fn submit(&self, job: Job) {
        let driver = {
            let mut state = lock(&self.0.state);
            state.jobs.push_back(job);
            self.0.waiting.fetch_add(1, Relaxed);
            state.driver.take()
        };
        self.0.changed.notify_one();
        driver.into_iter().for_each(Waker::wake);
    }

    pub(crate) fn is_driven(&self) -> bool {
        self.0.driven
    }

    /// Whether other jobs wait for a thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.waiting.load(Relaxed) > 0
    }
}

impl Queue {
    fn work(&self) {
        while let Some(job) = self.next() {
            run(job);
        }
    }

    fn pop(&self, state: &mut State) -> Option<Job> {
        let job = state.jobs.pop_front()?;
        self.waiting.fetch_sub(1, Relaxed);
        Some(job)
    }

    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = self.pop(&mut state) {
                return Some(job);
            }
            if state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// Jobs contain the panics of their queries; this keeps the thread should that itself go wrong.
fn run(job: Job) {
    _ = catch_unwind(AssertUnwindSafe(job));
}
