//! What a query took, operator by operator and program by program.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::Duration;

use nyala_pipeline::guest::GuestUsage;
use nyala_schema::guest::GuestCode;
use nyala_schema::id::OperatorId;

/// Complete once the query has ended; a snapshot before.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Profile {
    /// Operators that do something of their own; a filter fused into a scan, say, is counted there.
    pub operators: BTreeMap<OperatorId, OperatorProfile>,
    /// Compiled or interpreted row code, in the order of the pipelines.
    pub programs: Vec<ProgramProfile>,
    /// What each function and operator of users took, by name.
    pub guests: Vec<(GuestCode, GuestUsage)>,
    /// Rows given to the client.
    pub rows: u64,
    pub elapsed: Duration,
    /// Sum over the programs.
    pub compiling: Duration,
    pub peak_memory_bytes: u64,
    pub bytes_read: u64,
}

/// One operator.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OperatorProfile {
    pub name: String,
    /// A join: probe rows.
    pub rows_in: u64,
    pub rows_out: u64,
    /// A join: rows of the build side.
    pub rows_built: u64,
    /// Sum over the workers.
    pub time: Duration,
    pub peak_memory_bytes: u64,
    pub bytes_read: u64,
    /// A scan: parts (row groups) read, and parts that runtime filters ruled out.
    pub morsels: u64,
    pub morsels_pruned: u64,
    /// A scan: rows that runtime filters dropped.
    pub rows_filtered: u64,
}

/// One program.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgramProfile {
    pub operator: OperatorId,
    /// The backend that ran its last batch.
    pub backend: Cow<'static, str>,
    pub statements: usize,
    pub batches: u64,
    pub rows: u64,
    /// Zero when it was only interpreted.
    pub compiling: Duration,
    /// Batches that were interpreted before the code was ready; `None` when it never switched.
    pub switched_at: Option<u64>,
}

impl Profile {
    /// `interpreter`, `native`, or `mixed` when some batches were interpreted and others not; empty without code.
    pub fn backend(&self) -> &str {
        let mut ran = self.programs.iter().filter(|program| program.batches > 0);
        let Some(first) = ran.next() else { return "" };
        let switched = self.programs.iter().any(|p| p.switched_at.is_some_and(|batch| batch > 0));
        if switched || ran.any(|program| program.backend != first.backend) {
            return "mixed";
        }
        &first.backend
    }
}
