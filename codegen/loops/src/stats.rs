//! How much was compiled, for metrics and for people.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Totals since the backend was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CompileStats {
    /// Programs asked for and found ready.
    pub hits: u64,
    /// Programs planned because they were not there.
    pub misses: u64,
    /// Programs put out to make room.
    pub evictions: u64,
    /// Programs kept now.
    pub cached: u64,
    /// Machine-code functions made.
    pub functions: u64,
    /// Time spent making them, in nanoseconds.
    pub compile_ns: u64,
    /// Bytes of machine code made.
    pub code_bytes: u64,
    /// Batches that compiled code gave up and the interpreter then ran without an error: mistakes of ours.
    pub disagreements: u64,
}

#[derive(Debug, Default)]
pub struct Counters {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub evictions: AtomicU64,
    pub disagreements: AtomicU64,
    functions: AtomicU64,
    compile_ns: AtomicU64,
    code_bytes: AtomicU64,
}

impl Counters {
    pub fn compiled(&self, took: Duration, bytes: usize) {
        self.functions.fetch_add(1, Ordering::Relaxed);
        self.compile_ns.fetch_add(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.code_bytes.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub fn read(&self, cached: usize) -> CompileStats {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        CompileStats {
            hits: get(&self.hits),
            misses: get(&self.misses),
            evictions: get(&self.evictions),
            cached: cached as u64,
            functions: get(&self.functions),
            compile_ns: get(&self.compile_ns),
            code_bytes: get(&self.code_bytes),
            disagreements: get(&self.disagreements),
        }
    }
}
