//! Nodes that go, hang or come back; queries that are cancelled.

use std::sync::atomic::Ordering;
use std::time::Duration;

use nyala_exchange::{Caller, Service};
use nyala_schema::cluster::{Attempt, NodeState, QueryId};
use nyala_schema::deploy::{Deploy, DeployedInstance, QueryAnswer, QueryMessage, QueryState};
use nyala_schema::option::Options;
use nyala_schema::wire::{decode_query_answer, encode_query_message};
use nyala_schema::{Error, ErrorCode};
use tokio::time::Instant;

use crate::cluster::{Cluster, drain, next};
use crate::plans::{expected, gathered_sums, joined_sums, rows};

fn slow(cluster: &Cluster, pause_ms: u64) {
    cluster.nodes.iter().for_each(|node| node.pause_ms.store(pause_ms, Ordering::Relaxed));
}

#[tokio::test(start_paused = true)]
async fn a_query_that_loses_a_node_is_run_again() {
    for plan in [gathered_sums("t"), joined_sums("t", "t", 30_000.0)] {
        let cluster = Cluster::new(3, &[("t", 30_000)]);
        slow(&cluster, 2);
        let request = cluster.request(plan);
        let id = request.id;
        let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
        tokio::time::sleep(Duration::from_millis(60)).await;
        cluster.crash(1);
        let crashed = Instant::now();
        slow(&cluster, 0);
        assert_eq!(drain(&mut handle).await.unwrap(), expected(30_000));
        assert!(crashed.elapsed() < Duration::from_secs(3), "{:?}", crashed.elapsed());
        assert_eq!(cluster.status(0, id).attempts, 2);
        // The dead node is not asked again, though nobody has said that it is down.
        let again = Instant::now();
        assert_eq!(cluster.run(0, gathered_sums("t")).await.unwrap(), expected(30_000));
        assert!(again.elapsed() < Duration::from_secs(1), "{:?}", again.elapsed());
        cluster.until(Duration::from_secs(1), "all is freed", |c| c.is_free(0) && c.is_free(2)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_are_held_back_so_that_a_retry_doubles_none() {
    let cluster = Cluster::threaded(3, &[("t", 30_000)]);
    cluster.nodes.iter().for_each(|node| node.pace_ms.store(5, Ordering::Relaxed));
    let mut handle = cluster.nodes[0].coordinator.start_query(cluster.request(rows("t"))).await.unwrap();
    tokio::select! {
        _ = next(&mut handle) => panic!("rows were given out early"),
        () = tokio::time::sleep(Duration::from_millis(100)) => {}
    }
    cluster.crash(2);
    let all: Vec<Vec<i64>> = (0..30_000).map(|k| vec![k, k % 7]).collect();
    assert_eq!(drain(&mut handle).await.unwrap(), all);
    assert_eq!(handle.detail().attempts, 2);
}

#[tokio::test(start_paused = true)]
async fn when_rows_have_been_given_out_a_lost_node_is_an_error_with_a_hint() {
    let cluster = Cluster::with(3, &[("t", 60_000)], |settings| settings.held_bytes_max = 10_000);
    slow(&cluster, 2);
    let mut handle = cluster.nodes[0].coordinator.start_query(cluster.request(rows("t"))).await.unwrap();
    assert!(next(&mut handle).await.unwrap().is_some());
    cluster.crash(1);
    let error = drain(&mut handle).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.hint().is_some_and(|hint| hint.contains("run the query again")), "{error:?}");
    cluster.until(Duration::from_secs(1), "all is freed", |c| c.is_free(0) && c.is_free(2)).await;
}

#[tokio::test(start_paused = true)]
async fn a_node_that_hangs_is_given_up_after_its_silence() {
    let cluster = Cluster::new(3, &[("t", 30_000)]);
    slow(&cluster, 5);
    let mut handle =
        cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    // It works on and is connected with the other, but the coordinator hears nothing.
    cluster.network.part(cluster.nodes[0].peer.id, cluster.nodes[1].peer.id);
    let parted = Instant::now();
    slow(&cluster, 0);
    assert_eq!(drain(&mut handle).await.unwrap(), expected(30_000));
    assert!(parted.elapsed() < Duration::from_secs(9), "{:?}", parted.elapsed());
    cluster.until(Duration::from_secs(15), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

#[tokio::test(start_paused = true)]
async fn of_two_nodes_that_cannot_reach_each_other_one_is_left_out() {
    let cluster = Cluster::new(3, &[("t", 3000)]);
    cluster.network.part(cluster.nodes[1].peer.id, cluster.nodes[2].peer.id);
    let request = cluster.request(joined_sums("t", "t", 3000.0));
    let id = request.id;
    let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
    assert_eq!(drain(&mut handle).await.unwrap(), expected(3000));
    assert_eq!(cluster.status(0, id).attempts, 2);
    cluster.until(Duration::from_secs(1), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

#[tokio::test(start_paused = true)]
async fn when_the_coordinator_dies_all_is_freed_within_a_second() {
    let cluster = Cluster::new(3, &[("t", 60_000)]);
    slow(&cluster, 5);
    let mut handle =
        cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    tokio::select! {
        _ = next(&mut handle) => panic!("it is not over yet"),
        () = tokio::time::sleep(Duration::from_millis(300)) => {}
    }
    assert!(!cluster.is_free(1) && !cluster.is_free(2));
    cluster.crash(0);
    cluster.until(Duration::from_secs(1), "all is freed", |c| c.is_free(1) && c.is_free(2)).await;
    let drained = cluster.nodes[1].coordinator.drain(Duration::ZERO).await;
    assert!(drained, "no instance is left");
}

#[tokio::test(start_paused = true)]
async fn a_coordinator_that_is_said_to_be_down_is_believed() {
    let cluster = Cluster::new(3, &[("t", 60_000)]);
    slow(&cluster, 5);
    let handle = cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    cluster.network.isolate(cluster.nodes[0].peer.id);
    cluster.set_state(0, NodeState::Down);
    cluster.until(Duration::from_millis(100), "all is freed", |c| c.is_free(1) && c.is_free(2)).await;
    drop(handle);
}

#[tokio::test(start_paused = true)]
async fn a_short_break_between_others_ends_no_query() {
    let cluster = Cluster::new(3, &[("t", 30_000)]);
    slow(&cluster, 5);
    let mut handle =
        cluster.nodes[0].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(50)).await;
    cluster.network.break_connection(cluster.nodes[1].peer.id, cluster.nodes[2].peer.id);
    cluster.network.break_connection(cluster.nodes[0].peer.id, cluster.nodes[2].peer.id);
    assert_eq!(drain(&mut handle).await.unwrap(), expected(30_000));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_query_ends_on_every_node_at_once() {
    let cluster = Cluster::new(3, &[("t", 60_000)]);
    slow(&cluster, 5);
    let request = cluster.request(gathered_sums("t"));
    let id = request.id;
    let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
    tokio::time::sleep(Duration::from_millis(100)).await;
    handle.cancel_handle().cancel();
    let cancelled = Instant::now();
    assert_eq!(next(&mut handle).await.unwrap_err().code(), ErrorCode::Cancelled);
    cluster.until(Duration::from_millis(50), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
    assert!(cancelled.elapsed() <= Duration::from_millis(50));
    assert_eq!(cluster.status(0, id).state, QueryState::Cancelled);
}

#[tokio::test(start_paused = true)]
async fn any_node_kills_any_query_and_a_dropped_handle_ends_its_own() {
    let cluster = Cluster::new(3, &[("t", 60_000)]);
    slow(&cluster, 5);
    let request = cluster.request(gathered_sums("t"));
    let id = request.id;
    let mut handle = cluster.nodes[0].coordinator.start_query(request).await.unwrap();
    cluster.nodes[2].coordinator.kill(id).await.unwrap();
    assert_eq!(next(&mut handle).await.unwrap_err().code(), ErrorCode::Cancelled);
    let unknown = cluster.nodes[2].coordinator.kill(QueryId(12345)).await.unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UndefinedObject);
    let other = cluster.nodes[1].coordinator.start_query(cluster.request(gathered_sums("t"))).await.unwrap();
    tokio::time::sleep(Duration::from_millis(20)).await;
    drop(other);
    cluster.until(Duration::from_millis(50), "all is freed", |c| (0..3).all(|n| c.is_free(n))).await;
}

fn deployment(cluster: &Cluster, query: u128, fragment: &'static [u8]) -> Deploy {
    Deploy {
        attempt: Attempt { query: QueryId(query), number: 0 },
        coordinator: cluster.nodes[0].peer.clone(),
        incarnation: 1,
        options: Options::default(),
        peers: vec![],
        places: vec![],
        instances: vec![DeployedInstance { index: 0, fragment: fragment.into() }],
        leases: vec![],
        filters: vec![],
        wanted_filters: vec![],
    }
}

async fn ask(cluster: &Cluster, to: usize, message: QueryMessage) -> QueryAnswer {
    let from = Caller::Node { id: cluster.nodes[0].peer.id, incarnation: 1 };
    let request = encode_query_message(&message).unwrap();
    let answer = cluster.nodes[to].coordinator.handle(&from, Service::QUERY, request).await.unwrap();
    decode_query_answer(&answer).unwrap()
}

#[tokio::test(start_paused = true)]
async fn what_comes_after_its_cancellation_is_refused() {
    let cluster = Cluster::new(2, &[("t", 100)]);
    let deploy = deployment(&cluster, 77, b"");
    let cancel = QueryMessage::Cancel { attempt: deploy.attempt, reason: Error::cancelled() };
    assert_eq!(ask(&cluster, 1, cancel).await, QueryAnswer::Done);
    let mut deploy = deploy;
    deploy.instances.clear();
    let answer = ask(&cluster, 1, QueryMessage::Deploy(Box::new(deploy.clone()))).await;
    assert!(
        matches!(&answer, QueryAnswer::Refused(error) if error.code() == ErrorCode::Cancelled),
        "{answer:?}"
    );
    deploy.attempt.number = 1;
    assert_eq!(ask(&cluster, 1, QueryMessage::Deploy(Box::new(deploy))).await, QueryAnswer::Done);
}

#[tokio::test(start_paused = true)]
async fn a_plan_that_cannot_be_decoded_fails_its_query_and_blames_no_node() {
    let cluster = Cluster::new(2, &[("t", 3000)]);
    let deploy = deployment(&cluster, 78, b"this is no fragment at all");
    let answer = ask(&cluster, 1, QueryMessage::Deploy(Box::new(deploy))).await;
    assert!(
        matches!(&answer, QueryAnswer::Refused(error) if error.code() == ErrorCode::Internal),
        "{answer:?}"
    );
    assert!(cluster.is_free(1));
    assert_eq!(cluster.run(0, gathered_sums("t")).await.unwrap(), expected(3000));
    assert_eq!(cluster.nodes[1].inbox.count("deploy"), 1);
}

#[tokio::test(start_paused = true)]
async fn clients_and_strangers_deploy_nothing() {
    let cluster = Cluster::new(2, &[("t", 100)]);
    let request = encode_query_message(&QueryMessage::List).unwrap();
    let client = Caller::Client { connection: 1, user: "eve".into() };
    let coordinator = &cluster.nodes[1].coordinator;
    assert!(coordinator.handle(&client, Service::QUERY, request).await.is_err());
    let mut deploy = deployment(&cluster, 79, b"");
    deploy.incarnation = 2;
    let answer = ask(&cluster, 1, QueryMessage::Deploy(Box::new(deploy))).await;
    assert!(matches!(answer, QueryAnswer::Refused(_)));
    let from = Caller::Node { id: cluster.nodes[0].peer.id, incarnation: 1 };
    let garbage = coordinator.handle(&from, Service::QUERY, "not a message".into()).await;
    assert_eq!(garbage.unwrap_err().code(), ErrorCode::Connection);
}
