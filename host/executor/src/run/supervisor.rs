//! A query as uploaded code sees it: whether to go on, what it may hold, and where its use is written down.

use nyala_pipeline::guest::{GuestUsage, Supervisor};
use nyala_schema::Result;
use nyala_schema::guest::GuestCode;

use crate::lock::lock;
use crate::run::query::Query;

impl Supervisor for Query {
    fn is_cancelled(&self) -> bool {
        self.is_stopped()
    }

    fn grow(&self, bytes: u64) -> Result<()> {
        self.memory.grow_guests(bytes)
    }

    fn shrink(&self, bytes: u64) {
        self.memory.shrink_guests(bytes);
    }

    fn record(&self, code: &GuestCode, usage: &GuestUsage) {
        let mut all = lock(&self.guest_usage);
        let known = all.entry(code.clone()).or_default();
        known.calls += usage.calls;
        known.rows += usage.rows;
        known.time += usage.time;
        known.traps += usage.traps;
        known.memory_bytes = known.memory_bytes.max(usage.memory_bytes);
    }
}

impl Query {
    /// By name and version.
    pub(super) fn guest_profile(&self) -> Vec<(GuestCode, GuestUsage)> {
        let mut guests: Vec<_> =
            lock(&self.guest_usage).iter().map(|(code, usage)| (code.clone(), *usage)).collect();
        guests.sort_by(|(left, _), (right, _)| {
            (&left.name, left.version, left.module).cmp(&(&right.name, right.version, right.module))
        });
        guests
    }
}
