//! The time of a statement: all guests that run for it see the same.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{SystemTime, UNIX_EPOCH};

use nyala_pipeline::guest::Supervisor;

/// When statements that are running began to call guests.
#[derive(Default)]
pub(crate) struct StatementClock(Mutex<Vec<(Weak<dyn Supervisor>, i64)>>);

impl StatementClock {
    /// Microseconds since 1970 UTC; without a statement, those of now.
    pub(crate) fn now(&self, supervisor: Option<&Arc<dyn Supervisor>>) -> i64 {
        let Some(supervisor) = supervisor else { return microseconds() };
        let mut running = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        running.retain(|(statement, _)| statement.strong_count() > 0);
        let known = running
            .iter()
            .find(|(statement, _)| std::ptr::addr_eq(statement.as_ptr(), Arc::as_ptr(supervisor)));
        if let Some((_, time)) = known {
            return *time;
        }
        let time = microseconds();
        running.push((Arc::downgrade(supervisor), time));
        time
    }
}

fn microseconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
}
