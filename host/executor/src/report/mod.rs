//! What a query did and took: counters while it runs, a profile for people.

pub(crate) mod counters;
mod merge;
pub mod profile;
pub mod statistics;
mod text;

pub(crate) use counters::{Counters, OperatorCounters};
pub use profile::{OperatorProfile, Profile, ProgramProfile};
pub use statistics::InstanceStatistics;

/// How far a running query is.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Progress {
    /// Part of all scan rows that are done, 0 to 1.
    pub fraction: f64,
    pub rows_scanned: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
}
