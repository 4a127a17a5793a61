//! Calls: answers, errors, cancellation, loss.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use nyala_exchange::{Caller, Transport};
use nyala_rpc::{ClientConfig, MESSAGE_BYTES_MAX, RpcConfig, connect};
use nyala_schema::ErrorCode;
use nyala_schema::cluster::NodeId;
use nyala_schema::error::Position;

use crate::support::*;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_are_answered_both_ways_over_one_connection() {
    let (a, b) = (start(config(1)), start(config(2)));
    assert_eq!(echo(&a, &b, "hello").await.unwrap(), "hello");
    assert_eq!(echo(&b, &a, "back").await.unwrap(), "back");
    assert_eq!(a.node.seen.lock().unwrap().callers, [Caller::Node { id: NodeId(2), incarnation: 1 }]);
    for (side, peer) in [(&a, &b), (&b, &a)] {
        let status = side.transport.connections();
        assert_eq!(status.len(), 1);
        assert_eq!(status[0].peer.as_ref(), Some(peer.transport.local()));
        assert_eq!(status[0].calls, 2);
        assert!(status[0].bytes_sent > 0 && status[0].bytes_received > 0);
        assert!(!status[0].is_encrypted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn errors_come_with_all_that_is_known_of_them() {
    let (a, b) = (start(config(1)), start(config(2)));
    let error = a.transport.call(b.transport.local(), FAIL, Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::DivisionByZero);
    assert_eq!(error.message(), "division by zero");
    assert_eq!(error.hint(), Some("use NULLIF"));
    assert_eq!(error.position(), Some(Position { line: 2, column: 7 }));
    let error = a.transport.call(b.transport.local(), PANIC, Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal);
    assert_eq!(echo(&a, &b, "still there").await.unwrap(), "still there");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_and_answers_of_any_size_up_to_the_limit() {
    let (a, b) = (start(config(1)), start(config(2)));
    for size in [0, 1, 7, 8, 4095, 4096, 100_000, 1 << 20, MESSAGE_BYTES_MAX] {
        let request = Bytes::from((0..size).map(|at| (at % 251) as u8).collect::<Vec<_>>());
        let answer = a.transport.call(b.transport.local(), ECHO, request.clone()).await.unwrap();
        assert!(answer == request, "{size} bytes");
    }
    let large = Bytes::from(vec![0; MESSAGE_BYTES_MAX + 1]);
    let error = a.transport.call(b.transport.local(), ECHO, large).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooComplex);
    let size = (MESSAGE_BYTES_MAX + 1).to_string();
    let error = a.transport.call(b.transport.local(), BYTES, size.into()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooComplex);
    assert!(error.message().contains("answer"), "{error}");
    assert_eq!(a.transport.connections().len(), 1, "the connection is still the first one");
    assert!(a.node.seen.lock().unwrap().gone.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dropping_a_call_cancels_it_there() {
    let (a, b) = (start(config(1)), start(config(2)));
    let call = a.transport.call(b.transport.local(), HANG, Bytes::new());
    let call = tokio::time::timeout(Duration::from_millis(100), call);
    assert!(call.await.is_err());
    b.node.wait(|seen| seen.callers.len() == 1 && seen.hanging == 0).await;
    assert_eq!(echo(&a, &b, "fine").await.unwrap(), "fine");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_stops_fails_what_waits_for_it_and_is_found_again_when_it_comes_back() {
    let (a, b) = (start(config(1)), start(config(2)));
    let peer = b.transport.local().clone();
    echo(&a, &b, "first").await.unwrap();
    let transport = a.transport.clone();
    let to = peer.clone();
    let call = tokio::spawn(async move { transport.call(&to, HANG, Bytes::new()).await });
    b.node.wait(|seen| seen.hanging == 1).await;
    let begun = Instant::now();
    let stopped = b.transport.clone();
    tokio::task::spawn_blocking(move || stopped.shutdown()).await.unwrap();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    a.node.wait(|seen| seen.gone == [NodeId(2)]).await;
    b.node.wait(|seen| seen.hanging == 0).await;
    let error = a.transport.call(&peer, ECHO, Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains(&peer.address), "{error}");

    let again = RpcConfig { listen: peer.address.clone(), incarnation: 2, ..config(2) };
    let again = start(again);
    assert_eq!(a.transport.call(&peer, ECHO, Bytes::from_static(b"again")).await.unwrap(), "again");
    assert_eq!(echo(&again, &a, "and back").await.unwrap(), "and back");
    assert_eq!(a.transport.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn disconnecting_fails_what_is_pending_and_the_next_call_connects_anew() {
    let (a, b) = (start(config(1)), start(config(2)));
    let (transport, to) = (a.transport.clone(), b.transport.local().clone());
    let call = tokio::spawn(async move { transport.call(&to, HANG, Bytes::new()).await });
    b.node.wait(|seen| seen.hanging == 1).await;
    a.transport.disconnect(NodeId(2));
    assert_eq!(call.await.unwrap().unwrap_err().code(), ErrorCode::Connection);
    b.node.wait(|seen| seen.gone == [NodeId(1)] && seen.hanging == 0).await;
    a.node.wait(|seen| seen.gone == [NodeId(2)]).await;
    assert_eq!(echo(&a, &b, "anew").await.unwrap(), "anew");
    assert_eq!(echo(&b, &a, "anew").await.unwrap(), "anew");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_to_itself_needs_no_connection() {
    let a = start(config(1));
    assert_eq!(echo(&a, &a, "me").await.unwrap(), "me");
    assert!(a.transport.connections().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_have_connections_of_their_own() {
    let a = start(config(1));
    let client = ClientConfig { user: "ann".into(), ..ClientConfig::default() };
    let (first, second) = (
        connect(&a.transport.local().address, client.clone()).await.unwrap(),
        connect(&a.transport.local().address, client).await.unwrap(),
    );
    assert_eq!(first.peer(), a.transport.local());
    for connection in [&first, &second] {
        let answer = connection.call(ECHO, Bytes::from_static(b"hello")).await.unwrap();
        assert_eq!(answer, "hello");
    }
    let callers = a.node.seen.lock().unwrap().callers.clone();
    let numbers: Vec<u64> = callers
        .iter()
        .map(|caller| match caller {
            Caller::Client { connection, user } if user == "ann" => *connection,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_ne!(numbers[0], numbers[1]);
    let status = a.transport.connections();
    assert_eq!(status.len(), 2);
    assert!(status.iter().all(|status| status.user.as_deref() == Some("ann") && status.peer.is_none()));

    drop(first);
    a.node.wait(|seen| seen.clients_gone == [numbers[0]]).await;
    let (closed, transport) = (second.clone(), a.transport.clone());
    tokio::task::spawn_blocking(move || transport.shutdown()).await.unwrap();
    assert_eq!(closed.closed().await.code(), ErrorCode::Connection);
    assert!(!second.is_open());
    assert_eq!(second.call(ECHO, Bytes::new()).await.unwrap_err().code(), ErrorCode::Connection);
}

fn threads_named(name: &str) -> usize {
    let threads = std::fs::read_dir("/proc/self/task").unwrap();
    let name_of = |thread: std::io::Result<std::fs::DirEntry>| {
        // It may have ended meanwhile.
        std::fs::read_to_string(thread.unwrap().path().join("comm")).unwrap_or_default()
    };
    threads.map(name_of).filter(|found| found.trim_end() == name).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_a_process_share_a_thread() {
    let a = start(config(1));
    let mut clients = Vec::new();
    for number in 0..20 {
        let client = ClientConfig { user: format!("client{number}"), ..ClientConfig::default() };
        clients.push(connect(&a.transport.local().address, client).await.unwrap());
    }
    for client in &clients {
        assert_eq!(client.call(ECHO, Bytes::from_static(b"hello")).await.unwrap(), "hello");
    }
    // One of another test may be ending.
    while threads_named("nyala-client-io") > 1 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert_eq!(threads_named("nyala-client-io"), 1);
    let rest = clients.split_off(1);
    drop(clients);
    a.node.wait(|seen| seen.clients_gone.len() == 1).await;
    for client in &rest {
        assert_eq!(client.call(ECHO, Bytes::from_static(b"still")).await.unwrap(), "still");
    }
    drop(rest);
    a.node.wait(|seen| seen.clients_gone.len() == 20).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_calls_at_once_each_get_their_answer() {
    let (a, b) = (start(config(1)), start(config(2)));
    let (transport, to) = (Arc::clone(&a.transport), b.transport.local().clone());
    let calls = (0..2000_u32).map(|number| {
        let (transport, to) = (transport.clone(), to.clone());
        tokio::spawn(async move {
            let request = Bytes::from(number.to_string());
            (request.clone(), transport.call(&to, ECHO, request).await)
        })
    });
    for call in calls.collect::<Vec<_>>() {
        let (request, answer) = call.await.unwrap();
        assert_eq!(answer.unwrap(), request);
    }
}
