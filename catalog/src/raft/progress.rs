//! What a replica has applied, and who waits for it.

use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use crate::snapshot::Snapshot;

#[derive(Clone, Default)]
pub struct Applied {
    /// Of the log: entries of openraft's own count too.
    pub index: u64,
    pub snapshot: Arc<Snapshot>,
}

/// Waiters are woken in the order in which they came. A `tokio::sync::watch` wakes them in a random order, and a run of the
/// simulation could not be repeated.
#[derive(Default)]
pub struct Progress {
    applied: Mutex<Applied>,
    changed: Notify,
}

impl Progress {
    pub fn now(&self) -> Applied {
        self.applied.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub fn set(&self, applied: Applied) {
        *self.applied.lock().unwrap_or_else(PoisonError::into_inner) = applied;
        self.changed.notify_waiters();
    }

    /// What has been applied, as soon as something holds of it.
    pub async fn when(&self, holds: impl Fn(&Applied) -> bool) -> Applied {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            // From here on no change is missed.
            changed.as_mut().enable();
            let applied = self.now();
            if holds(&applied) {
                return applied;
            }
            changed.await;
        }
    }
}
