//! Attempts that are no more.

use std::collections::{HashMap, VecDeque};

use nyala_schema::Error;
use nyala_schema::cluster::Attempt;

/// The last ones, up to a limit, and what their inputs and outputs fail with.
pub(super) struct Released {
    known: HashMap<Attempt, Error>,
    order: VecDeque<Attempt>,
    limit: usize,
}

impl Released {
    pub fn new(limit: usize) -> Self {
        Self { known: HashMap::new(), order: VecDeque::new(), limit: limit.max(1) }
    }

    pub fn add(&mut self, attempt: Attempt, error: Error) {
        if self.known.insert(attempt, error).is_some() {
            return;
        }
        self.order.push_back(attempt);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.known.remove(&oldest);
        }
    }

    pub fn error(&self, attempt: Attempt) -> Option<&Error> {
        self.known.get(&attempt)
    }
}
