//! A fixed number of worker threads that take jobs of all queries in turn.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
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
}

/// Bounded by the tasks of all running queries: each has at most its threads for every pipeline.
#[derive(Default)]
struct State {
    jobs: VecDeque<Job>,
    stopped: bool,
}

impl Pool {
    pub(crate) fn start(threads: usize) -> Self {
        let handle = PoolHandle(Arc::new(Queue::default()));
        let threads = (0..threads.max(1))
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

    pub(crate) fn threads(&self) -> usize {
        self.threads.len().max(1)
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        lock(&self.handle.0.state).stopped = true;
        self.handle.0.changed.notify_all();
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
        lock(&self.0.state).jobs.push_back(job);
        self.0.waiting.fetch_add(1, Relaxed);
        self.0.changed.notify_one();
    }

    /// Whether other jobs wait for a thread.
    pub(crate) fn is_busy(&self) -> bool {
        self.0.waiting.load(Relaxed) > 0
    }
}

impl Queue {
    fn work(&self) {
        while let Some(job) = self.next() {
            // Jobs contain the panics of their queries; this keeps the thread should that itself go wrong.
            _ = catch_unwind(AssertUnwindSafe(job));
        }
    }

    fn next(&self) -> Option<Job> {
        let mut state = lock(&self.state);
        loop {
            if let Some(job) = state.jobs.pop_front() {
                self.waiting.fetch_sub(1, Relaxed);
                return Some(job);
            }
            if state.stopped {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
