//! Calls between nodes in one process: latencies by seed, nodes that crash, ways that are cut.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::transport::ConnectionStatus;
use nyala_exchange::{Caller, Handler, Outgoing, Service, Transport};
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, ErrorCode, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::sync::watch;
use tokio::time::sleep;

/// After which a connection is given up over which nothing comes.
const SILENCE_MAX: Duration = Duration::from_secs(3);

pub struct Network(Mutex<State>, watch::Sender<u64>);

struct State {
    random: StdRng,
    nodes: BTreeMap<NodeId, Node>,
    parted: BTreeSet<(NodeId, NodeId)>,
}

#[derive(Clone)]
struct Node {
    peer: Peer,
    incarnation: u64,
    handler: Arc<dyn Handler>,
}

pub struct End {
    local: Peer,
    incarnation: u64,
    network: Arc<Network>,
}

fn gone(what: &str) -> Error {
    Error::new(ErrorCode::Connection, what.to_owned())
}

impl Network {
    pub fn new(seed: u64) -> Arc<Self> {
        let state =
            State { random: StdRng::seed_from_u64(seed), nodes: BTreeMap::new(), parted: BTreeSet::new() };
        Arc::new(Self(Mutex::new(state), watch::Sender::new(0)))
    }

    pub fn add(self: &Arc<Self>, peer: Peer, incarnation: u64, handler: Arc<dyn Handler>) -> Arc<End> {
        let node = Node { peer: peer.clone(), incarnation, handler };
        self.0.lock().unwrap().nodes.insert(peer.id, node);
        Arc::new(End { local: peer, incarnation, network: Arc::clone(self) })
    }

    pub fn crash(&self, id: NodeId) {
        let others: Vec<Node> = {
            let mut state = self.0.lock().unwrap();
            state.nodes.remove(&id);
            state.nodes.values().cloned().collect()
        };
        self.1.send_modify(|changes| *changes += 1);
        others.iter().for_each(|node| node.handler.disconnected(id));
    }

    pub fn part(self: &Arc<Self>, one: NodeId, other: NodeId) {
        self.0.lock().unwrap().parted.extend([(one, other), (other, one)]);
        self.1.send_modify(|changes| *changes += 1);
        let network = Arc::clone(self);
        tokio::spawn(async move {
            sleep(SILENCE_MAX).await;
            if !network.is_open(one, other) {
                for (id, away) in [(one, other), (other, one)] {
                    let node = network.0.lock().unwrap().nodes.get(&id).cloned();
                    node.iter().for_each(|node| node.handler.disconnected(away));
                }
            }
        });
    }

    pub fn heal(&self) {
        self.0.lock().unwrap().parted.clear();
        self.1.send_modify(|changes| *changes += 1);
    }

    fn is_open(&self, from: NodeId, to: NodeId) -> bool {
        !self.0.lock().unwrap().parted.contains(&(from, to))
    }

    fn latency(&self) -> Duration {
        Duration::from_micros(self.0.lock().unwrap().random.gen_range(100..500))
    }

    fn node(&self, id: NodeId) -> Option<Node> {
        self.0.lock().unwrap().nodes.get(&id).cloned()
    }

    fn is_up(&self, id: NodeId, incarnation: u64) -> bool {
        self.node(id).is_some_and(|node| node.incarnation == incarnation)
    }

    /// Ends when nothing can come from there any more: at once when it is gone, later when the way is cut.
    async fn broken(&self, from: NodeId, node: &Node) {
        let mut changes = self.1.subscribe();
        loop {
            changes.borrow_and_update();
            if !self.is_up(node.peer.id, node.incarnation) {
                return;
            }
            if !self.is_open(from, node.peer.id) {
                return sleep(SILENCE_MAX).await;
            }
            let _ = changes.changed().await;
        }
    }
}

#[async_trait]
impl Transport for End {
    fn local(&self) -> &Peer {
        &self.local
    }

    async fn dial(&self, address: &str) -> Result<NodeId> {
        sleep(self.network.latency()).await;
        if !self.network.is_up(self.local.id, self.incarnation) {
            std::future::pending::<()>().await;
        }
        let there = {
            let state = self.network.0.lock().unwrap();
            state.nodes.values().find(|node| node.peer.address == address).cloned()
        };
        let there = there.ok_or_else(|| gone(&format!("{address}: nobody there")))?;
        if !self.network.is_open(self.local.id, there.peer.id) {
            std::future::pending::<()>().await;
        }
        Ok(there.peer.id)
    }

    async fn call(&self, to: &Peer, service: Service, request: Bytes) -> Result<Bytes> {
        let network = &self.network;
        if !network.is_up(self.local.id, self.incarnation) {
            std::future::pending::<()>().await;
        }
        let node = network.node(to.id).filter(|node| node.peer.address == to.address);
        let node = node.ok_or_else(|| gone(&format!("{to}: nobody there")))?;
        let from = Caller::Node { id: self.local.id, incarnation: self.incarnation };
        let work = async {
            sleep(network.latency()).await;
            let is_open = || network.is_open(self.local.id, to.id);
            if !is_open() {
                std::future::pending::<()>().await;
            }
            let answer = node.handler.call(&from, service, request).await;
            sleep(network.latency()).await;
            if !is_open() {
                std::future::pending::<()>().await;
            }
            answer
        };
        tokio::select! {
            biased;
            () = network.broken(self.local.id, &node) => Err(gone(&format!("{to}: the connection broke"))),
            answer = work => answer,
        }
    }

    fn open(&self, _: &Peer, _: StreamId) -> Arc<dyn Outgoing> {
        unimplemented!("no streams here")
    }

    fn disconnect(&self, _: NodeId) {}

    fn connections(&self) -> Vec<ConnectionStatus> {
        Vec::new()
    }
}
