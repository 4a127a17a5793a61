//! The face that sessions see, with threads that work and real time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use nyala_schema::ErrorCode;

use crate::cluster::Cluster;
use crate::plans::{gathered_sums, local_sums};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_gives_rows_progress_and_profile() {
    let cluster = Cluster::threaded(3, &[("t", 6000)]);
    for plan in [local_sums("t"), gathered_sums("t")] {
        let request = cluster.request(plan);
        let instances = if request.fragments.len() == 1 { 1 } else { 4 };
        let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
        assert_eq!(handle.schema().field(0).name(), "n");
        let mut rows = 0;
        while let Some(batch) = handle.next(Duration::from_secs(20)).await.expect("it does not hang").unwrap()
        {
            rows += batch.num_rows();
        }
        assert!(handle.next(Duration::ZERO).await.expect("the end stays").unwrap().is_none());
        assert!((handle.progress().fraction - 1.0).abs() < 1e-9);
        let (profile, detail) = (handle.profile().await, handle.detail());
        assert_eq!((rows, profile.rows, detail.instances.len()), (1, 1, instances));
        let scanned: u64 = profile.operators.values().filter(|o| o.name == "scan").map(|o| o.rows_out).sum();
        assert_eq!(scanned, 6000, "{profile:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_is_woken_by_a_cancellation() {
    let cluster = Cluster::threaded(3, &[("t", 60_000)]);
    cluster.nodes.iter().for_each(|node| node.pace_ms.store(200, Ordering::Relaxed));
    let request = cluster.request(gathered_sums("t"));
    let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
    let cancel = handle.cancel_handle();
    let waits = tokio::spawn(async move {
        assert!(handle.next(Duration::from_millis(20)).await.is_none());
        (handle.next(Duration::from_secs(30)).await, Instant::now())
    });
    tokio::time::sleep(Duration::from_millis(200)).await;
    let cancelled = Instant::now();
    cancel.cancel();
    let (ended, at) = waits.await.unwrap();
    assert_eq!(ended.unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    assert!(at - cancelled < Duration::from_millis(500), "{:?}", at - cancelled);
    assert!(cancel.progress().is_none());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queries_at_once_leave_nothing_behind() {
    let cluster = std::sync::Arc::new(Cluster::threaded(3, &[("t", 2000)]));
    let run = |number: usize| {
        let cluster = cluster.clone();
        tokio::spawn(async move { cluster.run(number % 3, gathered_sums("t")).await })
    };
    let started = Instant::now();
    let all: Vec<_> = (0..64).map(run).collect();
    for query in all {
        assert_eq!(query.await.unwrap().unwrap(), crate::plans::expected(2000));
    }
    println!("64 queries on three nodes: {:?}", started.elapsed());
    cluster.until(Duration::from_secs(5), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "a measurement"]
async fn what_coordination_costs() {
    const QUERIES: u32 = 300;
    let cluster = Cluster::threaded(3, &[("t", 100)]);
    for (what, plan) in [("one fragment", local_sums("t")), ("three nodes", gathered_sums("t"))] {
        let started = Instant::now();
        for _ in 0..QUERIES {
            cluster.run(0, plan.clone()).await.unwrap();
        }
        println!("{what}: {:?} a query", started.elapsed() / QUERIES);
    }
}
