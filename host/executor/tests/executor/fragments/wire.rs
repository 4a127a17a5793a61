//! Streams between instances in one process, with few credits and wakers that are called more often than needed.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use arrow::array::RecordBatch;
use nyala_exchange::{Input, Output, Readiness};
use nyala_schema::{Error, Result};

/// What comes to one receiving instance from all senders of one fragment.
pub struct Pipe {
    state: Mutex<State>,
    /// Of each sender.
    credits: usize,
    /// Senders that have been made.
    made: AtomicUsize,
    /// Times that somebody had to wait.
    pub waits: AtomicUsize,
    expected: usize,
}

#[derive(Default)]
struct State {
    /// With the number of the sender.
    batches: VecDeque<(usize, RecordBatch)>,
    /// That have not ended.
    senders: usize,
    ended: Vec<usize>,
    error: Option<Error>,
    is_closed: bool,
    readers: Vec<Waker>,
    writers: Vec<Waker>,
    /// Wakers that were called already, to be called again when nobody expects it.
    old: Vec<Waker>,
}

impl Pipe {
    pub fn new(senders: usize, credits: usize) -> Arc<Self> {
        let state = State { senders, ..State::default() };
        let (made, waits) = (AtomicUsize::new(0), AtomicUsize::new(0));
        Arc::new(Self { state: Mutex::new(state), credits, made, waits, expected: senders })
    }

    pub fn is_closed(&self) -> bool {
        self.state.lock().unwrap().is_closed
    }

    /// Changes the state, then wakes everybody, and those of long ago.
    fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let (result, wakers) = {
            let mut state = self.state.lock().unwrap();
            let result = change(&mut state);
            let mut wakers = std::mem::take(&mut state.readers);
            wakers.append(&mut state.writers);
            let mut all = std::mem::replace(&mut state.old, wakers.clone());
            all.append(&mut wakers);
            (result, all)
        };
        wakers.iter().for_each(Waker::wake_by_ref);
        wakers.into_iter().for_each(Waker::wake);
        result
    }

    /// As if the connection was lost.
    pub fn break_off(&self, error: Error) {
        self.change(|state| state.error = Some(error));
    }
}

impl Pipe {
    fn poll(&self, of: Option<usize>, context: &Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        let mut state = self.state.lock().unwrap();
        if let Some(error) = &state.error {
            return Poll::Ready(Err(error.clone()));
        }
        if state.is_closed {
            return Poll::Ready(Ok(None));
        }
        let place = state.batches.iter().position(|(sender, _)| of.is_none_or(|of| of == *sender));
        if let Some((_, batch)) = place.and_then(|place| state.batches.remove(place)) {
            drop(state);
            self.change(|_| ());
            return Poll::Ready(Ok(Some(batch)));
        }
        if state.senders == 0 || of.is_some_and(|of| state.ended.contains(&of)) {
            return Poll::Ready(Ok(None));
        }
        self.waits.fetch_add(1, Ordering::Relaxed);
        state.readers.push(context.waker().clone());
        Poll::Pending
    }
}

impl Input for Pipe {
    fn poll_next(&self, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.poll(None, context)
    }

    fn senders(&self) -> usize {
        self.expected
    }

    fn poll_from(&self, sender: usize, context: &mut Context<'_>) -> Poll<Result<Option<RecordBatch>>> {
        self.poll(Some(sender), context)
    }

    fn close(&self) {
        self.change(|state| {
            state.is_closed = true;
            state.batches.clear();
        });
    }
}

/// The streams of one sending instance, each with its number there: senders are numbered as they are made.
pub struct Ways {
    pipes: Vec<(Arc<Pipe>, usize)>,
    is_ended: AtomicBool,
    rows: AtomicU64,
}

impl Ways {
    pub fn new(pipes: Vec<Arc<Pipe>>) -> Arc<Self> {
        let numbered = |pipe: Arc<Pipe>| {
            let number = pipe.made.fetch_add(1, Ordering::Relaxed);
            (pipe, number)
        };
        let pipes = pipes.into_iter().map(numbered).collect();
        Arc::new(Self { pipes, is_ended: AtomicBool::new(false), rows: AtomicU64::new(0) })
    }
}

impl Output for Ways {
    fn receivers(&self) -> usize {
        self.pipes.len()
    }

    fn poll_ready(&self, receiver: usize, context: &mut Context<'_>) -> Poll<Result<Readiness>> {
        let (pipe, number) = &self.pipes[receiver];
        let mut state = pipe.state.lock().unwrap();
        if state.is_closed {
            return Poll::Ready(Ok(Readiness::Closed));
        }
        let under_way = state.batches.iter().filter(|(sender, _)| sender == number).count();
        if under_way < pipe.credits {
            return Poll::Ready(Ok(Readiness::Ready));
        }
        pipe.waits.fetch_add(1, Ordering::Relaxed);
        state.writers.push(context.waker().clone());
        Poll::Pending
    }

    fn send(&self, receiver: usize, batch: &RecordBatch) -> Result<()> {
        let (pipe, number) = &self.pipes[receiver];
        assert!(!self.is_ended.load(Ordering::Relaxed) || pipe.is_closed(), "rows after the end");
        self.rows.fetch_add(batch.num_rows() as u64, Ordering::Relaxed);
        pipe.change(|state| {
            if !state.is_closed {
                state.batches.push_back((*number, batch.clone()));
            }
        });
        Ok(())
    }

    fn end(&self, result: Result<()>) {
        if self.is_ended.swap(true, Ordering::Relaxed) {
            return;
        }
        for (pipe, number) in &self.pipes {
            pipe.change(|state| {
                state.senders -= 1;
                state.ended.push(*number);
                if let Err(error) = &result {
                    state.error.get_or_insert(error.clone());
                }
            });
        }
    }

    fn sent(&self) -> (u64, u64) {
        let rows = self.rows.load(Ordering::Relaxed);
        (8 * rows, rows)
    }
}
