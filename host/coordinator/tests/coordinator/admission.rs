//! Pools over several coordinators.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nyala_coordinator::{AdmissionSettings, CoordinatorSettings, Pool, QueryHandle, QueryRequest};
use nyala_schema::cluster::NodeState;
use nyala_schema::deploy::QueryState;
use nyala_schema::{ErrorCode, Result};
use tokio::task::JoinHandle;

use crate::cluster::{Cluster, drain};
use crate::plans::{expected, local_sums};

fn slots(slots: u32) -> impl FnOnce(&mut CoordinatorSettings) {
    move |settings| {
        let pool = Pool {
            name: "p".into(),
            slots: Some(slots),
            queue_timeout: Duration::from_secs(20),
            ..Pool::default()
        };
        settings.admission = AdmissionSettings { pools: vec![pool], ..AdmissionSettings::default() };
    }
}

/// Starts one in the background.
fn start(cluster: &Cluster, node: usize) -> (QueryRequest, JoinHandle<Result<QueryHandle>>) {
    let request = cluster.request(local_sums("t"));
    let (coordinator, asked) = (cluster.nodes[node].coordinator.clone(), request.clone());
    (request, tokio::spawn(async move { coordinator.start_query(asked).await }))
}

fn states(cluster: &Cluster) -> (usize, usize) {
    let all = cluster.nodes.iter().flat_map(|node| node.coordinator.queries());
    let states: Vec<QueryState> = all.map(|query| query.state).collect();
    let count = |state| states.iter().filter(|known| **known == state).count();
    (count(QueryState::Running), count(QueryState::Queued))
}

#[tokio::test(start_paused = true)]
async fn coordinators_share_the_slots_of_a_pool() {
    let cluster = Cluster::with(3, &[("t", 3000)], slots(2));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(100, Ordering::Relaxed));
    let queries: Vec<_> = (0..6).map(|number| start(&cluster, number % 3)).collect();
    cluster.until(Duration::from_secs(3), "two run", |c| states(c) == (2, 4)).await;
    let mut done = Vec::new();
    for (_, query) in queries {
        done.push(tokio::spawn(async move { drain(&mut query.await.unwrap()?).await }));
    }
    let most = tokio::spawn(async move {
        let mut most = 0;
        for _ in 0..2000 {
            most = most.max(states(&cluster).0);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        most
    });
    for query in done {
        assert_eq!(query.await.unwrap().unwrap(), expected(3000));
    }
    assert_eq!(most.await.unwrap(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_query_waits_no_longer_than_its_pool_allows() {
    let cluster = Cluster::with(2, &[("t", 3000)], slots(1));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(60_000, Ordering::Relaxed));
    let (_, first) = start(&cluster, 0);
    let _running = first.await.unwrap().unwrap();
    let asked = tokio::time::Instant::now();
    let (_, second) = start(&cluster, 1);
    let refused = second.await.unwrap().err().unwrap();
    assert_eq!(refused.code(), ErrorCode::OutOfMemory);
    let waited = asked.elapsed().as_millis();
    assert!((20_000..20_500).contains(&waited), "{waited} ms");
}

#[tokio::test(start_paused = true)]
async fn a_waiting_query_is_killed_and_leaves_its_place() {
    let cluster = Cluster::with(2, &[("t", 3000)], slots(1));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(500, Ordering::Relaxed));
    let (_, first) = start(&cluster, 0);
    let mut first = first.await.unwrap().unwrap();
    let (request, second) = start(&cluster, 1);
    cluster.until(Duration::from_secs(1), "it waits", |c| states(c) == (1, 1)).await;
    let (_, third) = start(&cluster, 0);
    cluster.until(Duration::from_secs(1), "it waits", |c| states(c) == (1, 2)).await;
    cluster.nodes[0].coordinator.kill(request.id).await.unwrap();
    assert_eq!(second.await.unwrap().err().unwrap().code(), ErrorCode::Cancelled);
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(0, Ordering::Relaxed));
    assert_eq!(drain(&mut first).await.unwrap(), expected(3000));
    assert_eq!(drain(&mut third.await.unwrap().unwrap()).await.unwrap(), expected(3000));
}

#[tokio::test(start_paused = true)]
async fn a_new_controller_knows_what_runs() {
    let cluster = Cluster::with(3, &[("t", 3000)], slots(1));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(60_000, Ordering::Relaxed));
    let (_, first) = start(&cluster, 1);
    let running = first.await.unwrap().unwrap();
    cluster.crash(0);
    cluster.set_state(0, NodeState::Down);
    let (_, second) = start(&cluster, 2);
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(states(&cluster), (1, 1));
    drop(running);
    let second = tokio::time::timeout(Duration::from_secs(2), second).await.unwrap().unwrap();
    assert!(second.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_controller_that_comes_back_does_not_count_what_ended_meanwhile() {
    let cluster = Cluster::with(3, &[("t", 3000)], slots(1));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(60_000, Ordering::Relaxed));
    let (_, first) = start(&cluster, 2);
    let running = first.await.unwrap().unwrap();
    // The next renewal that nothing but time asks for is far.
    tokio::time::sleep(Duration::from_millis(4100)).await;
    cluster.set_state(0, NodeState::Draining);
    drop(running);
    cluster
        .until(Duration::from_millis(300), "it ends", |c| c.nodes[2].coordinator.load().admitted == 0)
        .await;
    cluster.set_state(0, NodeState::Active);
    let (_, second) = start(&cluster, 2);
    let second = tokio::time::timeout(Duration::from_millis(1200), second).await.unwrap().unwrap();
    assert!(second.is_ok());
}

#[tokio::test(start_paused = true)]
async fn without_a_controller_each_coordinator_keeps_to_its_part() {
    let cluster = Cluster::with(3, &[("t", 3000)], slots(3));
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(60_000, Ordering::Relaxed));
    // Everybody goes on believing in it.
    cluster.crash(0);
    let (_, first) = start(&cluster, 1);
    let (_, second) = start(&cluster, 1);
    let first = tokio::time::timeout(Duration::from_secs(10), first).await.unwrap().unwrap();
    assert!(first.is_ok());
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(states(&cluster), (1, 1), "a third of three slots");
    drop(first);
    let second = tokio::time::timeout(Duration::from_secs(5), second).await.unwrap().unwrap();
    assert!(second.is_ok());
}
