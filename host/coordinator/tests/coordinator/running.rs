//! Queries that go well: rows, shares of scans, filters, reports, what people see.

use std::collections::HashSet;
use std::sync::atomic::Ordering;
use std::time::Duration;

use nyala_schema::ErrorCode;
use nyala_schema::deploy::{InstanceState, QueryState};

use crate::cluster::{Cluster, drain};
use crate::plans::{expected, gathered_sums, joined_sums, local_sums, rows};

#[tokio::test(start_paused = true)]
async fn one_fragment_runs_here_without_a_message() {
    let cluster = Cluster::new(3, &[("t", 5000)]);
    assert_eq!(cluster.run(0, local_sums("t")).await.unwrap(), expected(5000));
    assert!(cluster.nodes.iter().all(|node| node.inbox.requests.lock().unwrap().is_empty()));
    assert_eq!(cluster.tables.reads_of(1), 50);
}

#[tokio::test(start_paused = true)]
async fn three_nodes_read_each_part_once() {
    let cluster = Cluster::new(3, &[("t", 20_000)]);
    for node in 0..3 {
        cluster.tables.reads.lock().unwrap().clear();
        assert_eq!(cluster.run(node, gathered_sums("t")).await.unwrap(), expected(20_000));
        let reads = cluster.tables.reads.lock().unwrap().clone();
        let parts: HashSet<usize> = reads.iter().map(|(_, _, part)| *part).collect();
        assert_eq!((reads.len(), parts.len()), (200, 200));
        for reader in 1..=3 {
            assert!(
                cluster.tables.reads_of(reader) > 20,
                "node {reader} read {}",
                cluster.tables.reads_of(reader)
            );
        }
    }
    let all: Vec<Vec<i64>> = (0..20_000).map(|k| vec![k, k % 7]).collect();
    assert_eq!(cluster.run(1, rows("t")).await.unwrap(), all);
    cluster.until(Duration::from_secs(2), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

#[tokio::test(start_paused = true)]
async fn parts_are_read_where_they_were_read_before() {
    let cluster = Cluster::new(3, &[("t", 1200)]);
    cluster.run(0, gathered_sums("t")).await.unwrap();
    let mut first = std::mem::take(&mut *cluster.tables.reads.lock().unwrap());
    cluster.run(1, gathered_sums("t")).await.unwrap();
    let mut second = std::mem::take(&mut *cluster.tables.reads.lock().unwrap());
    first.sort();
    second.sort();
    assert_eq!(first, second);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_slow_node_reads_less() {
    let cluster = Cluster::threaded(3, &[("t", 60_000)]);
    (0..2).for_each(|node| cluster.nodes[node].pace_ms.store(1, Ordering::Relaxed));
    cluster.nodes[2].pace_ms.store(20, Ordering::Relaxed);
    assert_eq!(cluster.run(0, gathered_sums("t")).await.unwrap(), expected(60_000));
    let reads: Vec<usize> = (1..=3).map(|node| cluster.tables.reads_of(node)).collect();
    assert_eq!(reads.iter().sum::<usize>(), 600);
    // Twenty times as slow; the others may be held up as well, by whatever else runs on the machine.
    assert!(reads[2] * 3 < reads[0] + reads[1], "{reads:?}");
}

#[tokio::test(start_paused = true)]
async fn one_deployment_for_each_node_and_one_report_each_second() {
    let cluster = Cluster::new(3, &[("t", 600), ("u", 300)]);
    for node in &cluster.nodes[1..] {
        node.pause_ms.store(700, Ordering::Relaxed);
    }
    let started = tokio::time::Instant::now();
    cluster.run(0, joined_sums("t", "u", 600.0)).await.unwrap();
    let seconds = started.elapsed().as_secs() as usize;
    assert!(seconds >= 4, "{seconds}");
    for node in &cluster.nodes[1..] {
        assert_eq!(node.inbox.count("deploy"), 1);
    }
    // Three instances on each of two nodes: a report a second, and one for each end, filter and request.
    let reports = cluster.nodes[0].inbox.count("report");
    assert!(reports >= 2 * (seconds - 1) && reports <= 2 * (seconds + 1) + 2 * 5, "{reports} in {seconds} s");
}

#[tokio::test(start_paused = true)]
async fn filters_of_all_instances_reach_the_scans_of_another_fragment() {
    let cluster = Cluster::new(3, &[("big", 60_000), ("small", 250)]);
    let sums = cluster.run(1, joined_sums("big", "small", 200_000.0)).await.unwrap();
    assert_eq!(sums, expected(250));
    let big = cluster.tables.reads.lock().unwrap().iter().filter(|(_, table, _)| table == "big").count();
    assert!(big < 50, "{big} of 600 parts were read");
    let filters: usize = cluster.nodes.iter().map(|node| node.inbox.count("filter")).sum();
    assert_eq!(filters, 2, "one for each other node");
}

#[tokio::test(start_paused = true)]
async fn scans_do_not_wait_for_ever_for_a_filter() {
    let cluster = Cluster::new(2, &[("big", 20_000), ("small", 25_000)]);
    cluster.nodes[1].pause_ms.store(50, Ordering::Relaxed);
    let sums = cluster.run(0, joined_sums("big", "small", 1e6)).await.unwrap();
    assert_eq!(sums, expected(20_000));
}

#[tokio::test(start_paused = true)]
async fn an_error_says_where_it_comes_from_and_ends_the_query_everywhere() {
    let cluster = Cluster::new(3, &[("t", 20_000)]);
    cluster.tables.broken.lock().unwrap().push("t".into());
    let request = cluster.request(gathered_sums("t"));
    let id = request.id;
    let error = match cluster.nodes[0].coordinator.start_query(request).await {
        Ok(mut handle) => drain(&mut handle).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(error.code(), ErrorCode::CorruptFile);
    assert!(
        error.message().contains("fragment f1 on node") && error.message().contains("t is damaged"),
        "{error}"
    );
    cluster.until(Duration::from_secs(1), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
    let status = cluster.status(0, id);
    assert_eq!((status.state, status.attempts), (QueryState::Failed, 1));
    let missing = cluster.run(1, gathered_sums("nothing")).await.unwrap_err();
    assert_eq!(missing.code(), ErrorCode::UndefinedTable);
    cluster.until(Duration::from_secs(1), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_sees_what_runs_and_what_it_took() {
    let cluster = Cluster::threaded(3, &[("t", 60_000)]);
    for node in &cluster.nodes {
        node.pace_ms.store(50, Ordering::Relaxed);
    }
    let request = cluster.request(gathered_sums("t"));
    let id = request.id;
    let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
    let has_rates = |cluster: &Cluster| {
        let instances = cluster.status(0, id).instances;
        instances.iter().filter(|one| one.fragment.0 == 1 && one.rows_per_second > 0.0).count() == 3
    };
    cluster.until(Duration::from_secs(4), "all have reported", has_rates).await;
    let seen = cluster.nodes[2].coordinator.all_queries().await;
    let query = seen.iter().find(|query| query.id == id).unwrap();
    assert_eq!((query.state, query.instances.len(), query.coordinator.id.0), (QueryState::Running, 4, 1));
    assert!(query.progress > 0.0 && query.progress < 1.0, "{}", query.progress);
    let scans: Vec<_> = query.instances.iter().filter(|one| one.fragment.0 == 1).collect();
    assert!(
        scans.iter().all(|one| one.morsels_done > 0 && one.morsels_total >= one.morsels_done),
        "{scans:?}"
    );
    assert!(scans.iter().all(|one| one.state == InstanceState::Running), "{scans:?}");
    assert_eq!(drain(&mut handle).await.unwrap(), expected(60_000));
    let text = cluster.nodes[1].coordinator.profile_of(id).await.unwrap();
    assert!(text.contains("fragment f1, instances 3") && text.contains("rows 60000"), "{text}");
    cluster.until(Duration::from_secs(2), "it ends", |c| c.status(0, id).state == QueryState::Finished).await;
    let status = cluster.status(0, id);
    assert_eq!((status.rows, status.attempts, status.progress), (1, 1, 1.0));
    let nobody = cluster.nodes[1].coordinator.profile_of(nyala_schema::cluster::QueryId(999)).await;
    assert_eq!(nobody.unwrap_err().code(), ErrorCode::UndefinedObject);
}

#[tokio::test(start_paused = true)]
async fn a_draining_node_ends_what_it_has_and_gets_nothing_new() {
    let cluster = Cluster::new(3, &[("t", 30_000)]);
    cluster.nodes[2].pause_ms.store(5, Ordering::Relaxed);
    let mut handle =
        cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    cluster.set_state(2, nyala_schema::cluster::NodeState::Draining);
    let coordinator = cluster.nodes[2].coordinator.clone();
    let drained = tokio::spawn(async move { coordinator.drain(Duration::from_secs(60)).await });
    assert_eq!(drain(&mut handle).await.unwrap(), expected(30_000));
    assert!(drained.await.unwrap());
    let deploys = cluster.nodes[2].inbox.count("deploy");
    assert_eq!(cluster.run(0, gathered_sums("t")).await.unwrap(), expected(30_000));
    assert_eq!(cluster.nodes[2].inbox.count("deploy"), deploys);
    assert_eq!(cluster.run(2, gathered_sums("t")).await.unwrap_err().code(), ErrorCode::Connection);
}

/// Others keep threads busy already: more of one query's own would only cost.
#[tokio::test(start_paused = true)]
async fn queries_beside_others_get_their_part_of_the_threads() {
    let cluster = Cluster::with(2, &[("t", 3000)], |settings| settings.running_at_once = 8);
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(100, Ordering::Relaxed));
    let mut handles = Vec::new();
    for _ in 0..3 {
        let mut request = cluster.request(gathered_sums("t"));
        request.options.threads = 6;
        handles.push(cluster.nodes[0].coordinator.start_query(request).await.unwrap());
    }
    assert_eq!(*cluster.nodes[1].inbox.threads.lock().unwrap(), [6, 4, 3]);
    for handle in &mut handles {
        assert_eq!(drain(handle).await.unwrap(), expected(3000));
    }
}

/// A short one waits for its turn no longer than long ones keep theirs.
#[tokio::test(start_paused = true)]
async fn long_queries_give_up_their_turn() {
    let cluster = Cluster::with(1, &[("t", 3000)], |settings| settings.running_at_once = 1);
    cluster.nodes[0].pause_ms.store(60_000, Ordering::Relaxed);
    let long = cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    let asked = tokio::time::Instant::now();
    let next = cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    let waited = asked.elapsed().as_millis();
    assert!((900..1200).contains(&waited), "{waited} ms");
    drop((long, next));
}
