//! How an instance ends, and who is told.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Mutex;

use nyala_schema::Result;

use crate::lock::lock;

/// Told of the end.
pub(crate) type Callback = Box<dyn FnOnce(Result<()>) + Send>;

/// Whether everything that ran of an instance has ended.
#[derive(Default)]
pub(crate) struct Over(Mutex<State>);

#[derive(Default)]
struct State {
    result: Option<Result<()>>,
    callbacks: Vec<Callback>,
}

impl Over {
    pub(crate) fn is_over(&self) -> bool {
        lock(&self.0).result.is_some()
    }

    /// Calls it once, now or when it is over.
    pub(crate) fn when(&self, callback: Callback) {
        let result = {
            let mut state = lock(&self.0);
            match &state.result {
                Some(result) => result.clone(),
                None => return state.callbacks.push(callback),
            }
        };
        callback(result);
    }

    /// It is over; only the first time counts.
    pub(crate) fn set(&self, result: Result<()>) {
        let callbacks = {
            let mut state = lock(&self.0);
            if state.result.is_some() {
                return;
            }
            state.result = Some(result.clone());
            std::mem::take(&mut state.callbacks)
        };
        for callback in callbacks {
            guarded(|| callback(result.clone()));
        }
    }
}

/// Runs what is not ours, and must not keep us from ending properly.
pub(crate) fn guarded(foreign: impl FnOnce()) {
    _ = catch_unwind(AssertUnwindSafe(foreign));
}
