//! Streams between nodes: nothing is lost, slow ones hold up nobody else, and what fails is freed.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, StringViewArray};
use nyala_exchange::memory::Weather;
use nyala_exchange::{Compression, ExchangeConfig, Readiness};
use nyala_schema::ErrorCode;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::cluster::{
    Cluster, Received, assert_nothing_left, attempt, drain, ended, input, next, next_from, output, ready,
    rows, send_all,
};

fn cluster(nodes: usize, credits: u32) -> Cluster {
    Cluster::new(7, Weather::default(), nodes, &ExchangeConfig { credits, ..ExchangeConfig::default() })
}

fn config() -> ExchangeConfig {
    ExchangeConfig::default()
}

#[tokio::test(start_paused = true)]
async fn all_rows_arrive_once_and_in_order() {
    for (credits, compression) in [(1, Compression::None), (2, Compression::Lz4), (5, Compression::None)] {
        let config = ExchangeConfig { credits, compression, ..config() };
        let cluster = Cluster::new(1, Weather::default(), 4, &config);
        let peers = cluster.peers();
        let mut receivers = JoinSet::new();
        let mut senders = JoinSet::new();
        for (index, node) in cluster.nodes.iter().enumerate() {
            receivers.spawn(drain(input(node, attempt(1), 1, index, &peers), index, 4));
            senders.spawn(send_all(output(node, attempt(1), 1, index, &peers), index, 20, 500));
        }
        for sent in senders.join_all().await {
            sent.unwrap();
        }
        for received in receivers.join_all().await {
            assert_eq!(received.unwrap().counts(), [10_000; 4]);
        }
        let statistics = cluster.nodes[0].exchange.statistics_of(attempt(1));
        assert_eq!(
            (statistics.batches_sent, statistics.batches_received, statistics.batches_local),
            (60, 60, 20)
        );
        cluster.nodes.iter().for_each(|node| node.exchange.release(attempt(1)));
        assert_nothing_left(&cluster);
    }
}

#[tokio::test(start_paused = true)]
async fn a_slow_receiver_holds_up_its_own_stream_only() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    let _slow = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    let fast = input(&cluster.nodes[2], attempt(1), 1, 1, &peers[..1]);
    for number in 0..2 {
        assert_eq!(ready(&out, 0).await.unwrap(), Readiness::Ready);
        out.send(0, &rows(0, 0, number..number + 1)).unwrap();
    }
    assert!(timeout(Duration::from_secs(60), ready(&out, 0)).await.is_err());
    for number in 0..100 {
        assert_eq!(ready(&out, 1).await.unwrap(), Readiness::Ready);
        out.send(1, &rows(0, 1, number..number + 1)).unwrap();
        next(&fast).await.unwrap().unwrap();
    }
    sleep(Duration::from_secs(1)).await;
    let waiting = cluster.nodes[1].exchange.statistics();
    assert_eq!((waiting.batches_waiting, waiting.streams_in), (2, 1));
    assert_eq!(cluster.nodes[0].exchange.statistics().batches_under_way, 2);
}

/// As rows in order are merged: each sender's batches when they are next, while those of others wait.
#[tokio::test(start_paused = true)]
async fn one_sender_is_read_and_others_wait() {
    for local in [0, 1, 2] {
        let cluster = cluster(3, 2);
        let peers = cluster.peers();
        let incoming = input(&cluster.nodes[local], attempt(1), 1, 0, &peers);
        assert_eq!(incoming.senders(), 3);
        let to = [peers[local].clone()];
        let mut sending = JoinSet::new();
        for (index, node) in cluster.nodes.iter().enumerate() {
            sending.spawn(send_all(output(node, attempt(1), 1, index, &to), index, 30 * index, 10));
        }
        let mut received = Received::new(3);
        for sender in [2, 0, 1] {
            while let Some(batch) = next_from(&incoming, sender).await.unwrap() {
                received.add(0, &batch);
                received.check_order();
            }
            let read = received.counts();
            assert_eq!(read[sender], sender * 300, "all of one");
            let waiting = cluster.nodes[local].exchange.statistics().batches_waiting;
            assert!(waiting <= 4, "{waiting} batches, where two of each sender may be under way");
        }
        assert_eq!(received.counts(), [0, 300, 600]);
        assert!(sending.join_all().await.into_iter().all(|sent| sent.is_ok()));
        assert!(next_from(&incoming, 3).await.is_err(), "there is no such sender");
    }
}

