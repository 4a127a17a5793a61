//! Exchanges over real connections.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{Int64Type, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::{
    Caller, Compression, Exchange, ExchangeConfig, Handler, Input, InputSpec, Output, OutputSpec, Readiness,
    Receipt, Service, StreamPart, Transport,
};
use nyala_rpc::{RpcConfig, RpcTransport};
use nyala_schema::cluster::{Attempt, NodeId, Peer, QueryId, StreamId};
use nyala_schema::id::FragmentId;
use nyala_schema::{ErrorCode, Result};

#[derive(Default)]
struct Inbox(OnceLock<Arc<Exchange>>);

#[async_trait]
impl Handler for Inbox {
    async fn call(&self, _: &Caller, _: Service, request: Bytes) -> Result<Bytes> {
        Ok(request)
    }
    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        self.0.get().unwrap().receive(from, stream, part, receipt);
    }
    fn disconnected(&self, node: NodeId) {
        self.0.get().unwrap().disconnected(node);
    }
    fn client_gone(&self, _: u64) {}
}

struct Node {
    transport: Arc<RpcTransport>,
    exchange: Arc<Exchange>,
}

fn node(id: u64, compression: Compression) -> Node {
    let inbox = Arc::new(Inbox::default());
    let transport =
        RpcTransport::start(RpcConfig::local("test", NodeId(id)), Arc::clone(&inbox) as Arc<dyn Handler>)
            .unwrap();
    let config = ExchangeConfig { compression, ..ExchangeConfig::default() };
    let exchange = Exchange::new(Arc::clone(&transport) as Arc<dyn Transport>, config);
    assert!(inbox.0.set(Arc::clone(&exchange)).is_ok());
    Node { transport, exchange }
}

fn rows(sender: usize, start: i64, count: usize) -> RecordBatch {
    let text: StringViewArray =
        (0..count).map(|row| (row % 3 > 0).then(|| format!("row {row} of some sender"))).collect();
    let columns: [(&str, ArrayRef); 3] = [
        ("sender", Arc::new(Int64Array::from(vec![sender as i64; count]))),
        ("number", Arc::new(Int64Array::from_iter_values(start..start + count as i64))),
        ("text", Arc::new(text)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.map(|(n, a)| (n, a, true))).unwrap()
}

fn schema() -> SchemaRef {
    rows(0, 0, 0).schema()
}

async fn sending(output: Arc<dyn Output>, sender: usize, batches: usize, count: usize) -> Result<()> {
    let mut next = vec![0; output.receivers()];
    for _ in 0..batches {
        for (receiver, next) in next.iter_mut().enumerate() {
            if poll_fn(|cx| output.poll_ready(receiver, cx)).await? == Readiness::Ready {
                output.send(receiver, &rows(sender, *next, count))?;
                *next += count as i64;
            }
        }
    }
    output.end(Ok(()));
    poll_fn(|cx| output.poll_ended(cx)).await
}

async fn receiving(input: Arc<dyn Input>, senders: usize) -> Result<Vec<i64>> {
    let mut next = vec![0; senders];
    while let Some(batch) = poll_fn(|cx| input.poll_next(cx)).await? {
        let senders = batch.column(0).as_primitive::<Int64Type>().values();
        let numbers = batch.column(1).as_primitive::<Int64Type>().values();
        for (sender, number) in senders.iter().zip(numbers) {
            assert_eq!(next[*sender as usize], *number);
            next[*sender as usize] += 1;
        }
    }
    Ok(next)
}

fn attempt(n: u128) -> Attempt {
    Attempt { query: QueryId(n), number: 0 }
}

/// Each node sends to each.
fn spread(
    nodes: &[Node],
    query: u128,
    batches: usize,
    count: usize,
) -> Vec<tokio::task::JoinHandle<Result<Vec<i64>>>> {
    let peers: Arc<[Peer]> = nodes.iter().map(|node| node.transport.local().clone()).collect();
    let (attempt, fragment) = (attempt(query), FragmentId(1));
    let mut all = Vec::new();
    for (index, node) in nodes.iter().enumerate() {
        let (receivers, senders, place) = (peers.clone(), peers.clone(), index as u32);
        let output = node.exchange.output(OutputSpec {
            attempt,
            fragment,
            sender: place,
            receivers,
            schema: schema(),
            compression: None,
        });
        all.push(tokio::spawn(
            async move { sending(output, index, batches, count).await.map(|()| Vec::new()) },
        ));
        let input =
            node.exchange.input(InputSpec { attempt, fragment, receiver: place, senders, schema: schema() });
        all.push(tokio::spawn(receiving(input, peers.len())));
    }
    all
}

fn release(nodes: &[Node], queries: std::ops::Range<u128>) {
    for node in nodes {
        queries.clone().for_each(|query| node.exchange.release(attempt(query)));
        let left = node.exchange.statistics();
        assert_eq!((left.attempts, left.batches_waiting, left.streams_early), (0, 0, 0));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_queries_exchange_rows_at_once() {
    const ROWS: [usize; 3] = [1, 500, 20_000];
    for compression in [Compression::None, Compression::Lz4] {
        let nodes: Vec<Node> = (1..4).map(|id| node(id, compression)).collect();
        let all: Vec<_> =
            (0..30).map(|query| spread(&nodes, query, 5, ROWS[query as usize % ROWS.len()])).collect();
        for (query, tasks) in all.into_iter().enumerate() {
            let expected = vec![5 * ROWS[query % ROWS.len()] as i64; 3];
            for task in tasks {
                let received = tokio::time::timeout(Duration::from_secs(120), task).await.expect("it hangs");
                let received = received.unwrap().unwrap();
                assert!(received.is_empty() || received == expected, "{received:?}");
            }
        }
        assert!(nodes.iter().all(|node| node.transport.connections().len() == 2));
        release(&nodes, 0..30);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_stops_while_rows_are_exchanged() {
    for round in 0..5 {
        let mut nodes: Vec<Node> = (1..4).map(|id| node(id, Compression::None)).collect();
        let all: Vec<_> = (0..8).flat_map(|query| spread(&nodes, query, 200, 3000)).collect();
        tokio::time::sleep(Duration::from_millis(20 + round * 40)).await;
        let gone = nodes.pop().unwrap();
        gone.transport.shutdown();
        release(&[gone], 0..8);
        let mut failed = 0;
        for task in all {
            let result =
                tokio::time::timeout(Duration::from_secs(60), task).await.expect("it hangs").unwrap();
            if let Err(error) = result {
                let expected = [ErrorCode::Connection, ErrorCode::Cancelled];
                assert!(expected.contains(&error.code()), "{error:?}");
                failed += 1;
            }
        }
        assert!(failed > 0, "the node stopped too late");
        release(&nodes, 0..8);
    }
}
