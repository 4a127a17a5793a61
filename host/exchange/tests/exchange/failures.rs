//! What fails is told to whom it concerns, and freed.

use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::memory::Weather;
use nyala_exchange::{ExchangeConfig, Receipt, StreamPart, Taken};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode};
use tokio::time::{Instant, sleep, timeout};

use crate::cluster::{
    Cluster, assert_nothing_left, attempt, drain, ended, input, next, output, ready, rows, send_all,
};

fn cluster(nodes: usize, credits: u32) -> Cluster {
    Cluster::new(7, Weather::default(), nodes, &ExchangeConfig { credits, ..ExchangeConfig::default() })
}

#[tokio::test(start_paused = true)]
async fn a_sender_does_not_wait_for_ever() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let start = Instant::now();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    let error = send_all(out, 0, 10, 7).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("did not come in time"), "{error}");
    assert_eq!(start.elapsed().as_secs(), 10);
    // Rows are gone, so the receiver cannot come any more.
    let late = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    assert_eq!(next(&late).await.unwrap_err().code(), ErrorCode::Connection);
    cluster.nodes.iter().for_each(|node| node.exchange.release(attempt(1)));
    assert_nothing_left(&cluster);
}

#[tokio::test(start_paused = true)]
async fn an_error_of_a_sender_reaches_the_receivers_as_it_is() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let good = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[2..]);
    let bad = output(&cluster.nodes[1], attempt(1), 1, 1, &peers[2..]);
    let incoming = input(&cluster.nodes[2], attempt(1), 1, 0, &peers[..2]);
    bad.end(Err(Error::new(ErrorCode::DivisionByZero, "division by zero").with_hint("do not")));
    bad.end(Ok(()));
    let error = loop {
        good.send(0, &rows(0, 0, 0..1)).unwrap();
        match next(&incoming).await {
            Ok(batch) => assert!(batch.is_some()),
            Err(error) => break error,
        }
    };
    assert_eq!((error.code(), error.hint()), (ErrorCode::DivisionByZero, Some("do not")));
    // The other sender need not send any more.
    timeout(Duration::from_secs(5), send_all(good, 0, 1000, 10)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn an_output_that_is_dropped_is_no_end() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let incoming = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    drop(output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]));
    assert_eq!(next(&incoming).await.unwrap_err().code(), ErrorCode::Cancelled);
}

/// It was not there yet when the connection broke over which its rows came.
#[tokio::test(start_paused = true)]
async fn a_receiver_hears_of_rows_that_were_lost_before_it_came() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    out.send(0, &rows(0, 0, 0..1)).unwrap();
    out.end(Ok(()));
    cluster.network.break_connection(peers[0].id, peers[1].id);
    assert_eq!(ended(&out).await.unwrap_err().code(), ErrorCode::Connection);
    sleep(Duration::from_secs(1)).await;
    let incoming = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    assert_eq!(next(&incoming).await.unwrap_err().code(), ErrorCode::Connection);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_dies_fails_what_it_takes_part_in_and_nothing_else() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let from_dead = input(&cluster.nodes[0], attempt(1), 1, 0, &peers[2..]);
    let to_dead = output(&cluster.nodes[0], attempt(2), 1, 0, &peers[2..]);
    let other = input(&cluster.nodes[1], attempt(3), 1, 0, &peers[..1]);
    let sender = output(&cluster.nodes[2], attempt(1), 1, 0, &peers[..1]);
    let other_sender = output(&cluster.nodes[0], attempt(3), 1, 0, &peers[1..2]);
    sender.send(0, &rows(0, 0, 0..1)).unwrap();
    next(&from_dead).await.unwrap().unwrap();
    to_dead.send(0, &rows(0, 0, 0..1)).unwrap();
    sleep(Duration::from_secs(1)).await;

    let start = Instant::now();
    cluster.network.crash(peers[2].id);
    let error = next(&from_dead).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("node2:7000") && error.is_retryable(), "{error}");
    assert_eq!(ready(&to_dead, 0).await.unwrap_err().code(), ErrorCode::Connection);
    assert!(to_dead.send(0, &rows(0, 0, 0..1)).is_err());
    assert!(start.elapsed() < Duration::from_millis(10));

    let sending = tokio::spawn(send_all(other_sender, 0, 10, 10));
    assert_eq!(drain(other, 0, 1).await.unwrap().counts(), [100]);
    sending.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_short_break_of_the_network_fails_nothing_and_a_long_one_does() {
    for (seconds, survives) in [(3, true), (10, false)] {
        let cluster = cluster(2, 2);
        let peers = cluster.peers();
        let incoming = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
        let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
        out.send(0, &rows(0, 0, 0..10)).unwrap();
        next(&incoming).await.unwrap().unwrap();
        cluster.network.part(peers[0].id, peers[1].id);
        let sending = tokio::spawn(async move {
            for number in 1..20 {
                ready(&out, 0).await?;
                out.send(0, &rows(0, 0, number * 10..number * 10 + 10))?;
            }
            out.end(Ok(()));
            Ok::<(), Error>(())
        });
        sleep(Duration::from_secs(seconds)).await;
        cluster.network.heal();
        let mut expected = 10;
        let result = loop {
            match next(&incoming).await {
                Ok(None) => break Ok(()),
                Err(error) => break Err(error),
                Ok(Some(batch)) => {
                    assert_eq!(batch, rows(0, 0, expected..expected + 10));
                    expected += 10;
                }
            }
        };
        match survives {
            true => assert_eq!((result, expected), (Ok(()), 200)),
            false => assert_eq!(result.unwrap_err().code(), ErrorCode::Connection),
        }
        assert_eq!(sending.await.unwrap().is_ok(), survives);
    }
}

