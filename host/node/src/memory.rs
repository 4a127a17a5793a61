//! How much memory the machine has.

/// Share of the machine's memory that one query may use unless told otherwise.
const SHARE_PERCENT: u64 = 80;

/// The part of the machine's memory that the cache of decoded columns may take.
const COLUMN_CACHE_PERCENT: u64 = 25;

/// The default memory limit of a query, bytes; `None` where the machine does not say how much it has.
pub fn default_limit() -> Option<u64> {
    Some(total()? / 100 * SHARE_PERCENT)
}

/// Bytes that the cache of decoded columns may take; none where the machine does not say how much memory it has.
pub fn column_cache_limit() -> usize {
    total().and_then(|bytes| usize::try_from(bytes / 100 * COLUMN_CACHE_PERCENT).ok()).unwrap_or(0)
}

/// Bytes of the machine's memory.
fn total() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}
