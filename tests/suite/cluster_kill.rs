//! Nodes that are killed under a steady load: no wrong answer, no failed read, no lost or doubled write.
//! `NYALA_CLUSTER_KILL_SECONDS=300 NYALA_CLUSTER_CLIENTS=16` is the long form.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use nyala_tests::load::Chance;
use nyala_tests::{LocalCluster, steady_load};

const NODES: usize = 3;
const SECONDS: u64 = 20;
const CLIENTS: u64 = 4;
/// From one kill to the next.
const PERIOD: Duration = Duration::from_secs(10);
/// How long a killed node stays away.
const AWAY: Duration = Duration::from_secs(2);
const SEED: u64 = 5;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_fails_is_lost_or_doubled_when_nodes_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(folder.path(), NODES, &["--threads", "1"]);
    steady_load::prepare(&cluster);
    let lasts = Duration::from_secs(setting("NYALA_CLUSTER_KILL_SECONDS", SECONDS));
    let clients = setting("NYALA_CLUSTER_CLIENTS", CLIENTS) as usize;
    let is_over = AtomicBool::new(false);
    let mut kills = 0;
    let mut seen = std::thread::scope(|scope| {
        let load = scope.spawn(|| steady_load::run(&cluster, clients, &|| is_over.load(Ordering::Relaxed)));
        let start = Instant::now();
        let mut chance = Chance(SEED);
        while start.elapsed() + AWAY < lasts && !load.is_finished() {
            let victim = chance.below(NODES as u64) as usize + 1;
            std::thread::sleep(PERIOD / 4);
            cluster.kill(victim);
            kills += 1;
            std::thread::sleep(AWAY);
            cluster.restart(victim);
            std::thread::sleep((PERIOD - PERIOD / 4 - AWAY).min(lasts.saturating_sub(start.elapsed())));
        }
        is_over.store(true, Ordering::Relaxed);
        load.join().unwrap()
    });
    let slowest = seen.latency(1.0);
    println!(
        "{kills} kills, {} writes, {} reads; half within {:?}, 99 of 100 within {:?}, all within {slowest:?}",
        seen.writes,
        seen.reads,
        seen.latency(0.5),
        seen.latency(0.99),
    );
    assert!(seen.complaints.is_empty(), "{}", seen.complaints.join("\n"));
    assert!(seen.writes > 20 && seen.reads > 40, "{} writes and {} reads", seen.writes, seen.reads);
}
