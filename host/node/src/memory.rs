//! How much memory the machine has.

/// Share of the machine's memory that one query may use unless told otherwise.
const SHARE_PERCENT: u64 = 80;

/// The default memory limit of a query, bytes; `None` where the machine does not say how much it has.
pub fn default_limit() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024 / 100 * SHARE_PERCENT)
}
