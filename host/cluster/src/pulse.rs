//! How long a node has been silent, and how unusual that is.
//!
//! Phi-accrual (Hayashibara et al., "The φ accrual failure detector", 2004) in the form that Cassandra and chitchat use: phi is
//! the silence divided by the mean of the last intervals between signs of life.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

/// Intervals that make the mean.
const INTERVALS_MAX: usize = 64;
/// Weight of the expected interval, so that the first few real ones do not rule.
const PRIOR_WEIGHT: u32 = 5;

/// The signs of life of one node.
#[derive(Debug, Clone)]
pub struct Pulse {
    heard: Instant,
    intervals: VecDeque<Duration>,
    sum: Duration,
    /// Expected before anything is known.
    prior: Duration,
    /// Longer ones are breaks, and say nothing of what is usual.
    interval_max: Duration,
}

impl Pulse {
    pub fn new(now: Instant, prior: Duration, interval_max: Duration) -> Self {
        Self { heard: now, intervals: VecDeque::new(), sum: Duration::ZERO, prior, interval_max }
    }

    pub fn beat(&mut self, now: Instant) {
        let interval = now.saturating_duration_since(self.heard);
        self.heard = now;
        if interval > self.interval_max {
            return;
        }
        self.intervals.push_back(interval);
        self.sum += interval;
        if self.intervals.len() > INTERVALS_MAX {
            self.sum -= self.intervals.pop_front().unwrap_or_default();
        }
    }

    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    pub fn phi(&self, now: Instant) -> f64 {
        let count = PRIOR_WEIGHT + u32::try_from(self.intervals.len()).unwrap_or(u32::MAX - PRIOR_WEIGHT);
        let mean = (self.sum + PRIOR_WEIGHT * self.prior) / count;
        self.silence(now).as_secs_f64() / mean.as_secs_f64().max(f64::MIN_POSITIVE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_usual_decides() {
        let start = Instant::now();
        let at = |millis: u64| start + Duration::from_millis(millis);
        let interval_max = Duration::from_secs(3);
        let mut quick = Pulse::new(start, Duration::from_millis(300), interval_max);
        let mut slow = quick.clone();
        for beat in 1..=100 {
            quick.beat(at(beat * 100));
            slow.beat(at(beat * 1000));
        }
        assert!(quick.phi(at(12_000)) > 15.0, "2 s of silence: {}", quick.phi(at(12_000)));
        assert!(slow.phi(at(102_000)) < 3.0, "2 s of silence: {}", slow.phi(at(102_000)));
        quick.beat(at(60_000));
        assert!(quick.phi(at(62_000)) > 15.0, "a break changes nothing of what is usual");
    }
}
