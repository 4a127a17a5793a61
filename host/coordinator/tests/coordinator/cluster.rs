//! Some whole nodes, but for SQL, on a network in memory.

use std::future::poll_fn;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use bytes::Bytes;
use nyala_coordinator::{
    Coordinator, CoordinatorParts, CoordinatorSettings, Leader, Leadership, QueryHandle, QueryRequest,
};
use nyala_exchange::memory::{MemoryNetwork, MemoryTransport, Weather};
use nyala_exchange::{
    Caller, Exchange, ExchangeConfig, ExchangeStatistics, Handler, Members, Receipt, Service, StreamPart,
    Transport,
};
use nyala_executor::{Executor, ExecutorConfig, MemoryPool};
use nyala_interpreter::{FunctionLibrary, Interpreter};
use nyala_schema::cluster::{NodeId, NodeInfo, NodeState, Peer, QueryId, StreamId};
use nyala_schema::deploy::{QueryMessage, QueryStatus};
use nyala_schema::option::Options;
use nyala_schema::wire::decode_query_message;
use nyala_schema::{Fragment, Result};
use tokio::sync::watch;
use tokio::task::AbortHandle;

use crate::tables::{NodeScans, Tables};

pub struct Cluster {
    pub network: Arc<MemoryNetwork>,
    pub nodes: Vec<Node>,
    pub tables: Arc<Tables>,
    settings: CoordinatorSettings,
    /// Of each executor; without any, tasks do the work in virtual time.
    threads: usize,
    view: watch::Sender<Arc<Vec<NodeInfo>>>,
    /// How often another node has come to lead.
    terms: Arc<AtomicU64>,
    next_query: AtomicU64,
}

/// Leads: the active node of the lowest id.
struct LowestNode {
    members: Arc<dyn Members>,
    terms: Arc<AtomicU64>,
}

impl Leader for LowestNode {
    fn leadership(&self) -> Option<Leadership> {
        let node = lowest(&self.members.nodes())?;
        Some(Leadership { node, term: self.terms.load(Ordering::Relaxed) })
    }
}

fn lowest(nodes: &[NodeInfo]) -> Option<Peer> {
    let active = nodes.iter().filter(|node| node.state == NodeState::Active);
    active.map(|node| &node.peer).min_by_key(|peer| peer.id).cloned()
}

pub struct Node {
    pub peer: Peer,
    pub coordinator: Arc<Coordinator>,
    pub exchange: Arc<Exchange>,
    pub inbox: Arc<Inbox>,
    /// Between two pieces of work, milliseconds of virtual time.
    pub pause_ms: Arc<AtomicU64>,
    /// For each morsel, milliseconds of a thread.
    pub pace_ms: Arc<AtomicU64>,
    working: AbortHandle,
}

/// What each node sees, itself first.
struct View {
    local: NodeId,
    all: watch::Receiver<Arc<Vec<NodeInfo>>>,
}

impl Members for View {
    fn nodes(&self) -> Arc<Vec<NodeInfo>> {
        let mut nodes = self.all.borrow().as_ref().clone();
        nodes.sort_by_key(|node| (node.peer.id != self.local, node.peer.id));
        Arc::new(nodes)
    }

    fn watch(&self) -> watch::Receiver<Arc<Vec<NodeInfo>>> {
        self.all.clone()
    }

    fn local(&self) -> NodeId {
        self.local
    }
}

#[derive(Default)]
pub struct Inbox {
    to: OnceLock<(Arc<Coordinator>, Arc<Exchange>)>,
    /// Kinds of the requests that came, in order.
    pub requests: Mutex<Vec<&'static str>>,
    /// That queries got here, in order.
    pub threads: Mutex<Vec<usize>>,
}

impl Inbox {
    pub fn count(&self, kind: &str) -> usize {
        self.requests.lock().unwrap().iter().filter(|known| **known == kind).count()
    }
}

