//! Pools share out what the cluster can run at once.

use std::time::Duration;

/// Queries that are counted together. What is `None` has no limit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    pub name: String,
    /// Queries that run at once.
    pub slots: Option<u32>,
    /// Bytes that its queries may hold together, by their memory limits.
    pub memory_bytes: Option<u64>,
    /// Queries that wait; one more is refused.
    pub queue_length: u32,
    /// A query that waited for so long is refused.
    pub queue_timeout: Duration,
    /// Queries of one user that run at once.
    pub per_user: Option<u32>,
    /// Among the pools: where a slot of all becomes free, the greatest goes first.
    pub priority: i32,
}

pub const DEFAULT_POOL: &str = "default";
const DEFAULT_QUEUE_LENGTH: u32 = 1000;
const DEFAULT_QUEUE_TIMEOUT: Duration = Duration::from_secs(60);

impl Default for Pool {
    fn default() -> Self {
        Self {
            name: DEFAULT_POOL.to_owned(),
            slots: None,
            memory_bytes: None,
            queue_length: DEFAULT_QUEUE_LENGTH,
            queue_timeout: DEFAULT_QUEUE_TIMEOUT,
            per_user: None,
            priority: 0,
        }
    }
}

impl Pool {
    pub fn is_limited(&self) -> bool {
        self.slots.is_some() || self.memory_bytes.is_some() || self.per_user.is_some()
    }
}
