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
const SEEDS: u64 = 100;

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

/// Queries that gave rows, those that could not, and attempts of all.
async fn run(seed: u64) -> [usize; 3] {
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
            let mut attempts = 1;
            let rows_of = async {
                let mut handle = coordinator.start_query(request).await?;
                let rows = drain(&mut handle).await;
                attempts = handle.detail().attempts;
                rows
            };
            let sums = rows_of.await;
            (sums, rows, attempts)
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
    let [mut right, mut lost, mut attempts] = [0; 3];
    for query in queries {
        match tokio::time::timeout(Duration::from_secs(120), query).await.expect("it ends").unwrap() {
            (Ok(sums), rows, of_query) => {
                assert_eq!(sums, expected(rows), "seed {seed}");
                right += 1;
                attempts += of_query as usize;
            }
            (Err(error), ..) => {
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
    [right, lost, attempts]
}

#[tokio::test(start_paused = true)]
async fn whatever_happens_rows_are_right_and_nothing_stays() {
    let number = |variable: &str| std::env::var(variable).ok()?.parse::<u64>().ok();
    // One seed alone, to see what happens with it.
    let seeds = match number("NYALA_SIMULATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("NYALA_SIMULATION_SEEDS").unwrap_or(SEEDS),
    };
    let many = seeds.end - seeds.start > 1;
    let [mut right, mut lost, mut attempts] = [0; 3];
    for seed in seeds {
        let counts = run(seed).await;
        right += counts[0];
        lost += counts[1];
        attempts += counts[2];
    }
    println!("{right} queries gave their rows in {attempts} attempts, {lost} could not");
    assert!(lost * 20 <= right, "{lost} of {} queries were lost", right + lost);
    assert!(!many || attempts > right + right / 10, "too little went wrong: {attempts} attempts");
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_goes_the_same_way() {
    for seed in 0..20 {
        assert_eq!(run(seed).await, run(seed).await, "seed {seed}");
    }
}
