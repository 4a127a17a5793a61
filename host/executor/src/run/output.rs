//! The bounded queue of result batches between workers and the client.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use nyala_schema::{Error, Result};

use crate::lock::lock;
use crate::run::task::Task;

/// Batches that wait for the client before tasks are parked.
const BATCHES_MAX: usize = 16;

#[derive(Default)]
pub(crate) struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    /// Tasks with batches for which there was no room; at most the query's threads per pipeline.
    parked: Vec<Task>,
    end: Option<Result<()>>,
}

impl Output {
    /// Takes as many of the task's batches as there is room for. Gives the task back when that is all of them or
    /// nobody wants them any more; keeps it otherwise, to be given out by [`next`](Self::next).
    pub(crate) fn take_from(&self, mut task: Task) -> Option<Task> {
        let mut state = lock(&self.state);
        if state.end.is_some() {
            task.pending.clear();
            return Some(task);
        }
        while state.batches.len() < BATCHES_MAX
            && let Some(batch) = task.pending.pop_front()
        {
            state.batches.push_back(batch);
        }
        self.changed.notify_one();
        if task.pending.is_empty() {
            return Some(task);
        }
        state.parked.push(task);
        None
    }

    /// No more batches come. The first end counts. On an error waiting batches are dropped; the parked tasks, which
    /// have to end as well, are given back.
    #[must_use]
    pub(crate) fn end(&self, result: Result<()>) -> Vec<Task> {
        let mut state = lock(&self.state);
        if result.is_err() {
            state.batches.clear();
        }
        state.end.get_or_insert(result);
        self.changed.notify_all();
        std::mem::take(&mut state.parked)
    }

    /// The next batch, `None` in it at the end; nothing when there was neither within `wait`. The tasks given with it
    /// can go on.
    pub(crate) fn next(&self, wait: Duration) -> (Option<Result<Option<RecordBatch>>>, Vec<Task>) {
        let deadline = Instant::now().checked_add(wait);
        let mut state = lock(&self.state);
        loop {
            if let Some(Err(error)) = &state.end {
                let error: Error = error.clone();
                return (Some(Err(error)), vec![]);
            }
            if let Some(batch) = state.batches.pop_front() {
                let parked = if state.batches.len() * 2 <= BATCHES_MAX {
                    std::mem::take(&mut state.parked)
                } else {
                    vec![]
                };
                return (Some(Ok(Some(batch))), parked);
            }
            if state.end.is_some() {
                return (Some(Ok(None)), vec![]);
            }
            let left = deadline.map_or(wait, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return (None, vec![]);
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
