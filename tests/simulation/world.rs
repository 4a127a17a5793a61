//! Machines with disks, the nodes that run on them, and what lies between.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_catalog::MemoryBlobs;
use nyala_catalog::raft::MemoryReplicaStore;
use nyala_cluster::Identity;
use nyala_coordinator::{Coordinator, CoordinatorLoad};
use nyala_exchange::memory::{MemoryNetwork, Weather};
use nyala_exchange::{Caller, Exchange, ExchangeStatistics, Handler, Receipt, Service, StreamPart, Taken};
use nyala_executor::Executor;
use nyala_node::parts::{Foundation, Parts, Simulated};
use nyala_node::{Engine, NodeConfig, NodeHandler, PoolConfig, Session};
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::option::{BackendChoice, DEFAULT_POOL, DistributionChoice};
use rand::rngs::{SmallRng, StdRng};
use rand::{Rng, SeedableRng};
use tempfile::TempDir;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;
use tokio::time::sleep;

use crate::log::Log;
use crate::turns::Turns;

/// A mistake made on purpose, which has to be found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Plant {
    /// A client that does not know whether a write was done repeats it without asking.
    RepeatsWrites,
    /// A node loses one in a hundred of the batches that come to it.
    LosesBatches,
    /// A node does not free what instances held whose query has ended elsewhere.
    ForgetsToEnd,
}

impl Plant {
    pub const ALL: [Self; 3] = [Self::RepeatsWrites, Self::LosesBatches, Self::ForgetsToEnd];
}

/// What stays when its node crashes.
#[derive(Default)]
struct Disk {
    catalog: MemoryReplicaStore,
    starts: u64,
}

pub struct World {
    pub network: Arc<MemoryNetwork>,
    pub log: Log,
    pub plant: Option<Plant>,
    seed: u64,
    folder: TempDir,
    disks: Vec<Mutex<Disk>>,
    nodes: Vec<Mutex<Option<Arc<Node>>>>,
    graves: Mutex<Vec<Grave>>,
}

/// A node that runs.
pub struct Node {
    pub index: usize,
    pub parts: Parts,
    pub peer: Peer,
    handler: Arc<NodeHandler>,
    /// Between two pieces of work, at most: microseconds.
    slowness: Arc<AtomicU64>,
    working: AbortHandle,
    is_gone: watch::Sender<bool>,
    drains: AtomicBool,
}

/// What has to be free some time after a node has ended.
struct Grave {
    node: String,
    engine: Weak<Engine>,
    coordinator: Weak<Coordinator>,
    exchange: Weak<Exchange>,
    executor: Weak<Executor>,
}

/// Where the transport brings what is for a node.
struct Door {
    handler: Arc<NodeHandler>,
    plant: Option<Plant>,
    batches: AtomicU64,
}

#[async_trait]
impl Handler for Door {
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        if self.plant == Some(Plant::ForgetsToEnd) && service == Service::QUERY && is_cancel(&request) {
            return nyala_schema::wire::encode_query_answer(&nyala_schema::deploy::QueryAnswer::Done);
        }
        self.handler.call(from, service, request).await
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        let is_batch = matches!(part, StreamPart::Batch(_));
        if self.plant == Some(Plant::LosesBatches)
            && is_batch
            && self.batches.fetch_add(1, Ordering::Relaxed) % 100 == 99
        {
            return receipt(Ok(Taken::MoreWanted));
        }
        self.handler.receive(from, stream, part, receipt);
    }

    fn disconnected(&self, node: NodeId) {
        self.handler.disconnected(node);
    }

    fn client_gone(&self, connection: u64) {
        self.handler.client_gone(connection);
    }
}

