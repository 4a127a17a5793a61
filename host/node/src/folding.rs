//! User code that runs while a query is planned.

use std::time::{Duration, Instant};

use nyala_pipeline::guest::{GuestUsage, Supervisor};
use nyala_schema::Result;
use nyala_schema::guest::GuestCode;

/// The longest that one call may take: planning must not wait for code that spins. What takes longer is left to the
/// execution.
const TIME_MAX: Duration = Duration::from_millis(100);

/// Ends a call when its time is over.
pub struct Folding {
    deadline: Instant,
}

impl Folding {
    pub fn start() -> Self {
        Self { deadline: Instant::now() + TIME_MAX }
    }
}

impl Supervisor for Folding {
    fn is_cancelled(&self) -> bool {
        Instant::now() >= self.deadline
    }

    fn grow(&self, _: u64) -> Result<()> {
        Ok(())
    }

    fn shrink(&self, _: u64) {}

    fn record(&self, _: &GuestCode, _: &GuestUsage) {}

    fn blames(&self) -> bool {
        false
    }
}
