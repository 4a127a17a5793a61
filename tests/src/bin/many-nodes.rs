//! Many nodes in this process, and many queries of many fragments at once: `many-nodes NODES QUERIES`. Tells as JSON how many
//! succeed, and how many connections, threads and file descriptors they take.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nyala_tests::{Database, Nodes};

/// Each gives a fragment that groups what nodes send, beside the one that scans.
const PARTS: usize = 48;
const ROWS: usize = 20_000;
/// Between two looks at what the process holds.
const LOOK_EVERY: Duration = Duration::from_millis(20);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [nodes, queries] = arguments.as_slice() else { bail!("many-nodes NODES QUERIES") };
    let (count, queries): (usize, usize) = (nodes.parse()?, queries.parse()?);
    raise_descriptor_limit()?;
    let nodes = Nodes::start(count);
    let mut first = nodes.database(0);
    first.ok("CREATE TABLE t (n BIGINT NOT NULL)");
    first.ok(&format!("INSERT INTO t SELECT n FROM generate_series(1, {ROWS}) AS s(n)"));
    let sql = question();
    let fragments =
        first.ok(&format!("EXPLAIN {sql}")).iter().filter(|line| line.contains("fragment")).count();
    let held = Held::default();
    let start = Instant::now();
    let succeeded = std::thread::scope(|scope| {
        scope.spawn(|| held.watch());
        let asking: Vec<_> = (0..queries)
            .map(|query| {
                let mut database = nodes.database(query % count);
                let sql = &sql;
                scope.spawn(move || database.query(sql).inspect_err(|error| eprintln!("{error:?}")).is_ok())
            })
            .collect();
        let succeeded = asking.into_iter().filter_map(|query| query.join().ok()).filter(|ok| *ok).count();
        held.is_over.store(true, Ordering::Relaxed);
        succeeded
    });
    let seconds = start.elapsed().as_secs_f64();
    // Each grouping fragment gets rows of all nodes on all nodes; then all send to one.
    let streams = queries * PARTS * (count * count + count);
    println!(
        "{}",
        serde_json::json!({
            "succeeded_part": succeeded as f64 / queries as f64,
            "seconds": seconds,
            "fragments": fragments,
            "instances": fragments * count * queries,
            "streams": streams,
            "connections_per_pair_max": connections_per_pair(&nodes, count),
            "threads_per_node": held.threads.load(Ordering::Relaxed) as f64 / count as f64,
            "descriptors_per_node": held.descriptors.load(Ordering::Relaxed) as f64 / count as f64,
        })
    );
    Ok(())
}

fn question() -> String {
    let part = |part: usize| {
        format!("SELECT n % {} AS k, count(*) AS c FROM t GROUP BY n % {}", part + 997, part + 997)
    };
    let parts: Vec<String> = (0..PARTS).map(part).collect();
    format!("SELECT count(*), sum(c) FROM ({}) AS all_parts", parts.join(" UNION ALL "))
}

/// The most connections that any node has with any other.
fn connections_per_pair(nodes: &Nodes, count: usize) -> usize {
    let of_node = |index: usize| {
        let mut database: Database = nodes.database(index);
        let mut by_peer = BTreeMap::<String, usize>::new();
        for node in database.ok("SELECT node FROM system.connections WHERE node IS NOT NULL") {
            *by_peer.entry(node).or_default() += 1;
        }
        by_peer.into_values().max().unwrap_or(0)
    };
    (0..count).map(of_node).max().unwrap_or(0)
}

/// The most that the process had at once.
#[derive(Default)]
struct Held {
    threads: AtomicUsize,
    descriptors: AtomicUsize,
    is_over: AtomicBool,
}

impl Held {
    fn watch(&self) {
        while !self.is_over.load(Ordering::Relaxed) {
            self.threads.fetch_max(entries("/proc/self/task"), Ordering::Relaxed);
            self.descriptors.fetch_max(entries("/proc/self/fd"), Ordering::Relaxed);
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

/// # Panics
/// Where the system does not tell.
fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("a process may look at itself").count()
}

/// One process stands for many: it may hold what they may together.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit of file descriptors")
}
