//! Streams: what is sent arrives once and in order, slow receivers stop nobody else, and nothing stays behind.

use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::frame::Body;
use nyala_exchange::{Outgoing, StreamPart, Taken, Transport};
use nyala_rpc::{Limits, MESSAGE_BYTES_MAX, RpcConfig};
use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, ErrorCode};

use crate::support::*;

async fn send(to: &Arc<dyn Outgoing>, part: StreamPart) -> Result<Taken, Error> {
    let (receipt, outcome) = receipt();
    to.push(part, receipt);
    outcome.await.expect("each receipt is called")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn batches_arrive_whole_aligned_and_in_order() {
    let (a, b) = (start(config(1)), start(config(2)));
    let out = a.transport.open(b.transport.local(), stream(0));
    let sizes = [0, 1, 63, 64, 1000, 4096, 20_000, 256 << 10, 1 << 20, 5 << 20];
    for (seed, size) in sizes.iter().enumerate() {
        assert_eq!(send(&out, batch(seed as u8, *size)).await.unwrap(), Taken::MoreWanted);
    }
    send(&out, StreamPart::End).await.unwrap();
    let seen = b.node.seen.lock().unwrap();
    let parts = &seen.parts[&stream(0)];
    assert_eq!(parts.len(), sizes.len() + 1);
    assert!(matches!(parts.last(), Some(StreamPart::End)));
    for (seed, size) in sizes.iter().enumerate() {
        let StreamPart::Batch(frame) = &parts[seed] else { panic!("a batch") };
        let Body::Whole(buffer) = &frame.body else { panic!("as it arrived") };
        assert_eq!(frame.rows, seed as u64);
        assert_eq!(frame.head.len(), 100);
        assert_eq!(buffer.len(), *size);
        assert_eq!(buffer.as_ptr() as usize % 64, 0);
        assert!(buffer.iter().all(|byte| *byte == seed as u8), "batch {seed}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_thousand_streams_share_one_connection() {
    const STREAMS: u32 = 3200;
    let (a, b) = (start(config(1)), start(config(2)));
    let all: Vec<_> = (0..STREAMS).map(|at| a.transport.open(b.transport.local(), stream(at))).collect();
    let mut outcomes = Vec::new();
    for round in 0..3_u8 {
        for out in &all {
            let (receipt, outcome) = receipt();
            out.push(batch(round, 500), receipt);
            outcomes.push(outcome);
        }
    }
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap().unwrap(), Taken::MoreWanted);
    }
    let status = a.transport.connections();
    assert_eq!((status.len(), status[0].streams), (1, u64::from(STREAMS)));
    until(|| a.transport.connections()[0].bytes_unconfirmed == 0).await;
    for out in &all {
        let (receipt, _) = receipt();
        out.push(StreamPart::End, receipt);
    }
    b.node.wait(|seen| seen.parts.values().all(|parts| parts.len() == 4)).await;
    drop(all);
    until(|| a.transport.connections()[0].streams == 0).await;
    let seen = b.node.seen.lock().unwrap();
    assert_eq!(seen.parts.len() as u32, STREAMS);
    for parts in seen.parts.values() {
        for (round, part) in parts[..3].iter().enumerate() {
            let StreamPart::Batch(frame) = part else { panic!("a batch") };
            assert_eq!(frame.rows, round as u64, "in order");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_takes_nothing_stops_its_own_stream_only() {
    let a = start(config(1));
    let b = start_with(config(2), node_that_holds(|stream| stream.sender == 0));
    let slow = a.transport.open(b.transport.local(), stream(0));
    let fast = a.transport.open(b.transport.local(), stream(1));
    // More than the connection lets under way at once.
    let mut pending = Vec::new();
    for _ in 0..8 {
        let (receipt, outcome) = receipt();
        slow.push(batch(1, 1 << 20), receipt);
        pending.push(outcome);
    }
    for _ in 0..20 {
        assert_eq!(send(&fast, batch(2, 1 << 20)).await.unwrap(), Taken::MoreWanted);
    }
    assert_eq!(echo(&a, &b, "control").await.unwrap(), "control");
    b.node.wait(|seen| seen.parts[&stream(0)].len() == 8).await;
    for outcome in &mut pending {
        assert!(outcome.try_recv().is_err(), "nothing was taken");
    }
    assert_eq!(b.node.take(&stream(0), Ok(Taken::MoreWanted)), 8);
    for outcome in pending {
        assert_eq!(outcome.await.unwrap().unwrap(), Taken::MoreWanted);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bulk_on_its_way_is_held_to_the_cap() {
    let limits = Limits { bulk_bytes: 1 << 20, ..Limits::default() };
    let (a, b) = (start(RpcConfig { limits, ..config(1) }), start(config(2)));
    let out: Vec<_> = (0..20).map(|at| a.transport.open(b.transport.local(), stream(at))).collect();
    let mut outcomes = Vec::new();
    for out in &out {
        for _ in 0..10 {
            let (receipt, outcome) = receipt();
            out.push(batch(1, 300 << 10), receipt);
            outcomes.push(outcome);
        }
    }
    let mut most = 0;
    for outcome in outcomes {
        most = most.max(a.transport.connections().first().map_or(0, |status| status.bytes_unconfirmed));
        outcome.await.unwrap().unwrap();
    }
    assert!(most > 0 && most < (1 << 20) + (301 << 10), "{most}");
    assert_eq!(b.node.bytes(), 200 * (300 << 10));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_has_enough_or_fails_says_so() {
    let a = start(config(1));
    let b = start_with(config(2), node_that_holds(|_| true));
    let (enough, fails, forgets) = (
        a.transport.open(b.transport.local(), stream(0)),
        a.transport.open(b.transport.local(), stream(1)),
        a.transport.open(b.transport.local(), stream(2)),
    );
    let mut outcomes = Vec::new();
    for out in [&enough, &fails, &forgets] {
        let (receipt, outcome) = receipt();
        out.push(batch(1, 100), receipt);
        outcomes.push(outcome);
    }
    b.node.wait(|seen| seen.held.len() == 3).await;
    b.node.take(&stream(0), Ok(Taken::Closed));
    b.node.take(&stream(1), Err(Error::cancelled()));
    b.node.seen.lock().unwrap().held.clear();
    let mut outcomes = outcomes.into_iter();
    assert_eq!(outcomes.next().unwrap().await.unwrap().unwrap(), Taken::Closed);
    assert_eq!(outcomes.next().unwrap().await.unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(outcomes.next().unwrap().await.unwrap().unwrap_err().code(), ErrorCode::Connection);
    // What comes later is told at once, and is not sent.
    assert_eq!(send(&enough, batch(1, 100)).await.unwrap(), Taken::Closed);
    assert_eq!(send(&fails, StreamPart::End).await.unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(b.node.parts_of(&stream(0)), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_and_a_sender_that_gives_up_reach_the_receiver() {
    let (a, b) = (start(config(1)), start(config(2)));
    let fails = a.transport.open(b.transport.local(), stream(0));
    send(&fails, batch(1, 10)).await.unwrap();
    let error = Error::new(ErrorCode::NumericOverflow, "too large").with_hint("cast");
    send(&fails, StreamPart::Failed(error.clone())).await.unwrap();
    let gives_up = a.transport.open(b.transport.local(), stream(1));
    send(&gives_up, batch(1, 10)).await.unwrap();
    drop(gives_up);
    b.node.wait(|seen| seen.parts.get(&stream(1)).is_some_and(|parts| parts.len() == 2)).await;
    let seen = b.node.seen.lock().unwrap();
    let StreamPart::Failed(told) = &seen.parts[&stream(0)][1] else { panic!("a failure") };
    assert_eq!(*told, error);
    let StreamPart::Failed(told) = &seen.parts[&stream(1)][1] else { panic!("a failure") };
    assert_eq!(told.code(), ErrorCode::Connection);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_has_arrived_confirms_all_that_came_before() {
    let a = start(config(1));
    let b = start_with(config(2), node_that_holds(|_| true));
    let out = a.transport.open(b.transport.local(), stream(0));
    let mut outcomes = Vec::new();
    for part in [batch(1, 100), batch(2, 100_000), StreamPart::End] {
        let (receipt, outcome) = receipt();
        out.push(part, receipt);
        outcomes.push(outcome);
    }
    b.node.wait(|seen| seen.held.values().any(|held| held.len() == 3)).await;
    let of_end = b.node.seen.lock().unwrap().held.get_mut(&stream(0)).and_then(Vec::pop).unwrap();
    of_end(Ok(Taken::MoreWanted));
    for outcome in outcomes {
        assert_eq!(outcome.await.unwrap().unwrap(), Taken::MoreWanted);
    }
    // What is taken later is nobody's news.
    assert_eq!(b.node.take(&stream(0), Ok(Taken::MoreWanted)), 2);
    until(|| [&a, &b].iter().all(|node| node.transport.connections()[0].streams == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn short_streams_of_many_queries_arrive_whole_and_leave_nothing() {
    const STREAMS: u32 = 20_000;
    let (a, b) = (start(config(1)), start(config(2)));
    let sent: Vec<_> = (0..STREAMS)
        .flat_map(|at| {
            let out = a.transport.open(b.transport.local(), stream(at));
            let batches = (0..at % 3).map(move |part| batch(part as u8, at as usize % 5000));
            let parts = batches.chain([StreamPart::End]);
            parts.map(move |part| {
                let (receipt, outcome) = receipt();
                out.push(part, receipt);
                outcome
            })
        })
        .collect();
    for outcome in sent {
        assert_eq!(outcome.await.unwrap().unwrap(), Taken::MoreWanted);
    }
    {
        let seen = b.node.seen.lock().unwrap();
        for at in 0..STREAMS {
            let parts = &seen.parts[&stream(at)];
            let rows = parts.iter().map(|part| match part {
                StreamPart::Batch(frame) => Some(frame.rows),
                _ => None,
            });
            let expected = (0..at % 3).map(|part| Some(u64::from(part))).chain([None]);
            assert!(rows.eq(expected), "stream {at}");
        }
    }
    until(|| [&a, &b].iter().all(|node| node.transport.connections()[0].streams == 0)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_for_a_message_ends_its_stream_only() {
    let (a, b) = (start(config(1)), start(config(2)));
    let out = a.transport.open(b.transport.local(), stream(0));
    send(&out, batch(1, MESSAGE_BYTES_MAX - 4096)).await.unwrap();
    let error = send(&out, batch(1, MESSAGE_BYTES_MAX)).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::TooComplex);
    assert_eq!(echo(&a, &b, "fine").await.unwrap(), "fine");
    let other = a.transport.open(b.transport.local(), stream(1));
    send(&other, batch(1, 10)).await.unwrap();
    assert!(a.node.seen.lock().unwrap().gone.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_fail_with_their_connection_and_are_not_resumed() {
    let a = start(config(1));
    let b = start_with(config(2), node_that_holds(|_| true));
    let out = a.transport.open(b.transport.local(), stream(0));
    let idle = a.transport.open(b.transport.local(), stream(1));
    let (receipt, outcome) = receipt();
    out.push(batch(1, 100), receipt);
    b.node.wait(|seen| seen.held.len() == 1).await;
    a.transport.disconnect(NodeId(2));
    assert_eq!(outcome.await.unwrap().unwrap_err().code(), ErrorCode::Connection);
    echo(&a, &b, "connected anew").await.unwrap();
    assert_eq!(send(&out, StreamPart::End).await.unwrap_err().code(), ErrorCode::Connection);
    // The receiver may have been told.
    assert!(matches!(b.node.seen.lock().unwrap().parts[&stream(0)][1..], [] | [StreamPart::Failed(_)]));
    // One that had sent nothing goes over the new connection.
    let (receipt, outcome) = crate::support::receipt();
    idle.push(batch(1, 100), receipt);
    b.node.wait(|seen| seen.parts.contains_key(&stream(1))).await;
    b.node.take(&stream(1), Ok(Taken::MoreWanted));
    outcome.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_to_itself_and_to_nobody() {
    let a = start(config(1));
    let own = a.transport.open(a.transport.local(), stream(0));
    assert_eq!(send(&own, batch(4, 100)).await.unwrap(), Taken::MoreWanted);
    assert_eq!(a.node.parts_of(&stream(0)), 1);
    let nobody = nyala_schema::cluster::Peer { id: NodeId(9), address: "127.0.0.1:1".into() };
    let out = a.transport.open(&nobody, stream(1));
    assert_eq!(send(&out, batch(4, 100)).await.unwrap_err().code(), ErrorCode::Connection);
    a.transport.shutdown();
    assert_eq!(send(&own, batch(4, 100)).await.unwrap_err().code(), ErrorCode::Connection);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_threads_carry_connections_with_several_nodes() {
    let a = start(RpcConfig { reactors: 3, ..config(1) });
    let others: Vec<_> = (2..8).map(|id| start(RpcConfig { reactors: 2, ..config(id) })).collect();
    for (at, other) in others.iter().enumerate() {
        let (to, from) = if at % 2 == 0 { (&a, other) } else { (other, &a) };
        echo(from, to, "hello").await.unwrap();
        let out = from.transport.open(to.transport.local(), stream(at as u32));
        send(&out, batch(1, 100_000)).await.unwrap();
        let back = to.transport.open(from.transport.local(), stream(at as u32));
        send(&back, batch(1, 100_000)).await.unwrap();
    }
    assert_eq!(a.transport.connections().len(), others.len());
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert!(others.iter().all(|other| other.transport.connections().len() == 1));
}