#[async_trait]
impl Handler for Inbox {
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        let kind = match (service, decode_query_message(&request)) {
            (Service::ADMISSION, _) => "admission",
            (_, Ok(QueryMessage::Deploy(deploy))) => {
                self.threads.lock().unwrap().push(deploy.options.threads);
                "deploy"
            }
            (_, Ok(QueryMessage::Report(_))) => "report",
            (_, Ok(QueryMessage::Cancel { .. })) => "cancel",
            (_, Ok(QueryMessage::Filter { .. })) => "filter",
            _ => "other",
        };
        self.requests.lock().unwrap().push(kind);
        self.to.get().unwrap().0.handle(from, service, request).await
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        self.to.get().unwrap().1.receive(from, stream, part, receipt);
    }

    fn disconnected(&self, node: NodeId) {
        let (coordinator, exchange) = self.to.get().unwrap();
        exchange.disconnected(node);
        coordinator.disconnected(node);
    }

    fn client_gone(&self, _: u64) {}
}

impl Cluster {
    pub fn new(nodes: usize, tables: &[(&str, usize)]) -> Self {
        Self::with(nodes, tables, |_| {})
    }

    /// With threads, in real time.
    pub fn threaded(nodes: usize, tables: &[(&str, usize)]) -> Self {
        Self::of(nodes, tables, 2, CoordinatorSettings::default())
    }

    pub fn with(
        nodes: usize,
        tables: &[(&str, usize)],
        change: impl FnOnce(&mut CoordinatorSettings),
    ) -> Self {
        let mut settings = CoordinatorSettings { starting_threads: 0, ..CoordinatorSettings::default() };
        change(&mut settings);
        Self::of(nodes, tables, 0, settings)
    }

    fn of(nodes: usize, tables: &[(&str, usize)], threads: usize, settings: CoordinatorSettings) -> Self {
        let network = MemoryNetwork::new(settings.seed, Weather::default());
        let infos = (1..=nodes as u64).map(|id| info(id, 1)).collect();
        let mut cluster = Self {
            network,
            nodes: vec![],
            tables: Tables::new(tables),
            settings,
            threads,
            view: watch::Sender::new(Arc::new(infos)),
            terms: Arc::default(),
            next_query: AtomicU64::new(1),
        };
        cluster.nodes = (1..=nodes as u64).map(|id| cluster.start(id, 1)).collect();
        cluster
    }

    pub fn seeded(nodes: usize, tables: &[(&str, usize)], seed: u64) -> Self {
        Self::with(nodes, tables, |settings| settings.seed = seed)
    }

    /// A node that has crashed comes back as another incarnation.
    pub fn restart(&mut self, node: usize) {
        let id = node as u64 + 1;
        self.nodes[node] = self.start(id, 2);
        self.change(|nodes| nodes[node] = info(id, 2));
    }

    fn start(&self, id: u64, incarnation: u64) -> Node {
        let peer = peer(id);
        let inbox = Arc::new(Inbox::default());
        let transport: Arc<MemoryTransport> =
            self.network.add(peer.clone(), incarnation, Arc::clone(&inbox) as Arc<dyn Handler>);
        let transport: Arc<dyn Transport> = transport;
        let exchange = Exchange::new(transport.clone(), ExchangeConfig::default());
        let pace_ms = Arc::new(AtomicU64::new(0));
        let executor = Arc::new(Executor::new(ExecutorConfig {
            threads: self.threads,
            interpreter: Arc::new(Interpreter::new()),
            native: None,
            wasm: None,
            library: Arc::new(FunctionLibrary::new()),
            guests: None,
            scans: Arc::new(NodeScans { node: id, tables: self.tables.clone(), pace_ms: pace_ms.clone() }),
            memory: MemoryPool::unlimited(),
        }));
        let pause_ms = Arc::new(AtomicU64::new(0));
        let working = tokio::spawn(work(executor.clone(), pause_ms.clone())).abort_handle();
        let members: Arc<dyn Members> = Arc::new(View { local: peer.id, all: self.view.subscribe() });
        let coordinator = Coordinator::start(CoordinatorParts {
            transport,
            leader: Arc::new(LowestNode { members: members.clone(), terms: self.terms.clone() }),
            members,
            exchange: exchange.clone(),
            executor,
            runtime: tokio::runtime::Handle::current(),
            incarnation,
            settings: self.settings.clone(),
        });
        assert!(inbox.to.set((coordinator.clone(), exchange.clone())).is_ok());
        Node { peer, coordinator, exchange, inbox, pause_ms, pace_ms, working }
    }

