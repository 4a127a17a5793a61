//! Many nodes in this process, and many queries of many fragments at once: `many-nodes NODES QUERIES`. Tells as JSON how many
//! succeed, and how many connections, threads and file descriptors they take; and what a small model of the design with a thread
//! for each connection takes.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nyala_tests::thread_per_connection::{self, Held, Load};
use nyala_tests::{Database, Nodes};

/// Each gives a fragment that groups what nodes send, beside the one that scans.
const PARTS: usize = 48;
const ROWS: usize = 20_000;
/// Of the model.
const OLD: Load = Load { nodes: 4, queries: 4, fragments: 8 };
/// Between two looks at what the process holds.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Between two lines of how far it is.
const TELL_EVERY: Duration = Duration::from_secs(5);

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [nodes, queries] = arguments.as_slice() else { bail!("many-nodes NODES QUERIES") };
    let (count, queries): (usize, usize) = (nodes.parse()?, queries.parse()?);
    raise_descriptor_limit()?;
    let old = thread_per_connection::run(OLD, held)?;
    let watch = Watch::default();
    std::thread::scope(|scope| {
        scope.spawn(|| watch.run());
        let outcome = measure(count, queries, &watch);
        watch.is_over.store(true, Relaxed);
        outcome
    })
    .map(|mut outcome| {
        let connections = (OLD.nodes * OLD.connections_of_node()) as f64;
        outcome["old_connections"] = connections.into();
        outcome["old_threads_per_connection"] = (old.threads as f64 / connections).into();
        outcome["old_descriptors_per_connection"] = (old.descriptors as f64 / connections).into();
        println!("{outcome}");
    })
}

fn measure(count: usize, queries: usize, watch: &Watch) -> anyhow::Result<serde_json::Value> {
    let start = Instant::now();
    let nodes = Nodes::start_watched(count, &watch.started);
    let start_s = start.elapsed().as_secs_f64();
    let mut first = nodes.database(0);
    first.ok("CREATE TABLE t (n BIGINT NOT NULL)");
    first.ok(&format!("INSERT INTO t SELECT n FROM generate_series(1, {ROWS}) AS s(n)"));
    let sql = question();
    let fragments = wait_for_all(&mut first, &sql, count)?;
    let start = Instant::now();
    let succeeded = std::thread::scope(|scope| {
        let asking: Vec<_> = (0..queries)
            .map(|query| {
                let mut database = nodes.database(query % count);
                let sql = &sql;
                scope.spawn(move || {
                    let answer = database.query(sql);
                    watch.ended.fetch_add(1, Relaxed);
                    answer.inspect_err(|error| eprintln!("{error:?}")).is_ok()
                })
            })
            .collect();
        asking.into_iter().filter_map(|query| query.join().ok()).filter(|ok| *ok).count()
    });
    let seconds = start.elapsed().as_secs_f64();
    // Between nodes: each grouping fragment gets rows of all nodes on all nodes; then all send to one.
    let streams = queries * PARTS * (count * count - 1);
    let of_node = |most: &AtomicUsize| most.load(Relaxed) as f64 / count as f64;
    Ok(serde_json::json!({
        "succeeded_part": succeeded as f64 / queries as f64,
        "start_seconds": start_s,
        "seconds": seconds,
        "fragments": fragments,
        "instances": fragments * count * queries,
        "streams": streams,
        "connections_per_pair_max": connections_per_pair(&nodes, count),
        "threads_per_node": of_node(&watch.threads),
        "descriptors_per_node": of_node(&watch.descriptors),
        "memory_mib_per_node": peak_memory_mib() / count as f64,
    }))
}

fn question() -> String {
    let part = |part: usize| {
        format!("SELECT n % {} AS k, count(*) AS c FROM t GROUP BY n % {}", part + 997, part + 997)
    };
    let parts: Vec<String> = (0..PARTS).map(part).collect();
    format!("SELECT count(*), sum(c) FROM ({}) AS all_parts", parts.join(" UNION ALL "))
}

/// Waits until every node knows of every other one; gives the fragments of the query.
fn wait_for_all(first: &mut Database, sql: &str, count: usize) -> anyhow::Result<usize> {
    for _ in 0..600 {
        let active = first.ok("SELECT count(*) FROM system.nodes WHERE state = 'active'");
        if active == [count.to_string()] {
            let plan = first.ok(&format!("EXPLAIN {sql}"));
            return Ok(plan.iter().filter(|line| line.contains("fragment")).count());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("not all nodes found each other")
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

/// The most that the process had at once, and how far it is.
#[derive(Default)]
struct Watch {
    threads: AtomicUsize,
    descriptors: AtomicUsize,
    started: AtomicUsize,
    ended: AtomicUsize,
    is_over: AtomicBool,
}

impl Watch {
    fn run(&self) {
        let start = Instant::now();
        let mut told = Instant::now();
        while !self.is_over.load(Relaxed) {
            let now = held();
            self.threads.fetch_max(now.threads, Relaxed);
            self.descriptors.fetch_max(now.descriptors, Relaxed);
            if told.elapsed() >= TELL_EVERY {
                told = Instant::now();
                eprintln!(
                    "{:.0} s: {} nodes started, {} queries ended; {} threads, {} descriptors, {:.0} MiB",
                    start.elapsed().as_secs_f64(),
                    self.started.load(Relaxed),
                    self.ended.load(Relaxed),
                    now.threads,
                    now.descriptors,
                    peak_memory_mib(),
                );
            }
            std::thread::sleep(LOOK_EVERY);
        }
    }
}

fn held() -> Held {
    Held { threads: entries("/proc/self/task"), descriptors: entries("/proc/self/fd") }
}

/// # Panics
/// Where the system does not tell.
fn entries(folder: &str) -> usize {
    std::fs::read_dir(folder).expect("a process may look at itself").count()
}

/// The most that the process has had; not a number where the system does not tell.
fn peak_memory_mib() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")?.trim().strip_suffix(" kB"));
    peak.and_then(|kib| kib.trim().parse::<f64>().ok()).map_or(f64::NAN, |kib| kib / 1024.0)
}

/// One process stands for many: it may hold what they may together.
fn raise_descriptor_limit() -> anyhow::Result<()> {
    use rustix::process::{Resource, getrlimit, setrlimit};
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    setrlimit(Resource::Nofile, limit).context("raising the limit of file descriptors")
}
