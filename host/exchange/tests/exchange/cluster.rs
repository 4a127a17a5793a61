//! Some nodes that do nothing but exchange, on a network in memory.

use std::future::poll_fn;
use std::sync::{Arc, OnceLock};

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, StringViewArray};
use arrow::datatypes::{DataType, Field, Int64Type, Schema, SchemaRef};
use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::memory::{MemoryNetwork, MemoryTransport, Weather};
use nyala_exchange::{
    Caller, Exchange, ExchangeConfig, ExchangeStatistics, Handler, Input, InputSpec, Output, OutputSpec,
    Readiness, Receipt, Service, StreamPart,
};
use nyala_schema::cluster::{Attempt, NodeId, Peer, QueryId, StreamId};
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, Result};

pub struct Cluster {
    pub network: Arc<MemoryNetwork>,
    pub nodes: Vec<Node>,
}

pub struct Node {
    pub peer: Peer,
    pub exchange: Arc<Exchange>,
    pub transport: Arc<MemoryTransport>,
}

impl Cluster {
    pub fn new(seed: u64, weather: Weather, nodes: usize, config: &ExchangeConfig) -> Self {
        let network = MemoryNetwork::new(seed, weather);
        let nodes = (0..nodes).map(|index| Node::start(&network, index, 1, config)).collect();
        Self { network, nodes }
    }

    pub fn peers(&self) -> Vec<Peer> {
        self.nodes.iter().map(|node| node.peer.clone()).collect()
    }
}

/// Ends the nodes, which name each other by way of the network.
impl Drop for Cluster {
    fn drop(&mut self) {
        self.nodes.iter().for_each(|node| self.network.crash(node.peer.id));
    }
}

impl Node {
    pub fn start(
        network: &Arc<MemoryNetwork>,
        index: usize,
        incarnation: u64,
        config: &ExchangeConfig,
    ) -> Self {
        let inbox = Arc::new(Inbox::default());
        Self::start_with(network, index, incarnation, config, inbox, |inbox| &inbox.0)
    }

    /// With a handler of one's own, that is told of the exchange.
    pub fn start_with<H: Handler>(
        network: &Arc<MemoryNetwork>,
        index: usize,
        incarnation: u64,
        config: &ExchangeConfig,
        inbox: Arc<H>,
        place: impl Fn(&H) -> &OnceLock<Arc<Exchange>>,
    ) -> Self {
        let peer = peer(index);
        let transport = network.add(peer.clone(), incarnation, Arc::clone(&inbox) as Arc<dyn Handler>);
        let exchange = Exchange::new(Arc::clone(&transport) as Arc<_>, config.clone());
        assert!(place(&inbox).set(Arc::clone(&exchange)).is_ok());
        Self { peer, exchange, transport }
    }
}

pub fn peer(index: usize) -> Peer {
    Peer { id: NodeId(index as u64 + 1), address: format!("node{index}:7000") }
}

#[derive(Default)]
struct Inbox(OnceLock<Arc<Exchange>>);

#[async_trait]
impl Handler for Inbox {
    async fn call(&self, _: &Caller, _: Service, request: Bytes) -> Result<Bytes> {
        tokio::time::sleep(std::time::Duration::from_millis(10)).await;
        match request.as_ref() {
            b"fail" => Err(Error::unsupported("what was asked").with_hint("ask something else")),
            _ => Ok(request),
        }
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        self.0.get().unwrap().receive(from, stream, part, receipt);
    }

    fn disconnected(&self, node: NodeId) {
        self.0.get().unwrap().disconnected(node);
    }

    fn client_gone(&self, _: u64) {}
}

pub fn attempt(number: u128) -> Attempt {
    Attempt { query: QueryId(number), number: 0 }
}

/// Whose row it is, and its number in the stream; and some text.
pub fn schema() -> SchemaRef {
    let numbers = ["sender", "receiver", "number"].map(|name| Field::new(name, DataType::Int64, false));
    let text = Field::new("text", DataType::Utf8View, true);
    Arc::new(Schema::new(numbers.into_iter().chain([text]).collect::<Vec<_>>()))
}

