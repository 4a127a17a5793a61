//! How many queries run at once on a node.

use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lock::lock;

/// One permit for each query that runs; how many there are may change.
pub(crate) struct Turns {
    permits: Arc<Semaphore>,
    /// Given and free ones.
    allowed: Mutex<usize>,
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), allowed: Mutex::new(0) }
    }

    /// Waits until fewer than `allowed` run, or than a later caller says. What runs already goes on.
    pub(crate) async fn take(&self, allowed: usize) -> Option<OwnedSemaphorePermit> {
        self.allow(allowed.min(Semaphore::MAX_PERMITS));
        self.permits.clone().acquire_owned().await.ok()
    }

    fn allow(&self, wanted: usize) {
        let mut allowed = lock(&self.allowed);
        if wanted >= *allowed {
            self.permits.add_permits(wanted - *allowed);
            *allowed = wanted;
        } else {
            // Those that are given are taken back by a later call.
            *allowed -= self.permits.forget_permits(*allowed - wanted);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn take(turns: &Turns, allowed: usize) -> Option<OwnedSemaphorePermit> {
        turns.take(allowed).now_or_never().flatten()
    }

    #[test]
    fn as_many_run_as_are_allowed_last() {
        let turns = Turns::new();
        let two: Vec<_> = (0..2).map(|_| take(&turns, 2).unwrap()).collect();
        assert!(take(&turns, 2).is_none());
        let third = take(&turns, 3).unwrap();
        assert!(take(&turns, 1).is_none());
        drop(two);
        assert!(take(&turns, 1).is_none(), "one runs");
        drop(third);
        let one = take(&turns, 1).unwrap();
        assert!(take(&turns, 1).is_none());
        drop(one);
        assert!(take(&turns, usize::MAX).is_some());
    }
}
