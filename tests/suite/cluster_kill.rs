//! Nodes that are killed under a steady load: no wrong answer, no failed read, no lost or doubled write.
//! `NYALA_CLUSTER_KILL_SECONDS=300 NYALA_CLUSTER_CLIENTS=16` is the long form.

use std::time::Duration;

use nyala_tests::{LocalCluster, steady_load};

const SECONDS: u64 = 30;
const CLIENTS: u64 = 4;

fn setting(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

#[test]
fn nothing_fails_is_lost_or_doubled_when_nodes_are_killed() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(folder.path(), steady_load::NODES, &["--threads", "1"]);
    let lasts = Duration::from_secs(setting("NYALA_CLUSTER_KILL_SECONDS", SECONDS));
    let clients = setting("NYALA_CLUSTER_CLIENTS", CLIENTS) as usize;
    let (kills, mut seen) = steady_load::run_and_kill(&cluster, clients, lasts);
    let [half, most, all] = [0.5, 0.99, 1.0].map(|part| seen.latency(part));
    let (writes, reads) = (seen.writes, seen.reads);
    println!(
        "{kills} kills, {writes} writes, {reads} reads; half within {half:?}, 99 of 100 within {most:?}, all within {all:?}"
    );
    assert!(seen.complaints.is_empty(), "{}", seen.complaints.join("\n"));
    assert!(kills > 0 && writes > 0 && reads > 0, "{kills} kills, {writes} writes, {reads} reads");
}
