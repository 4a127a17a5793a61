//! The bounded queue of result batches between workers and the client.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use nyala_schema::{Error, Result};

use crate::lock::lock;

/// Batches that wait for the client before tasks have to.
const BATCHES_MAX: usize = 16;

/// What the client is told: a batch, `None` at the end.
type Next = Result<Option<RecordBatch>>;

#[derive(Default)]
pub(crate) struct Output {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    batches: VecDeque<RecordBatch>,
    /// Tasks with batches for which there was no room; at most the query's threads per pipeline.
    senders: Vec<Waker>,
    /// A client that waits as futures do.
    client: Option<Waker>,
    end: Option<Result<()>>,
}

impl State {
    /// What the client is told now, and the tasks for which there is room again.
    fn next(&mut self) -> Option<(Next, Vec<Waker>)> {
        if let Some(Err(error)) = &self.end {
            let error: Error = error.clone();
            return Some((Err(error), vec![]));
        }
        if let Some(batch) = self.batches.pop_front() {
            let has_room = self.batches.len() * 2 <= BATCHES_MAX;
            let senders = if has_room { std::mem::take(&mut self.senders) } else { vec![] };
            return Some((Ok(Some(batch)), senders));
        }
        self.end.is_some().then_some((Ok(None), vec![]))
    }
}

impl Output {
    /// Takes batches as far as there is room; ready when it has taken all, or nobody wants them any more.
    pub(crate) fn poll_take(
        &self,
        batches: &mut VecDeque<RecordBatch>,
        context: &mut Context<'_>,
    ) -> Poll<()> {
        let client = {
            let mut state = lock(&self.state);
            if state.end.is_some() {
                batches.clear();
                return Poll::Ready(());
            }
            while state.batches.len() < BATCHES_MAX
                && let Some(batch) = batches.pop_front()
            {
                state.batches.push_back(batch);
            }
            if !batches.is_empty() {
                state.senders.push(context.waker().clone());
            }
            state.client.take()
        };
        self.changed.notify_one();
        client.into_iter().for_each(Waker::wake);
        if batches.is_empty() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// No more batches come. The first end counts. On an error waiting batches are dropped.
    pub(crate) fn end(&self, result: Result<()>) {
        let wakers = {
            let mut state = lock(&self.state);
            if result.is_err() {
                state.batches.clear();
            }
            state.end.get_or_insert(result);
            let mut wakers = std::mem::take(&mut state.senders);
            wakers.extend(state.client.take());
            wakers
        };
        self.changed.notify_all();
        wakers.into_iter().for_each(Waker::wake);
    }

    /// The next batch, `None` in it at the end; nothing when there was neither within `wait`.
    pub(crate) fn next(&self, wait: Duration) -> Option<Next> {
        let deadline = Instant::now().checked_add(wait);
        let mut state = lock(&self.state);
        let (next, senders) = loop {
            if let Some(next) = state.next() {
                break next;
            }
            let left = deadline.map_or(wait, |deadline| deadline.saturating_duration_since(Instant::now()));
            if left.is_zero() {
                return None;
            }
            state = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        };
        drop(state);
        senders.into_iter().for_each(Waker::wake);
        Some(next)
    }

    /// As `next`; the waker is called when there is something.
    pub(crate) fn poll_next(&self, context: &mut Context<'_>) -> Poll<Next> {
        let mut state = lock(&self.state);
        let Some((next, senders)) = state.next() else {
            state.client = Some(context.waker().clone());
            return Poll::Pending;
        };
        drop(state);
        senders.into_iter().for_each(Waker::wake);
        Poll::Ready(next)
    }
}
