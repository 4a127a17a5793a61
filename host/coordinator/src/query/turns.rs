//! How many queries run at once on a node.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::lock::lock;

/// One permit for each query that runs; how many there are may change.
pub(crate) struct Turns {
    permits: Arc<Semaphore>,
    /// Given and free ones.
    allowed: Mutex<usize>,
    waiting: AtomicUsize,
}

/// A query that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl<'a> Waiting<'a> {
    fn new(count: &'a AtomicUsize) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Turns {
    pub(crate) fn new() -> Self {
        Self { permits: Arc::new(Semaphore::new(0)), allowed: Mutex::new(0), waiting: AtomicUsize::new(0) }
    }

    /// Waits until fewer than `allowed` run, or than a later caller says. What runs already goes on.
    pub(crate) async fn take(&self, allowed: usize) -> Option<OwnedSemaphorePermit> {
        self.allow(allowed.min(Semaphore::MAX_PERMITS));
        let _waiting = Waiting::new(&self.waiting);
        self.permits.clone().acquire_owned().await.ok()
    }

    /// Queries that have their turn or wait for it.
    pub(crate) fn present(&self) -> usize {
        let given = lock(&self.allowed).saturating_sub(self.permits.available_permits());
        given + self.waiting.load(Ordering::Relaxed)
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

    #[test]
    fn those_that_run_and_those_that_wait_are_present() {
        let turns = Turns::new();
        assert_eq!(turns.present(), 0);
        let two: Vec<_> = (0..2).map(|_| take(&turns, 2).unwrap()).collect();
        assert_eq!(turns.present(), 2);
        let mut third = Box::pin(turns.take(2));
        assert!((&mut third).now_or_never().is_none());
        assert_eq!(turns.present(), 3);
        drop(two);
        let third = third.now_or_never().flatten().unwrap();
        assert_eq!(turns.present(), 1);
        let mut given_up = Box::pin(turns.take(1));
        assert!((&mut given_up).now_or_never().is_none());
        drop(given_up);
        assert_eq!(turns.present(), 1);
        drop(third);
        assert_eq!(turns.present(), 0);
    }
}