pub fn rows(sender: usize, receiver: usize, numbers: std::ops::Range<i64>) -> RecordBatch {
    let count = (numbers.end - numbers.start) as usize;
    let same = |value: usize| Arc::new(Int64Array::from(vec![value as i64; count])) as ArrayRef;
    let text: StringViewArray =
        numbers.clone().map(|number| (number % 3 > 0).then(|| format!("row {number} of {sender}"))).collect();
    let numbers = Arc::new(Int64Array::from_iter_values(numbers));
    RecordBatch::try_new(schema(), vec![same(sender), same(receiver), numbers, Arc::new(text)]).unwrap()
}

pub fn input(
    node: &Node,
    attempt: Attempt,
    fragment: u32,
    receiver: usize,
    senders: &[Peer],
) -> Arc<dyn Input> {
    node.exchange.input(InputSpec {
        attempt,
        fragment: FragmentId(fragment),
        receiver: receiver as u32,
        senders: senders.into(),
        schema: schema(),
    })
}

pub fn output(
    node: &Node,
    attempt: Attempt,
    fragment: u32,
    sender: usize,
    receivers: &[Peer],
) -> Arc<dyn Output> {
    node.exchange.output(OutputSpec {
        attempt,
        fragment: FragmentId(fragment),
        sender: sender as u32,
        receivers: receivers.into(),
        schema: schema(),
        compression: None,
    })
}

pub async fn next(input: &Arc<dyn Input>) -> Result<Option<RecordBatch>> {
    poll_fn(|context| input.poll_next(context)).await
}

pub async fn next_from(input: &Arc<dyn Input>, sender: usize) -> Result<Option<RecordBatch>> {
    poll_fn(|context| input.poll_from(sender, context)).await
}

pub async fn ready(output: &Arc<dyn Output>, receiver: usize) -> Result<Readiness> {
    poll_fn(|context| output.poll_ready(receiver, context)).await
}

pub async fn ended(output: &Arc<dyn Output>) -> Result<()> {
    poll_fn(|context| output.poll_ended(context)).await
}

/// Numbers of rows by sender, as they come.
#[derive(Debug, Default, Clone, PartialEq)]
pub struct Received(pub Vec<Vec<i64>>);

impl Received {
    pub fn new(senders: usize) -> Self {
        Self(vec![Vec::new(); senders])
    }

    pub fn add(&mut self, receiver: usize, batch: &RecordBatch) {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values();
        for row in 0..batch.num_rows() {
            assert_eq!(column(1)[row], receiver as i64, "a row of another receiver");
            let (sender, number) = (column(0)[row], column(2)[row]);
            let text = batch.column(3).as_string_view();
            let text = arrow::array::Array::is_valid(text, row).then(|| text.value(row));
            assert_eq!(text, (number % 3 > 0).then(|| format!("row {number} of {sender}")).as_deref());
            self.0[sender as usize].push(number);
        }
    }

    /// Each stream from its beginning, in order, nothing twice.
    pub fn check_order(&self) {
        for numbers in &self.0 {
            let wrong = numbers.iter().enumerate().find(|(place, number)| *place as i64 != **number);
            assert_eq!(wrong, None, "a row and its number");
        }
    }

    pub fn counts(&self) -> Vec<usize> {
        self.0.iter().map(Vec::len).collect()
    }
}

/// All of an input.
pub async fn drain(input: Arc<dyn Input>, receiver: usize, senders: usize) -> Result<Received> {
    let mut received = Received::new(senders);
    while let Some(batch) = next(&input).await? {
        received.add(receiver, &batch);
        received.check_order();
    }
    Ok(received)
}

/// Sends batches of some rows to each receiver in turns, then the end.
pub async fn send_all(output: Arc<dyn Output>, sender: usize, batches: usize, batch_rows: i64) -> Result<()> {
    for batch in 0..batches as i64 {
        for receiver in 0..output.receivers() {
            if ready(&output, receiver).await? == Readiness::Ready {
                output
                    .send(receiver, &rows(sender, receiver, batch * batch_rows..(batch + 1) * batch_rows))?;
            }
        }
    }
    output.end(Ok(()));
    Ok(())
}

/// What is there now, without what has been.
pub fn present(statistics: ExchangeStatistics) -> ExchangeStatistics {
    ExchangeStatistics {
        batches_sent: 0,
        bytes_sent: 0,
        batches_received: 0,
        bytes_received: 0,
        batches_local: 0,
        ..statistics
    }
}

pub fn assert_nothing_left(cluster: &Cluster) {
    for node in &cluster.nodes {
        assert_eq!(present(node.exchange.statistics()), ExchangeStatistics::default(), "{}", node.peer);
    }
}