#[tokio::test(start_paused = true)]
async fn release_frees_everything_at_once() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let incoming = input(&cluster.nodes[0], attempt(1), 1, 0, &peers);
    let outputs: Vec<_> =
        (0..3).map(|sender| output(&cluster.nodes[sender], attempt(1), 1, sender, &peers[..1])).collect();
    let early = output(&cluster.nodes[1], attempt(1), 2, 0, &peers[..1]);
    for out in outputs.iter().chain([&early]) {
        out.send(0, &rows(0, 0, 0..10)).unwrap();
    }
    let blocked = tokio::spawn({
        let out = Arc::clone(&outputs[1]);
        async move {
            out.send(0, &rows(1, 0, 10..20)).unwrap();
            ready(&out, 0).await
        }
    });
    sleep(Duration::from_secs(1)).await;
    let before = cluster.nodes[0].exchange.statistics();
    assert_eq!((before.batches_waiting, before.streams_early, before.inputs, before.outputs), (5, 1, 1, 1));

    cluster.nodes.iter().for_each(|node| node.exchange.release(attempt(1)));
    assert_nothing_left(&cluster);
    assert_eq!(next(&incoming).await.unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(blocked.await.unwrap().unwrap_err().code(), ErrorCode::Cancelled);

    // What comes late makes nothing new.
    let late = input(&cluster.nodes[0], attempt(1), 3, 0, &peers);
    assert_eq!(next(&late).await.unwrap_err().code(), ErrorCode::Cancelled);
    let late = output(&cluster.nodes[0], attempt(1), 3, 0, &peers);
    assert_eq!(ready(&late, 1).await.unwrap_err().code(), ErrorCode::Cancelled);
    assert_eq!(received(&cluster, peers[1].id, StreamPart::End), Some(Ok(Taken::Closed)));
    sleep(Duration::from_secs(60)).await;
    assert_nothing_left(&cluster);
}

#[tokio::test(start_paused = true)]
async fn receivers_learn_of_a_release_on_the_senders_node() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let incoming = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    cluster.nodes[0].exchange.release(attempt(1));
    assert_eq!(next(&incoming).await.unwrap_err().code(), ErrorCode::Cancelled);
    drop(out);
}

/// What a part of stream 1.0→0 is answered at once, if it is.
fn received(cluster: &Cluster, from: NodeId, part: StreamPart) -> Option<Result<Taken, Error>> {
    let answer = Arc::new(std::sync::Mutex::new(None));
    let receipt: Receipt = {
        let answer = Arc::clone(&answer);
        Box::new(move |result| assert!(answer.lock().unwrap().replace(result).is_none()))
    };
    let stream = StreamId { attempt: attempt(1), fragment: FragmentId(1), sender: 0, receiver: 0 };
    cluster.nodes[0].exchange.receive(from, stream, part, receipt);
    answer.lock().unwrap().take()
}

#[tokio::test(start_paused = true)]
async fn parts_that_nobody_may_send_are_refused() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let batch = || StreamPart::Batch(nyala_exchange::Frame::of(&rows(0, 0, 0..1)).unwrap());
    let incoming = input(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    // From a node where the sender is not.
    let answer = received(&cluster, NodeId(77), batch()).unwrap();
    assert_eq!(answer.unwrap_err().code(), ErrorCode::Connection);
    assert_eq!(received(&cluster, peers[1].id, batch()), None);
    next(&incoming).await.unwrap().unwrap();
    // After the end.
    assert_eq!(received(&cluster, peers[1].id, StreamPart::End), Some(Ok(Taken::MoreWanted)));
    assert!(received(&cluster, peers[1].id, batch()).unwrap().is_err());
    assert!(next(&incoming).await.unwrap().is_none());

    // Far more than any credit.
    let incoming = {
        cluster.nodes[0].exchange.release(attempt(1));
        let stream = StreamId { attempt: attempt(9), fragment: FragmentId(1), sender: 0, receiver: 0 };
        let incoming = input(&cluster.nodes[0], attempt(9), 1, 0, &peers[1..]);
        for _ in 0..1000 {
            cluster.nodes[0].exchange.receive(peers[1].id, stream, batch(), Box::new(|_| {}));
        }
        incoming
    };
    assert_eq!(next(&incoming).await.unwrap_err().code(), ErrorCode::Connection);
    assert_eq!(cluster.nodes[0].exchange.statistics().batches_waiting, 0);
}

#[tokio::test(start_paused = true)]
async fn a_damaged_batch_fails_its_input_only() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let incoming = input(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    let other = input(&cluster.nodes[0], attempt(2), 1, 0, &peers[1..]);
    let mut frame = nyala_exchange::Frame::of(&rows(0, 0, 0..1)).unwrap();
    frame.head = frame.head.slice(1..);
    assert_eq!(received(&cluster, peers[1].id, StreamPart::Batch(frame)), None);
    let error = next(&incoming).await.unwrap_err();
    assert!(error.code() == ErrorCode::Connection && error.message().contains("node1:7000"), "{error}");
    assert!(timeout(Duration::from_secs(1), next(&other)).await.is_err());
}
