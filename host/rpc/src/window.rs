//! How many bytes of batches may be under way on a connection: as many as keep it busy, and no control call waiting long.
//!
//! How long a batch takes to arrive tells. The least that it took is the way itself; what is more than that, it waited behind
//! others, as a control call would. The window shrinks while that is too long and grows while it is short and the window is
//! full, in the manner of TCP Vegas (Brakmo and Peterson, 1995). So it follows the link, and what both sides' processors do.

use std::cell::Cell;
use std::time::Duration;

use tokio::time::Instant;

/// What batches may wait behind each other.
const WAIT_MAX: Duration = Duration::from_millis(1);
/// The window shrinks no further: what a link of 1 Gb/s carries in four milliseconds.
const WINDOW_MIN: u64 = 512 << 10;
/// Of the bytes that arrived, by how much it grows or shrinks: one in three may wait too long.
const GROW_BY: u64 = 4;
const SHRINK_BY: u64 = 2;
/// The least time that a batch took is of this time, or of the one before, as ways change. It begins with a small window:
/// otherwise the wait itself would be learned as the way.
const EPOCH: Duration = Duration::from_secs(10);

pub(crate) struct Window {
    max: u64,
    bytes: Cell<u64>,
    epoch: Cell<Instant>,
    /// The least that a batch took, in this epoch and in the last.
    least: Cell<[Duration; 2]>,
}

impl Window {
    pub(crate) fn new(max: u64, now: Instant) -> Self {
        Self {
            max,
            bytes: Cell::new(max),
            epoch: Cell::new(now),
            least: Cell::new([Duration::MAX, Duration::MAX]),
        }
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes.get()
    }

    /// A batch of `bytes` that left at `left` has arrived; `was_full` when others waited for it.
    pub(crate) fn arrived(&self, bytes: u64, left: Instant, now: Instant, was_full: bool) {
        if now.saturating_duration_since(self.epoch.get()) > EPOCH {
            self.begin_epoch(now);
        }
        let took = now.saturating_duration_since(left);
        let waited = took.saturating_sub(self.least(took));
        let window = if waited > WAIT_MAX {
            self.bytes.get().saturating_sub(bytes / SHRINK_BY)
        } else if was_full {
            self.bytes.get().saturating_add(bytes / GROW_BY)
        } else {
            return;
        };
        self.bytes.set(window.clamp(self.min(), self.max));
    }

    fn min(&self) -> u64 {
        WINDOW_MIN.min(self.max)
    }

    fn begin_epoch(&self, now: Instant) {
        let [last, _] = self.least.get();
        self.epoch.set(now);
        self.least.set([Duration::MAX, last]);
        self.bytes.set(self.min());
    }

    /// The least that a batch took of late, this one among them.
    fn least(&self, took: Duration) -> Duration {
        let [this, last] = self.least.get();
        self.least.set([this.min(took), last]);
        this.min(took).min(last)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 4 << 20;
    const BATCH: u64 = 256 << 10;

    /// Batches over a link of so many bytes a second, each after the other, a way of `way` long; the least, the most and the
    /// last that the window was in the second half.
    fn over(rate: f64, way: Duration, batches: usize) -> [u64; 3] {
        let start = Instant::now();
        let window = Window::new(MAX, start);
        let (mut under_way, mut now, mut free_at) = (std::collections::VecDeque::new(), start, start);
        let mut windows = Vec::new();
        for _ in 0..batches {
            while (under_way.len() as u64) * BATCH < window.bytes() {
                free_at = free_at.max(now) + Duration::from_secs_f64(BATCH as f64 / rate);
                under_way.push_back((now, free_at + way));
            }
            let (left, at) = under_way.pop_front().unwrap();
            now = at;
            window.arrived(BATCH, left, now, true);
            windows.push(window.bytes());
        }
        let settled = &windows[batches / 2..];
        [*settled.iter().min().unwrap(), *settled.iter().max().unwrap(), window.bytes()]
    }

    #[test]
    fn a_window_is_what_the_link_carries_in_the_time_that_a_call_may_wait() {
        let none = Duration::ZERO;
        assert_eq!(over(10e9, none, 1000), [MAX; 3], "a fast one");
        // Two million bytes in a millisecond.
        let [least, most, last] = over(2e9, none, 1000);
        assert_eq!([least, most], [983_040, 2_686_976]);
        assert!((1_500_000..3_000_000).contains(&last), "{last}");
        let [least, most, last] = over(1e6, none, 100);
        assert_eq!([least, most], [WINDOW_MIN, WINDOW_MIN + BATCH * 3 / 4]);
        assert!((WINDOW_MIN..=WINDOW_MIN + BATCH).contains(&last), "{last}");
    }

    #[test]
    fn a_long_way_is_no_wait() {
        assert_eq!(over(10e9, Duration::from_millis(20), 1000), [MAX; 3]);
    }

    #[test]
    fn a_way_that_got_longer_is_learned() {
        let start = Instant::now();
        let window = Window::new(MAX, start);
        let arrive = |hundredth: u64, took: u64| {
            let now = start + Duration::from_millis(hundredth * 10);
            window.arrived(BATCH, now - Duration::from_millis(took), now, true);
        };
        (10..900).for_each(|at| arrive(at, 1));
        assert_eq!(window.bytes(), MAX);
        (900..1000).for_each(|at| arrive(at, 20));
        assert_eq!(window.bytes(), WINDOW_MIN);
        (1000..3500).for_each(|at| arrive(at, 20));
        assert_eq!(window.bytes(), MAX);
    }

    #[test]
    fn a_small_limit_is_held() {
        let now = Instant::now();
        let window = Window::new(1000, now);
        window.arrived(500, now, now, true);
        window.arrived(500, now, now + WAIT_MAX * 2, true);
        assert_eq!(window.bytes(), 1000);
    }
}