    pub fn request(&self, fragments: Vec<Fragment>) -> QueryRequest {
        let id = u128::from(self.next_query.fetch_add(1, Ordering::Relaxed));
        QueryRequest {
            id: QueryId(id),
            sql: "SELECT …".into(),
            user: "ann".into(),
            pool: String::new(),
            fragments,
            options: Options { threads: 2, batch_rows: 64, ..Options::default() },
            catalog_version: 1,
        }
    }

    /// Runs a plan on a node.
    pub async fn run(&self, node: usize, fragments: Vec<Fragment>) -> Result<Vec<Vec<i64>>> {
        let mut handle = self.nodes[node].coordinator.start_query(self.request(fragments)).await?;
        drain(&mut handle).await
    }

    /// The node stops at once, and nobody knows but by its silence.
    pub fn crash(&self, node: usize) {
        self.network.crash(self.nodes[node].peer.id);
        self.nodes[node].working.abort();
    }

    /// What everybody knows of a node.
    pub fn set_state(&self, node: usize, state: NodeState) {
        self.change(|nodes| nodes[node].state = state);
    }

    fn change(&self, change: impl FnOnce(&mut Vec<NodeInfo>)) {
        self.view.send_modify(|all| {
            let mut nodes = all.as_ref().clone();
            change(&mut nodes);
            if lowest(&nodes) != lowest(all) {
                self.terms.fetch_add(1, Ordering::Relaxed);
            }
            *all = Arc::new(nodes);
        });
    }

    /// Waits until something holds, for a while of virtual time.
    pub async fn until(&self, within: Duration, what: &str, holds: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + within;
        while !holds(self) {
            assert!(tokio::time::Instant::now() < deadline, "within {within:?}: {what}");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Nothing of any attempt is left on a node.
    pub fn is_free(&self, node: usize) -> bool {
        let now = self.nodes[node].exchange.statistics();
        let ExchangeStatistics { attempts, inputs, outputs, streams_early, batches_waiting, .. } = now;
        attempts + inputs + outputs + streams_early + batches_waiting == 0
    }

    pub fn status(&self, node: usize, query: QueryId) -> QueryStatus {
        self.nodes[node].coordinator.queries().into_iter().find(|known| known.id == query).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &self.nodes {
            node.working.abort();
            self.network.crash(node.peer.id);
        }
    }
}

fn peer(id: u64) -> Peer {
    Peer { id: NodeId(id), address: format!("node{id}:7000") }
}

fn info(id: u64, incarnation: u64) -> NodeInfo {
    let (state, cores) = (NodeState::Active, 2);
    NodeInfo { incarnation, state, cores, memory_bytes: 1 << 30, ..NodeInfo::unheard(peer(id)) }
}

/// The node's only worker.
async fn work(executor: Arc<Executor>, pause_ms: Arc<AtomicU64>) {
    loop {
        poll_fn(|context| executor.poll_work(context)).await;
        executor.run_one();
        match pause_ms.load(Ordering::Relaxed) {
            0 => tokio::task::yield_now().await,
            pause => tokio::time::sleep(Duration::from_millis(pause)).await,
        }
    }
}

pub async fn next(handle: &mut QueryHandle) -> Result<Option<RecordBatch>> {
    poll_fn(|context| handle.poll_next(context)).await
}

/// All rows, in order of their text.
pub async fn drain(handle: &mut QueryHandle) -> Result<Vec<Vec<i64>>> {
    let mut rows = Vec::new();
    while let Some(batch) = next(handle).await? {
        let column = |index: usize| batch.column(index).as_primitive::<Int64Type>().values();
        rows.extend(
            (0..batch.num_rows()).map(|row| (0..batch.num_columns()).map(|c| column(c)[row]).collect()),
        );
    }
    rows.sort();
    Ok(rows)
}
