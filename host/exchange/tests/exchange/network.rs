//! The network in memory behaves like one, and the same for the same seed.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::memory::{MemoryNetwork, Weather};
use nyala_exchange::{Caller, ExchangeConfig, Handler, Receipt, Service, StreamPart, Taken, Transport};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::{Instant, advance, timeout};

use crate::cluster::{Cluster, Node, attempt, drain, input, output, peer, send_all};

fn cluster(seed: u64, weather: Weather) -> Cluster {
    Cluster::new(seed, weather, 3, &ExchangeConfig::default())
}

#[tokio::test(start_paused = true)]
async fn calls_are_answered_refused_and_cancelled() {
    let cluster = cluster(1, Weather::default());
    let peers = cluster.peers();
    let transport = &cluster.nodes[0].transport;
    let call = |to: usize, text: &'static str| transport.call(&peers[to], Service::QUERY, Bytes::from(text));
    assert_eq!(call(1, "hello").await.unwrap(), "hello");
    assert_eq!(call(0, "to itself").await.unwrap(), "to itself");
    let error = call(1, "fail").await.unwrap_err();
    assert_eq!((error.code(), error.hint()), (ErrorCode::Unsupported, Some("ask something else")));
    assert!(timeout(Duration::from_millis(1), call(1, "too slow")).await.is_err());
    assert_eq!(transport.dial("node2:7000").await.unwrap(), peers[2].id);
    assert_eq!(transport.dial("nowhere:1").await.unwrap_err().code(), ErrorCode::Connection);
    assert_eq!(transport.connections().len(), 2);

    cluster.network.crash(peers[1].id);
    assert_eq!(call(1, "hello").await.unwrap_err().code(), ErrorCode::Connection);
    let again = Node::start(&cluster.network, 1, 2, &ExchangeConfig::default());
    assert_eq!(call(1, "hello").await.unwrap(), "hello");
    // Who has crashed is fenced off, though another is there under its name.
    let old = &cluster.nodes[1].transport;
    assert_eq!(
        old.call(&peers[0], Service::QUERY, Bytes::new()).await.unwrap_err().code(),
        ErrorCode::Connection
    );
    assert!(again.transport.call(&peers[0], Service::QUERY, Bytes::new()).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_parted_node_answers_after_a_short_break_only() {
    let cluster = cluster(1, Weather::default());
    let peers = cluster.peers();
    let transport = &cluster.nodes[0].transport;
    for (seconds, answers) in [(2, true), (20, false)] {
        cluster.network.heal();
        transport.call(&peers[1], Service::QUERY, Bytes::new()).await.unwrap();
        cluster.network.isolate(peers[1].id);
        let start = Instant::now();
        let network = cluster.network.clone();
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            network.heal();
        });
        let result = transport.call(&peers[1], Service::QUERY, Bytes::new()).await;
        assert_eq!((result.is_ok(), start.elapsed().as_secs()), (answers, seconds.min(5)));
        assert!(transport.call(&peers[2], Service::QUERY, Bytes::new()).await.is_ok());
        tokio::time::sleep(Duration::from_secs(30)).await;
    }
}

/// Writes down what comes.
#[derive(Default)]
struct Diary(Mutex<Vec<String>>);

#[async_trait]
impl Handler for Diary {
    async fn call(&self, _: &Caller, _: Service, request: Bytes) -> Result<Bytes> {
        Ok(request)
    }

    fn receive(&self, _: NodeId, _: StreamId, part: StreamPart, receipt: Receipt) {
        if let StreamPart::Failed(error) = part {
            self.0.lock().unwrap().push(error.message().to_owned());
        }
        receipt(Ok(Taken::MoreWanted));
    }

    fn disconnected(&self, _: NodeId) {}

    fn client_gone(&self, _: u64) {}
}

/// Also what arrives in the moment in which the nodes come together again does not overtake what was held.
#[tokio::test(start_paused = true)]
async fn what_was_held_keeps_its_place() {
    let latency = Duration::from_micros(100);
    let network = MemoryNetwork::new(1, Weather { latency: latency..latency, ..Weather::default() });
    let (here, there) = (Arc::new(Diary::default()), Arc::new(Diary::default()));
    let transport = network.add(peer(0), 1, here);
    let _other = network.add(peer(1), 1, there.clone());
    let id = StreamId { attempt: attempt(1), fragment: FragmentId(1), sender: 0, receiver: 0 };
    let stream = transport.open(&peer(1), id);
    let push = |what: &str| stream.push(StreamPart::Failed(Error::internal(what)), Box::new(|_| {}));
    push("first");
    network.part_one_way(peer(0).id, peer(1).id);
    tokio::time::sleep(Duration::from_millis(10)).await;
    push("second");
    // The time of its arrival comes, and the nodes meet before it is brought.
    let mut passing = pin!(advance(Duration::from_millis(1)));
    poll_fn(|context| std::task::Poll::Ready(passing.as_mut().poll(context).is_pending())).await;
    network.heal();
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(*there.0.lock().unwrap(), ["first", "second"]);
}

#[tokio::test(start_paused = true)]
async fn a_slow_link_takes_its_time() {
    let cluster = cluster(1, Weather::default());
    let peers = cluster.peers();
    cluster.network.slow(peers[0].id, peers[1].id, 1000);
    let start = Instant::now();
    let call =
        |to: usize| cluster.nodes[0].transport.call(&peers[to], Service::QUERY, Bytes::from(vec![0; 5000]));
    call(2).await.unwrap();
    assert!(start.elapsed() < Duration::from_millis(20));
    call(1).await.unwrap();
    assert_eq!(start.elapsed().as_secs(), 5);
}

/// When everything was over, to the nanosecond, and what it came to.
async fn story(seed: u64) -> (Duration, Vec<String>) {
    let weather = Weather { breaks_per_million: 5000, bytes_per_second: Some(1 << 20), ..Weather::default() };
    let cluster = cluster(seed, weather);
    let peers = cluster.peers();
    let start = Instant::now();
    let mut ends = Vec::new();
    for query in 0..5 {
        let mut tasks = tokio::task::JoinSet::new();
        for (index, node) in cluster.nodes.iter().enumerate() {
            let sending = send_all(output(node, attempt(query), 1, index, &peers), index, 10, 100);
            tasks.spawn(async move { format!("{:?}", sending.await) });
            let receiving = drain(input(node, attempt(query), 1, index, &peers), index, 3);
            tasks.spawn(async move { format!("{:?}", receiving.await.map(|received| received.counts())) });
        }
        while let Some(end) = timeout(Duration::from_secs(600), tasks.join_next()).await.expect("a hang") {
            ends.push(end.unwrap());
        }
        cluster.nodes.iter().for_each(|node| node.exchange.release(attempt(query)));
    }
    (start.elapsed(), ends)
}

#[tokio::test(start_paused = true)]
async fn the_same_seed_tells_the_same_story() {
    let mut stories = Vec::new();
    for seed in 0..20 {
        let first = story(seed).await;
        assert_eq!(first, story(seed).await);
        stories.push(first);
    }
    stories.sort();
    stories.dedup();
    assert_eq!(stories.len(), 20);
    let has = |what: &str| stories.iter().any(|(_, ends)| ends.iter().any(|end| end.contains(what)));
    assert!(has("Ok") && has("Connection"));
}
