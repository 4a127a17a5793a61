//! How much memory there is, and what part of it goes to what.
//!
//! What is left over is for all that is not accounted: files that are written, the catalog, connections, the program itself.

use std::path::Path;

/// The part of what there is that all queries of a process may hold together, and one query, unless told otherwise.
const QUERIES_PERCENT: u64 = 60;
/// The part that the cache of decoded columns may take.
const COLUMN_CACHE_PERCENT: u64 = 25;

/// Bytes that queries may hold; `None` where the machine does not say how much it has.
pub fn default_limit() -> Option<u64> {
    Some(total()? / 100 * QUERIES_PERCENT)
}

/// Bytes that the cache of decoded columns may take; none where the machine does not say how much memory it has.
pub fn column_cache_limit() -> usize {
    total().and_then(|bytes| usize::try_from(bytes / 100 * COLUMN_CACHE_PERCENT).ok()).unwrap_or(0)
}

/// Bytes of the machine, or of the control group that this process is in, whichever is less.
fn total() -> Option<u64> {
    machine().into_iter().chain(control_group()).min()
}

fn machine() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemTotal:"))?;
    let kibibytes: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    Some(kibibytes * 1024)
}

/// The least limit of the groups that this process is in: containers and services are bounded so.
fn control_group() -> Option<u64> {
    let groups = std::fs::read_to_string("/proc/self/cgroup").ok()?;
    least_limit(&groups, Path::new("/sys/fs/cgroup"))
}

/// Of version 2 (`0::/path`) or 1 (`7:memory:/path`), of a group and those around it.
fn least_limit(groups: &str, root: &Path) -> Option<u64> {
    let mut limits = Vec::new();
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, file) = match controllers {
            "" => (root.to_owned(), "memory.max"),
            _ if controllers.split(',').any(|name| name == "memory") => {
                (root.join("memory"), "memory.limit_in_bytes")
            }
            _ => continue,
        };
        // Where a container sees only its own groups, the path may not be there, but what is around it is.
        for group in Path::new(path.trim_start_matches('/')).ancestors() {
            let text = std::fs::read_to_string(root.join(group).join(file)).unwrap_or_default();
            limits.extend(text.trim().parse::<u64>());
        }
    }
    limits.into_iter().min()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_limit_of_the_groups_counts() {
        let root = tempfile::tempdir().unwrap();
        let write = |group: &str, file: &str, text: &str| {
            std::fs::create_dir_all(root.path().join(group)).unwrap();
            std::fs::write(root.path().join(group).join(file), text).unwrap();
        };
        write("services/nyala", "memory.max", "max\n");
        write("services", "memory.max", "5000000\n");
        write("memory/box", "memory.limit_in_bytes", "4000000\n");
        assert_eq!(least_limit("0::/services/nyala\n", root.path()), Some(5_000_000));
        assert_eq!(least_limit("5:cpu:/box\n4:memory,x:/box/inner\n", root.path()), Some(4_000_000));
        assert_eq!(least_limit("0::/elsewhere\nrubbish\n", root.path()), None);
    }
}
