//! Nodes that note what comes to them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::buffer::Buffer;
use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::frame::Body;
use nyala_exchange::{Caller, Frame, Handler, Receipt, Service, StreamPart, Taken, Transport};
use nyala_rpc::{Limits, RpcConfig, RpcTransport};
use nyala_schema::cluster::{Attempt, NodeId, QueryId, StreamId};
use nyala_schema::error::Position;
use nyala_schema::id::FragmentId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::watch;

pub const ECHO: Service = Service(1);
/// Never answers.
pub const HANG: Service = Service(2);
pub const FAIL: Service = Service(3);
pub const PANIC: Service = Service(4);
/// Answers with as many bytes as the request says.
pub const BYTES: Service = Service(5);

/// What has come to a node.
#[derive(Default)]
pub struct Seen {
    pub callers: Vec<Caller>,
    pub parts: HashMap<StreamId, Vec<StreamPart>>,
    pub held: HashMap<StreamId, Vec<Receipt>>,
    pub hanging: i64,
    pub gone: Vec<NodeId>,
    pub clients_gone: Vec<u64>,
}

pub struct Node {
    pub seen: Mutex<Seen>,
    changed: watch::Sender<u64>,
    /// Whether parts stay in the queue until they are taken by the test.
    pub holds: fn(&StreamId) -> bool,
    bytes: AtomicU64,
}

impl Node {
    fn change<T>(&self, change: impl FnOnce(&mut Seen) -> T) -> T {
        let result = change(&mut self.seen.lock().unwrap());
        self.changed.send_modify(|count| *count += 1);
        result
    }

    /// Waits until something holds.
    pub async fn wait(&self, what: impl Fn(&Seen) -> bool) {
        let mut changed = self.changed.subscribe();
        let wait = async {
            while !what(&self.seen.lock().unwrap()) {
                changed.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it happens in time");
    }

    pub fn parts_of(&self, stream: &StreamId) -> usize {
        self.seen.lock().unwrap().parts.get(stream).map_or(0, Vec::len)
    }

    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Takes what is held of a stream.
    pub fn take(&self, stream: &StreamId, outcome: Result<Taken>) -> usize {
        let receipts = self.seen.lock().unwrap().held.remove(stream).unwrap_or_default();
        let count = receipts.len();
        for receipt in receipts {
            receipt(outcome.clone());
        }
        count
    }
}

struct Hanging<'a>(&'a Node);

impl Drop for Hanging<'_> {
    fn drop(&mut self) {
        self.0.change(|seen| seen.hanging -= 1);
    }
}

#[async_trait]
impl Handler for Node {
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        self.change(|seen| seen.callers.push(from.clone()));
        match service {
            ECHO => Ok(request),
            HANG => {
                self.change(|seen| seen.hanging += 1);
                let _hanging = Hanging(self);
                std::future::pending().await
            }
            FAIL => Err(Error::new(ErrorCode::DivisionByZero, "division by zero")
                .with_hint("use NULLIF")
                .at(Position { line: 2, column: 7 })),
            PANIC => panic!("as asked"),
            BYTES => {
                let count: usize = std::str::from_utf8(&request).unwrap().parse().unwrap();
                Ok(Bytes::from(vec![3; count]))
            }
            _ => Err(Error::unsupported(format!("service {}", service.0))),
        }
    }

    fn receive(&self, _: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        if let StreamPart::Batch(frame) = &part {
            self.bytes.fetch_add(frame.body.wire_bytes(), Ordering::Relaxed);
        }
        let receipt = self.change(|seen| {
            seen.parts.entry(stream).or_default().push(part);
            if (self.holds)(&stream) {
                seen.held.entry(stream).or_default().push(receipt);
                return None;
            }
            Some(receipt)
        });
        if let Some(receipt) = receipt {
            receipt(Ok(Taken::MoreWanted));
        }
    }

    fn disconnected(&self, node: NodeId) {
        self.change(|seen| seen.gone.push(node));
    }

    fn client_gone(&self, connection: u64) {
        self.change(|seen| seen.clients_gone.push(connection));
    }
}

pub struct Running {
    pub transport: Arc<RpcTransport>,
    pub node: Arc<Node>,
}

pub fn node() -> Arc<Node> {
    node_that_holds(|_| false)
}

pub fn node_that_holds(holds: fn(&StreamId) -> bool) -> Arc<Node> {
    Arc::new(Node { seen: Mutex::default(), changed: watch::channel(0).0, holds, bytes: AtomicU64::new(0) })
}

pub fn config(id: u64) -> RpcConfig {
    RpcConfig::local("test", NodeId(id))
}

pub fn start(config: RpcConfig) -> Running {
    start_with(config, node())
}

pub fn start_with(config: RpcConfig, node: Arc<Node>) -> Running {
    let transport = RpcTransport::start(config, node.clone()).expect("it starts");
    Running { transport, node }
}

/// Limits that make tests short.
pub fn impatient() -> Limits {
    Limits {
        heartbeat_every: Duration::from_millis(50),
        heartbeat_limit: Duration::from_millis(400),
        hello_limit: Duration::from_millis(400),
        ..Limits::default()
    }
}

pub fn stream(sender: u32) -> StreamId {
    StreamId {
        attempt: Attempt { query: QueryId(7), number: 0 },
        fragment: FragmentId(1),
        sender,
        receiver: 0,
    }
}

/// A batch of that many bytes, whose values tell of `seed`.
pub fn batch(seed: u8, bytes: usize) -> StreamPart {
    let parts: Vec<Buffer> = [bytes / 3 / 64 * 64, bytes - bytes / 3 / 64 * 64]
        .into_iter()
        .map(|length| Buffer::from_vec(vec![seed; length]))
        .collect();
    let head = Bytes::from(vec![seed; 100]);
    StreamPart::Batch(Frame {
        rows: u64::from(seed),
        head,
        body: Body::Parts { parts: parts.into(), bytes: bytes as u64 },
    })
}

/// A receipt, and what waits for it.
pub fn receipt() -> (Receipt, tokio::sync::oneshot::Receiver<Result<Taken>>) {
    let (tell, wait) = tokio::sync::oneshot::channel();
    (Box::new(move |outcome| drop(tell.send(outcome))), wait)
}

pub async fn echo(from: &Running, to: &Running, text: &'static str) -> Result<Bytes> {
    from.transport.call(to.transport.local(), ECHO, Bytes::from_static(text.as_bytes())).await
}

/// Waits, for what nobody tells of.
pub async fn until(what: impl Fn() -> bool) {
    let wait = async {
        while !what() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), wait).await.expect("it happens in time");
}