/// Also when the sender that is waited for is not the one that fails.
#[tokio::test(start_paused = true)]
async fn who_waits_for_one_sender_hears_of_the_failure_of_another() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let incoming = input(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    let [_silent, failing] =
        [0, 1].map(|index| output(&cluster.nodes[index + 1], attempt(1), 1, index, &peers[..1]));
    let waiting = tokio::spawn(async move { next_from(&incoming, 0).await });
    sleep(Duration::from_secs(1)).await;
    failing.end(Err(nyala_schema::Error::new(ErrorCode::DivisionByZero, "a node divides")));
    let error = timeout(Duration::from_secs(5), waiting).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::DivisionByZero);
}

#[tokio::test(start_paused = true)]
async fn one_long_batch_keeps_to_the_credits_too() {
    let cluster = cluster(2, 1);
    let peers = cluster.peers();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    let incoming = input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]);
    let long = rows(0, 0, 0..500_000);
    out.send(0, &long).unwrap();
    out.end(Ok(()));
    sleep(Duration::from_secs(1)).await;
    assert_eq!(cluster.nodes[1].exchange.statistics().batches_waiting, 1);
    assert!(cluster.nodes[0].exchange.statistics().batches_under_way > 5);
    assert_eq!(drain(incoming, 0, 1).await.unwrap().counts(), [500_000]);
    assert_eq!(out.sent().1, 500_000);
}

#[tokio::test(start_paused = true)]
async fn senders_are_told_that_a_receiver_has_enough() {
    for local in [true, false] {
        let cluster = cluster(2, 2);
        let peers = cluster.peers();
        let receiver = usize::from(!local);
        let to = [peers[receiver].clone()];
        let out = output(&cluster.nodes[0], attempt(1), 1, 0, &to);
        let incoming = input(&cluster.nodes[receiver], attempt(1), 1, 0, &peers[..1]);
        let sending = tokio::spawn(send_all(Arc::clone(&out), 0, 1_000_000, 10));
        next(&incoming).await.unwrap().unwrap();
        incoming.close();
        assert!(next(&incoming).await.unwrap().is_none());
        // It goes through all batches without sending them.
        timeout(Duration::from_secs(5), sending).await.unwrap().unwrap().unwrap();
        assert!(out.sent().1 <= 50, "{}", out.sent().1);
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_is_dropped_has_enough() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers[1..]);
    drop(input(&cluster.nodes[1], attempt(1), 1, 0, &peers[..1]));
    timeout(Duration::from_secs(5), send_all(out, 0, 1000, 10)).await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_sender_may_be_early() {
    for receiver_is_local in [true, false] {
        let cluster = cluster(2, 2);
        let peers = cluster.peers();
        let place = usize::from(!receiver_is_local);
        let to = [peers[place].clone()];
        let sending = tokio::spawn(send_all(output(&cluster.nodes[0], attempt(1), 1, 0, &to), 0, 10, 7));
        sleep(Duration::from_secs(8)).await;
        let statistics = cluster.nodes[place].exchange.statistics();
        assert_eq!((statistics.streams_early, statistics.batches_waiting), (1, 2));
        let incoming = input(&cluster.nodes[place], attempt(1), 1, 0, &peers[..1]);
        assert_eq!(drain(incoming, 0, 1).await.unwrap().counts(), [70]);
        sending.await.unwrap().unwrap();
    }
}

#[tokio::test(start_paused = true)]
async fn an_output_has_ended_when_its_receivers_know() {
    let cluster = cluster(3, 2);
    let peers = cluster.peers();
    let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers);
    let [first, second] = [0, 1].map(|index| input(&cluster.nodes[index], attempt(1), 1, index, &peers[..1]));
    out.send(1, &rows(0, 1, 0..1)).unwrap();
    out.end(Ok(()));
    assert!(timeout(Duration::from_secs(5), ended(&out)).await.is_err());
    let third = input(&cluster.nodes[2], attempt(1), 1, 2, &peers[..1]);
    // What waits at a receiver has arrived.
    timeout(Duration::from_secs(5), ended(&out)).await.unwrap().unwrap();
    for (receiver, incoming) in [first, second, third].into_iter().enumerate() {
        assert_eq!(drain(incoming, receiver, 1).await.unwrap().counts(), [usize::from(receiver == 1)]);
    }
}

