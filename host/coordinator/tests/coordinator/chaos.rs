//! Nodes that crash, come back, and lose each other, at times drawn by chance: every query gives right rows or says that it
//! could not, and nothing is left of any.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nyala_schema::ErrorCode;
use nyala_schema::cluster::NodeState;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use crate::cluster::{Cluster, drain};
use crate::plans::{expected, gathered_sums, joined_sums};

const NODES: usize = 4;
const SEEDS: u64 = 40;

/// Something happens to the cluster; gives a node that is down from now on.
fn disturb(cluster: &Cluster, random: &mut SmallRng) -> Option<usize> {
    let (one, other) = (random.gen_range(1..NODES), random.gen_range(0..NODES));
    let id = |node: usize| cluster.nodes[node].peer.id;
    match random.gen_range(0..4) {
        0 => {
            cluster.crash(one);
            if random.gen_bool(0.5) {
                cluster.set_state(one, NodeState::Down);
            }
            return Some(one);
        }
        1 if one != other => cluster.network.break_connection(id(one), id(other)),
        2 if one != other => cluster.network.part(id(one), id(other)),
        _ => cluster.nodes[one].pause_ms.store(random.gen_range(0..200), Ordering::Relaxed),
    }
    None
}

async fn run(seed: u64) -> (usize, usize) {
    let mut random = SmallRng::seed_from_u64(seed);
    let mut cluster = Cluster::seeded(NODES, &[("t", 12_000), ("u", 900)], seed);
    for node in &cluster.nodes {
        node.pause_ms.store(random.gen_range(0..4), Ordering::Relaxed);
    }
    let mut queries = Vec::new();
    for _ in 0..4 {
        // The first node never crashes.
        let (plan, rows) = match random.gen_range(0..3) {
            0 => (gathered_sums("t"), 12_000),
            1 => (joined_sums("t", "u", 200_000.0), 900),
            _ => (joined_sums("u", "t", 900.0), 900),
        };
        let (coordinator, request) = (cluster.nodes[0].coordinator.clone(), cluster.request(plan));
        queries.push(tokio::spawn(async move {
            let rows_of = async { drain(&mut coordinator.start_async(request).await?).await };
            (rows_of.await, rows)
        }));
    }
    let mut down = Vec::new();
    for _ in 0..random.gen_range(1..4) {
        tokio::time::sleep(Duration::from_millis(random.gen_range(0..60))).await;
        down.extend(disturb(&cluster, &mut random));
    }
    if let (Some(node), true) = (down.first().copied(), random.gen_bool(0.5)) {
        tokio::time::sleep(Duration::from_millis(random.gen_range(0..300))).await;
        cluster.restart(node);
        down.retain(|other| *other != node);
    }
    let (mut right, mut lost) = (0, 0);
    for query in queries {
        match tokio::time::timeout(Duration::from_secs(120), query).await.expect("it ends").unwrap() {
            (Ok(sums), rows) => {
                assert_eq!(sums, expected(rows), "seed {seed}");
                right += 1;
            }
            (Err(error), _) => {
                assert_eq!(error.code(), ErrorCode::Connection, "seed {seed}: {error:?}");
                lost += 1;
            }
        }
    }
    cluster.network.heal();
    let up: Vec<usize> = (0..NODES).filter(|node| !down.contains(node)).collect();
    let deadline = tokio::time::Instant::now() + Duration::from_secs(15);
    while let Some(node) = up.iter().find(|node| !cluster.is_free(**node)) {
        let left = cluster.nodes[*node].exchange.statistics();
        assert!(tokio::time::Instant::now() < deadline, "seed {seed}: node {node} keeps {left:?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    (right, lost)
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_rows_are_right_and_nothing_stays() {
    let (mut right, mut lost) = (0, 0);
    for seed in
        std::env::var("SEED").map_or(0..SEEDS, |seed| seed.parse().map_or(0..0, |seed| seed..seed + 1))
    {
        let (good, bad) = run(seed).await;
        right += good;
        lost += bad;
    }
    println!("{right} queries gave their rows, {lost} could not");
    assert!(lost * 20 <= right, "{lost} of {} queries were lost", right + lost);
}
