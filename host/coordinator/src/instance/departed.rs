//! Attempts that were ended here: what comes late for them is refused.

use std::collections::{HashSet, VecDeque};

use nyala_schema::cluster::Attempt;

/// Remembers the last so many.
#[derive(Debug)]
pub(crate) struct Departed {
    attempts_max: usize,
    known: HashSet<Attempt>,
    in_order: VecDeque<Attempt>,
}

impl Departed {
    pub(crate) fn new(attempts_max: usize) -> Self {
        Self { attempts_max, known: HashSet::new(), in_order: VecDeque::new() }
    }

    pub(crate) fn add(&mut self, attempt: Attempt) {
        if !self.known.insert(attempt) {
            return;
        }
        self.in_order.push_back(attempt);
        if self.in_order.len() > self.attempts_max
            && let Some(oldest) = self.in_order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, attempt: Attempt) -> bool {
        self.known.contains(&attempt)
    }
}

#[cfg(test)]
mod tests {
    use nyala_schema::cluster::QueryId;

    use super::*;

    #[test]
    fn the_last_are_remembered_and_no_more() {
        let attempt = |query| Attempt { query: QueryId(query), number: 0 };
        let mut departed = Departed::new(3);
        (0..5).for_each(|query| departed.add(attempt(query)));
        departed.add(attempt(4));
        let known: Vec<bool> = (0..5).map(|query| departed.contains(attempt(query))).collect();
        assert_eq!(known, [false, false, true, true, true]);
    }
}