fn is_cancel(request: &Bytes) -> bool {
    use nyala_schema::deploy::QueryMessage;
    matches!(nyala_schema::wire::decode_query_message(request), Ok(QueryMessage::Cancel { .. }))
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn address(index: usize) -> String {
    format!("m{index}:1")
}

impl World {
    pub fn new(seed: u64, nodes: usize, weather: Weather, plant: Option<Plant>) -> Arc<Self> {
        Arc::new(Self {
            network: MemoryNetwork::new(seed, weather),
            log: Log::new(),
            plant,
            seed,
            folder: tempfile::tempdir().expect("a folder"),
            disks: (0..nodes).map(|_| Mutex::default()).collect(),
            nodes: (0..nodes).map(|_| Mutex::default()).collect(),
            graves: Mutex::default(),
        })
    }

    pub fn size(&self) -> usize {
        self.nodes.len()
    }

    pub fn node(&self, index: usize) -> Option<Arc<Node>> {
        lock(&self.nodes[index]).clone()
    }

    pub fn up(&self) -> Vec<Arc<Node>> {
        (0..self.size()).filter_map(|index| self.node(index)).collect()
    }

    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// Starts the node of a machine, as often as that takes; the first makes the cluster, the others join it. Returns when it is
    /// in.
    pub async fn start(&self, index: usize) {
        while let Err(error) = self.try_start(index).await {
            self.log.note(format_args!("node {index} does not start: {error}"));
            sleep(Duration::from_secs(1)).await;
        }
        self.log.note(format_args!("node {index} is up"));
    }

    async fn try_start(&self, index: usize) -> Result<()> {
        let (catalog, starts) = {
            let mut disk = lock(&self.disks[index]);
            disk.starts += 1;
            (disk.catalog.clone(), disk.starts)
        };
        let config = self.config(index);
        let seed = self.seed ^ ((index as u64 + 1) << 32) ^ (starts << 48);
        let identity = Identity::open(Some(&config.data), &config.cluster, &mut StdRng::seed_from_u64(seed))?;
        let (handler, incarnation) = (NodeHandler::new(), identity.incarnation);
        let peer = Peer { id: identity.id, address: address(index) };
        // One node makes the mistakes.
        let plant = self.plant.filter(|_| index == 1);
        let door = Door { handler: handler.clone(), plant, batches: AtomicU64::new(0) };
        let transport = self.network.add(peer.clone(), incarnation, Arc::new(door));
        let runtime = Handle::current();
        let began = self.log.began();
        let foundation = Foundation {
            identity,
            transport,
            store: Arc::new(catalog),
            blobs: Arc::new(MemoryBlobs::default()),
            clock: Box::new(move || 1_700_000_000_000 + began.elapsed().as_millis() as i64),
            runtime: runtime.clone(),
            simulated: Some(Simulated { seed, waiter: Arc::new(Turns(runtime)) }),
        };
        let parts = Parts::start(&config, foundation, &handler).await.inspect_err(|_| {
            handler.close();
            self.network.crash(peer.id);
        })?;
        let slowness = Arc::new(AtomicU64::new(0));
        let working = tokio::spawn(work(parts.executor.clone(), slowness.clone(), seed)).abort_handle();
        let node = Node {
            index,
            parts,
            peer,
            handler,
            slowness,
            working,
            is_gone: watch::Sender::new(false),
            drains: AtomicBool::new(false),
        };
        *lock(&self.nodes[index]) = Some(Arc::new(node));
        Ok(())
    }

    fn config(&self, index: usize) -> NodeConfig {
        let folder = self.folder.path();
        let mut config = NodeConfig::new(folder.join(format!("m{index}")), ([127, 0, 0, 1], 1).into());
        config.name = Some(format!("n{index}"));
        config.warehouse = Some(folder.join("warehouse").to_string_lossy().into_owned());
        config.join = (0..self.size()).map(address).collect();
        if index == 0 && lock(&self.disks[0]).starts <= 1 {
            config.join.clear();
        }
        config.join_limit = Duration::from_secs(300);
        config.threads = 2;
        config.memory_bytes = 1 << 30;
        // Places have to be asked for, and given back.
        config.pools.insert(DEFAULT_POOL.to_owned(), PoolConfig { slots: Some(4), ..PoolConfig::default() });
        config.options.memory_limit = 64 << 20;
        config.options.batch_rows = 128;
        config.options.backend = BackendChoice::Interpreter;
        config.options.distribution = DistributionChoice::Always;
        config
    }

    /// kill -9, with the loss of what the disk had not flushed.
    pub async fn crash(&self, index: usize) -> bool {
        let Some(node) = lock(&self.nodes[index]).take() else { return false };
        self.network.crash(node.peer.id);
        node.is_gone.send_replace(true);
        {
            let mut disk = lock(&self.disks[index]);
            disk.catalog = disk.catalog.crash(0);
        }
        node.working.abort();
        // What is still going on in it ends soon: it reaches nobody.
        node.parts.kill_statements();
        node.parts.cluster.crash().await;
        self.bury(&node);
        true
    }

    /// Ends as a program does that is told to.
    pub async fn stop(&self, index: usize) {
        let Some(node) = lock(&self.nodes[index]).take() else { return };
        node.is_gone.send_replace(true);
        node.parts.stop(&node.handler).await;
        self.network.crash(node.peer.id);
        node.working.abort();
        self.bury(&node);
    }

    fn bury(&self, node: &Arc<Node>) {
        node.handler.close();
        lock(&self.graves).push(Grave {
            node: format!("node {} of start {}", node.index, lock(&self.disks[node.index]).starts),
            engine: Arc::downgrade(&node.parts.engine),
            coordinator: Arc::downgrade(&node.parts.coordinator),
            exchange: Arc::downgrade(&node.parts.exchange),
            executor: Arc::downgrade(&node.parts.executor),
        });
    }

    /// What is still held of nodes that have ended.
    pub fn haunting(&self) -> Vec<String> {
        lock(&self.graves).iter().filter_map(Grave::left).collect()
    }
}

impl Grave {
    fn left(&self) -> Option<String> {
        let counts = [
            ("engine", self.engine.strong_count()),
            ("coordinator", self.coordinator.strong_count()),
            ("exchange", self.exchange.strong_count()),
            ("executor", self.executor.strong_count()),
        ];
        let left: Vec<_> = counts.into_iter().filter(|(_, count)| *count > 0).collect();
        (!left.is_empty()).then(|| format!("{}: {left:?}", self.node))
    }
}

impl Node {
    pub fn session(&self) -> Session {
        self.parts.engine.session()
    }

    pub fn version(&self) -> u64 {
        self.parts.cluster.replica().snapshot().version
    }

    /// Returns when it has crashed or stopped.
    pub fn gone(&self) -> watch::Receiver<bool> {
        self.is_gone.subscribe()
    }

    /// It ends what has not ended within a time, and hands over what it leads.
    pub async fn drain(&self, limit: Duration) {
        self.drains.store(true, Ordering::Relaxed);
        // Perhaps nobody is there to take the lead over.
        let _ = self.parts.cluster.drain(limit).await;
    }

    /// It may cancel what runs.
    pub fn drains(&self) -> bool {
        self.drains.load(Ordering::Relaxed)
    }

    /// Its disk, and all of it, takes up to so long for each piece of work.
    pub fn slow_down(&self, most: Duration) {
        self.slowness.store(most.as_micros() as u64, Ordering::Relaxed);
    }

    /// What is there of queries; `None` for nothing.
    pub fn left(&self) -> Option<String> {
        let exchange = present(self.parts.exchange.statistics());
        let load = self.parts.coordinator.load();
        let (statements, queries) = (self.parts.statements_running(), self.parts.executor.queries());
        let is_free = exchange == ExchangeStatistics::default() && load == CoordinatorLoad::default();
        (!is_free || statements + queries as u64 > 0).then(|| {
            format!("node {}: {exchange:?} {load:?}, {statements} statements, {queries} queries", self.index)
        })
    }
}

/// Without what has been.
fn present(now: ExchangeStatistics) -> ExchangeStatistics {
    ExchangeStatistics {
        batches_sent: 0,
        bytes_sent: 0,
        batches_received: 0,
        bytes_received: 0,
        batches_local: 0,
        ..now
    }
}

/// The node's only worker.
async fn work(executor: Arc<Executor>, slowness: Arc<AtomicU64>, seed: u64) {
    let mut random = SmallRng::seed_from_u64(seed);
    loop {
        std::future::poll_fn(|context| executor.poll_work(context)).await;
        executor.run_one();
        match slowness.load(Ordering::Relaxed) {
            0 => tokio::task::yield_now().await,
            most => sleep(Duration::from_micros(random.gen_range(0..=most))).await,
        }
    }
}
