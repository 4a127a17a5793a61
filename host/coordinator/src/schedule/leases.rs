//! The morsels of a scan, handed out in leases to the instances that read it: each once.

use std::collections::VecDeque;

/// Morsels of one lease at most.
const LEASE_MORSELS_MAX: usize = 64;
const LEASE_MORSELS_MIN: usize = 2;

/// What one instance gets.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Share {
    /// Positions in the scanner's morsels.
    pub(crate) morsels: Vec<u32>,
    /// There is nothing left for anybody.
    pub(crate) is_last: bool,
}

/// One scan. Instances are counted as those of its fragment.
#[derive(Debug)]
pub(crate) struct ScanLeases {
    instances: Vec<Instance>,
}

#[derive(Debug, Default)]
struct Instance {
    /// Its own, not handed out yet.
    queue: VecDeque<u32>,
    /// The number of its last request, and the answer: one that is asked again gets it again.
    answered: (u32, Share),
    given: u64,
}

impl ScanLeases {
    /// `preferred` has the morsels that each instance reads first.
    pub(crate) fn new(preferred: Vec<Vec<u32>>) -> Self {
        let instance = |queue: Vec<u32>| Instance { queue: queue.into(), ..Instance::default() };
        Self { instances: preferred.into_iter().map(instance).collect() }
    }

    /// What every instance begins with: everything, if that is no more than `at_once` for each.
    pub(crate) fn begin(&mut self, at_once: usize) -> Vec<Share> {
        let whole = self.left() <= at_once * self.instances.len();
        let sizes: Vec<usize> = if whole {
            vec![usize::MAX; self.instances.len()]
        } else {
            vec![self.lease(); self.instances.len()]
        };
        let given: Vec<_> =
            sizes.iter().enumerate().map(|(index, size)| self.take(index, index, *size)).collect();
        let is_last = self.left() == 0;
        given.into_iter().map(|morsels| Share { morsels, is_last }).collect()
    }

    /// More for an instance: of its own, or else of those of whoever has most left. Requests are numbered from 1.
    /// An instance that is not there gets nothing.
    pub(crate) fn more(&mut self, instance: usize, number: u32) -> Share {
        match self.instances.get(instance).map(|known| &known.answered) {
            None => return Share { morsels: vec![], is_last: true },
            Some((answered, share)) if *answered >= number => return share.clone(),
            Some(_) => {}
        }
        let size = self.lease();
        let morsels = if self.instances[instance].queue.is_empty() {
            let slowest = (0..self.instances.len()).max_by_key(|&other| self.instances[other].queue.len());
            let slowest = slowest.unwrap_or(instance);
            let half = self.instances[slowest].queue.len().div_ceil(2);
            self.take(slowest, instance, size.min(half))
        } else {
            self.take(instance, instance, size)
        };
        let share = Share { morsels, is_last: self.left() == 0 };
        self.instances[instance].answered = (number, share.clone());
        share
    }

    /// Handed out to an instance so far.
    pub(crate) fn given(&self, instance: usize) -> u64 {
        self.instances.get(instance).map_or(0, |instance| instance.given)
    }

    /// From the front of one's own, from the back of another's.
    fn take(&mut self, from: usize, to: usize, size: usize) -> Vec<u32> {
        let queue = &mut self.instances[from].queue;
        let size = size.min(queue.len());
        let taken: Vec<u32> = if from == to {
            queue.drain(..size).collect()
        } else {
            queue.split_off(queue.len() - size).into()
        };
        self.instances[to].given += taken.len() as u64;
        taken
    }

    fn left(&self) -> usize {
        self.instances.iter().map(|instance| instance.queue.len()).sum()
    }

    /// Guided: large at first, small towards the end, so that nobody is left with much when the others are done.
    fn lease(&self) -> usize {
        let parts = 2 * self.instances.len().max(1);
        (self.left() / parts).clamp(LEASE_MORSELS_MIN, LEASE_MORSELS_MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn even(instances: u32, each: u32) -> ScanLeases {
        ScanLeases::new((0..instances).map(|i| (i * each..(i + 1) * each).collect()).collect())
    }

    #[test]
    fn small_scans_are_given_whole() {
        let mut leases = even(3, 4);
        let shares = leases.begin(4);
        assert!(shares.iter().all(|share| share.is_last && share.morsels.len() == 4));
        assert_eq!(leases.more(1, 1), Share { morsels: vec![], is_last: true });
    }

    #[test]
    fn every_morsel_is_given_once_and_a_slow_instance_gets_few() {
        let mut leases = even(3, 100);
        let mut seen: Vec<u32> = leases.begin(4).into_iter().flat_map(|share| share.morsels).collect();
        // The first asks ten times as often as the others.
        let mut numbers = [0; 3];
        for turn in 0.. {
            let instance = if turn % 12 < 10 { 0 } else { turn % 12 - 9 };
            numbers[instance] += 1;
            let share = leases.more(instance, numbers[instance]);
            seen.extend(share.morsels);
            if share.is_last {
                break;
            }
        }
        seen.sort_unstable();
        assert_eq!(seen, (0..300).collect::<Vec<_>>());
        assert!(leases.given(0) > 2 * leases.given(1), "{} and {}", leases.given(0), leases.given(1));
        assert_eq!(leases.given(0) + leases.given(1) + leases.given(2), 300);
    }

    #[test]
    fn a_request_that_is_made_again_gets_the_same() {
        let mut leases = even(2, 50);
        leases.begin(4);
        let first = leases.more(0, 1);
        assert!(!first.morsels.is_empty());
        assert_eq!(leases.more(0, 1), first);
        assert_ne!(leases.more(0, 2), first);
    }

    #[test]
    fn leases_get_smaller() {
        let mut leases = even(2, 1000);
        let sizes: Vec<usize> = (1..200).map(|number| leases.more(0, number).morsels.len()).collect();
        assert_eq!(sizes[0], LEASE_MORSELS_MAX);
        assert_eq!(sizes.iter().sum::<usize>(), 2000);
        let last = sizes.iter().rfind(|size| **size > 0);
        assert!(last.is_some_and(|size| *size <= LEASE_MORSELS_MIN), "{last:?}");
    }

    #[test]
    fn nobody_there_gets_nothing() {
        assert!(even(2, 10).more(7, 1).is_last);
        assert!(ScanLeases::new(vec![vec![], vec![]]).begin(4).iter().all(|share| share.is_last));
    }
}
