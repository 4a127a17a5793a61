//! The threads that compile while workers already run interpreted.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, PoisonError, Weak};

use crate::code::slot::CodeSlot;
use crate::lock::lock;

/// A handle on the queue of programs to compile; the thread ends when `stop` is called.
#[derive(Clone)]
pub(crate) struct Compiler(Arc<Queue>);

#[derive(Default)]
struct Queue {
    state: Mutex<State>,
    changed: Condvar,
}

/// Bounded by the programs of all running queries: each slot is submitted once.
#[derive(Default)]
struct State {
    waiting: VecDeque<Weak<CodeSlot>>,
    stopped: bool,
}

impl Compiler {
    pub(crate) fn start() -> Self {
        let compiler = Self(Arc::new(Queue::default()));
        let queue = compiler.0.clone();
        // Without the thread everything is interpreted, which is slower but right.
        _ = std::thread::Builder::new().name("nyala-compiler".into()).spawn(move || queue.work());
        compiler
    }

    /// Without a thread: what is submitted stays interpreted.
    pub(crate) fn none() -> Self {
        let compiler = Self(Arc::default());
        compiler.stop();
        compiler
    }

    pub(crate) fn submit(&self, slot: &Arc<CodeSlot>) {
        let mut state = lock(&self.0.state);
        if !state.stopped {
            state.waiting.push_back(Arc::downgrade(slot));
            self.0.changed.notify_one();
        }
    }

    pub(crate) fn stop(&self) {
        lock(&self.0.state).stopped = true;
        self.0.changed.notify_all();
    }
}

impl Queue {
    fn work(&self) {
        while let Some(next) = self.next() {
            // The slot of a query that has ended meanwhile is gone.
            if let Some(slot) = next.upgrade() {
                // A panic of the compiler leaves the program interpreted.
                _ = catch_unwind(AssertUnwindSafe(|| slot.compile()));
            }
        }
    }

    fn next(&self) -> Option<Weak<CodeSlot>> {
        let mut state = lock(&self.state);
        loop {
            if state.stopped {
                return None;
            }
            if let Some(slot) = state.waiting.pop_front() {
                return Some(slot);
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