/// Each receiver takes all of one input before it looks at the other, whose senders fill what they may meanwhile.
#[tokio::test(start_paused = true)]
async fn one_input_after_another_does_not_lock_up() {
    let cluster = cluster(3, 1);
    let peers = cluster.peers();
    let mut tasks = JoinSet::new();
    for (index, node) in cluster.nodes.iter().enumerate() {
        for fragment in [2, 3] {
            let out = output(node, attempt(1), fragment, index, &peers);
            tasks.spawn(async move { send_all(out, index, 50, 10).await.unwrap() });
        }
        let [build, probe] = [2, 3].map(|fragment| input(node, attempt(1), fragment, index, &peers));
        let result = output(node, attempt(1), 1, index, &peers[..1]);
        tasks.spawn(async move {
            let built = drain(build, index, 3).await.unwrap();
            assert_eq!(built.counts(), [500; 3]);
            let mut number = 0;
            while next(&probe).await.unwrap().is_some() {
                assert_eq!(ready(&result, 0).await.unwrap(), Readiness::Ready);
                result.send(0, &rows(index, 0, number..number + 1)).unwrap();
                number += 1;
            }
            result.end(Ok(()));
        });
    }
    let all = drain(input(&cluster.nodes[0], attempt(1), 1, 0, &peers), 0, 3);
    let received = timeout(Duration::from_secs(60), all).await.expect("a deadlock").unwrap();
    assert_eq!(received.counts(), [150; 3]);
    tasks.join_all().await;
}

#[tokio::test(start_paused = true)]
async fn batches_take_the_types_of_their_stream() {
    let cluster = cluster(2, 2);
    let peers = cluster.peers();
    for receiver in 0..2 {
        let id = attempt(receiver as u128);
        let incoming = input(&cluster.nodes[receiver], id, 1, 0, &peers[..1]);
        let out = output(&cluster.nodes[0], id, 1, 0, &peers[receiver..=receiver]);
        let number = |value| Arc::new(Int64Array::from(vec![value])) as ArrayRef;
        let columns = |text: ArrayRef| [("a", number(0)), ("b", number(0)), ("c", number(1)), ("d", text)];
        let batch =
            RecordBatch::try_from_iter(columns(Arc::new(StringArray::from(vec!["row 1 of 0"])))).unwrap();
        out.send(0, &batch).unwrap();
        assert_eq!(next(&incoming).await.unwrap().unwrap(), rows(0, 0, 1..2));

        let other = RecordBatch::try_from_iter(columns(number(5))).unwrap();
        assert_eq!(out.send(0, &other).unwrap_err().code(), ErrorCode::Internal);
        let narrow =
            RecordBatch::try_from_iter([("d", Arc::new(StringViewArray::from(vec!["x"])) as ArrayRef)]);
        assert_eq!(out.send(0, &narrow.unwrap()).unwrap_err().code(), ErrorCode::Internal);
    }
}

/// Threads that take and send at once: every wake-up arrives.
#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_workers_share_an_input_and_an_output() {
    for round in 0..20 {
        let cluster = Cluster::new(
            round,
            Weather { latency: Duration::ZERO..Duration::ZERO, ..Weather::default() },
            2,
            &config(),
        );
        let peers = cluster.peers();
        let incoming: Vec<_> =
            (0..2).map(|index| input(&cluster.nodes[index], attempt(1), 1, index, &peers[..1])).collect();
        let out = output(&cluster.nodes[0], attempt(1), 1, 0, &peers);
        let mut takers = JoinSet::new();
        for index in 0..8 {
            let incoming = Arc::clone(&incoming[index % 2]);
            takers.spawn(async move {
                let mut count = 0;
                while let Some(batch) = next(&incoming).await.unwrap() {
                    count += batch.num_rows();
                }
                count
            });
        }
        let mut senders = JoinSet::new();
        for _ in 0..4 {
            let out = Arc::clone(&out);
            senders.spawn(async move {
                for number in 0..500 {
                    let receiver = number as usize % 2;
                    assert_eq!(ready(&out, receiver).await.unwrap(), Readiness::Ready);
                    out.send(receiver, &rows(0, receiver, number..number + 1)).unwrap();
                }
            });
        }
        senders.join_all().await;
        out.end(Ok(()));
        let taken = timeout(Duration::from_secs(20), takers.join_all()).await.expect("a wake-up was lost");
        assert_eq!(taken.iter().sum::<usize>(), 2000);
    }
}
