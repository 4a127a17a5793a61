//! What a running instance has done so far, small enough to be sent around often.

use std::time::Duration;

/// Of one instance of a fragment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InstanceStatistics {
    /// Rows that scans read.
    pub rows_scanned: u64,
    /// Of `rows_total`: rows of scans that are done, those ruled out by filters included.
    pub rows_passed: u64,
    /// Rows of the parts that the instance scans, as far as it has been handed them.
    pub rows_total: u64,
    pub bytes_read: u64,
    pub memory_bytes: u64,
    pub memory_peak_bytes: u64,
    /// Rows given to the client or sent to the next fragment.
    pub rows_out: u64,
    /// Bytes sent to the next fragment.
    pub bytes_out: u64,
    pub elapsed: Duration,
    pub is_over: bool,
}
