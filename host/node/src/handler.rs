//! What comes in from other nodes and from clients, brought to the part that it is for.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use nyala_cluster::Cluster;
use nyala_coordinator::Coordinator;
use nyala_exchange::{Caller, Exchange, Handler, Receipt, Service, StreamPart};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::engine::Engine;
use crate::network::{message, serve};
use crate::serve::ClientService;

/// How long a call waits for a node that is starting.
const START_LIMIT: Duration = Duration::from_secs(5);

/// What answers, from when there is something.
#[derive(Clone)]
pub struct Receivers {
    pub clients: Arc<ClientService>,
    pub exchange: Arc<Exchange>,
    pub coordinator: Arc<Coordinator>,
    pub engine: Arc<Engine>,
}

/// Given to the transport before there is anything to answer with: calls wait for it.
pub struct NodeHandler {
    receivers: watch::Sender<State>,
    /// The cluster alone answers as soon as it is there: the others wait for it.
    cluster: Mutex<Option<Arc<Cluster>>>,
}

#[derive(Clone)]
enum State {
    Starting,
    Open(Receivers),
    Closed,
}

impl NodeHandler {
    pub fn new() -> Arc<Self> {
        Arc::new(Self { receivers: watch::channel(State::Starting).0, cluster: Mutex::default() })
    }

    pub fn set_cluster(&self, cluster: Arc<Cluster>) {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
        // Who waits looks again.
        self.receivers.send_modify(|_| {});
    }

    pub fn open(&self, receivers: Receivers) {
        self.receivers.send_replace(State::Open(receivers));
    }

    /// From here on everything is refused, and nothing is held.
    pub fn close(&self) {
        *self.cluster.lock().unwrap_or_else(PoisonError::into_inner) = None;
        self.receivers.send_replace(State::Closed);
    }

    /// # Errors
    /// `Connection` when the node is still starting, or has stopped.
    async fn receivers(&self) -> Result<Receivers> {
        let mut watch = self.receivers.subscribe();
        let state = timeout(START_LIMIT, watch.wait_for(|state| !matches!(state, State::Starting))).await;
        match state {
            Ok(Ok(state)) => match &*state {
                State::Open(receivers) => Ok(receivers.clone()),
                State::Closed | State::Starting => Err(closed("is stopping")),
            },
            Ok(Err(_)) => Err(closed("is stopping")),
            Err(_) => Err(closed("is starting")),
        }
    }

    /// # Errors
    /// As [`receivers`](Self::receivers).
    async fn cluster(&self) -> Result<Arc<Cluster>> {
        let mut watch = self.receivers.subscribe();
        let known = || self.cluster.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let came = watch.wait_for(|state| known().is_some() || matches!(state, State::Closed));
        // The guard must not be held.
        let _ = timeout(START_LIMIT, came).await.is_ok();
        known().ok_or_else(|| closed("is starting or stopping"))
    }

    fn now(&self) -> Option<Receivers> {
        match &*self.receivers.borrow() {
            State::Open(receivers) => Some(receivers.clone()),
            State::Starting | State::Closed => None,
        }
    }
}

fn closed(what: &str) -> Error {
    Error::new(ErrorCode::Connection, format!("the node {what}")).with_hint("try another node, or again soon")
}

#[async_trait]
impl Handler for NodeHandler {
    async fn call(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        match service {
            Service::CATALOG | Service::GOSSIP | Service::ADMIN => {
                self.cluster().await?.handle(from, service, request).await
            }
            Service::QUERY | Service::ADMISSION => {
                self.receivers().await?.coordinator.handle(from, service, request).await
            }
            Service::CLIENT => self.receivers().await?.clients.call(from, request).await,
            message::SERVICE if matches!(from, Caller::Node { .. }) => {
                let engine = self.receivers().await?.engine;
                let answered = tokio::task::spawn_blocking(move || serve::answer(&engine, &request));
                match answered.await {
                    Ok(answer) => Ok(answer?.into()),
                    Err(error) => Err(Error::internal(format!("a request of a node was cut off: {error}"))),
                }
            }
            Service(number) => {
                Err(Error::new(ErrorCode::Connection, format!("service {number} is not known here"))
                    .with_hint("see that the versions of the nodes and clients are next to each other"))
            }
        }
    }

    fn receive(&self, from: NodeId, stream: StreamId, part: StreamPart, receipt: Receipt) {
        match self.now() {
            Some(receivers) => receivers.exchange.receive(from, stream, part, receipt),
            None => receipt(Err(closed("is starting or stopping"))),
        }
    }

    fn disconnected(&self, node: NodeId) {
        if let Some(cluster) = &*self.cluster.lock().unwrap_or_else(PoisonError::into_inner) {
            cluster.disconnected(node);
        }
        if let Some(receivers) = self.now() {
            receivers.exchange.disconnected(node);
            receivers.coordinator.disconnected(node);
        }
    }

    fn client_gone(&self, connection: u64) {
        if let Some(receivers) = self.now() {
            receivers.clients.client_gone(connection);
        }
    }
}
