//! A connection of a program that is no node.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::{Caller, Handler, Receipt, Service, StreamPart};
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, Result};

use crate::carrier::Carrier;
use crate::config::{ClientConfig, PROTOCOL};
use crate::dial::Dialled;
use crate::hub::Hub;
use crate::link::Link;
use crate::local::{Local, refused};
use crate::message::Who;

/// A connection with a node. Closed when dropped.
pub struct ClientConnection {
    peer: Peer,
    link: Arc<Link>,
    hub: Arc<Hub>,
    _carrier: Arc<Carrier>,
}

/// Connects to a node.
///
/// # Errors
/// `Connection`, naming the address and why: nobody there, not our protocol, another cluster, version or certificate.
pub async fn connect(address: &str, config: ClientConfig) -> Result<Arc<ClientConnection>> {
    let local = Local {
        cluster: config.cluster.unwrap_or_default(),
        cluster_id: Mutex::new(None),
        protocol: PROTOCOL,
        who: Who::User(config.user),
        tls: config.tls,
        limits: config.limits,
    };
    let handler: Arc<dyn Handler> = Arc::new(Nothing);
    let runtime = tokio::runtime::Handle::try_current()
        .map_err(|_| Error::internal("a client connected outside of a runtime"))?;
    let (hub, reactors) = Hub::new(local, &handler, &runtime, 1);
    let stop = Stop(Some(hub.clone()));
    let carrier = Carrier::current()?;
    reactors.into_iter().try_for_each(|reactor| carrier.carry(reactor))?;
    let Dialled::Use(link) = hub.dial(address).await? else {
        return Err(refused(format!("{address} has another connection with this client in mind")));
    };
    let Some(peer) = link.end.peer.clone() else {
        return Err(refused(format!("who listens at {address} is no node")));
    };
    stop.keep();
    Ok(Arc::new(ClientConnection { peer, link, hub, _carrier: carrier }))
}

/// Ends what was begun for a connection that did not come about.
struct Stop(Option<Arc<Hub>>);

impl Stop {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(hub) = &self.0 {
            hub.stop();
        }
    }
}

impl ClientConnection {
    /// Takes a request and brings the answer. It waits for as long as it takes; dropping the future cancels the call there.
    ///
    /// # Errors
    /// `Connection` when the node went away: it may have done what was asked. What the node answers comes as it was.
    pub async fn call(&self, service: Service, request: Bytes) -> Result<Bytes> {
        self.link.call(service, request).await
    }

    /// The node at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Whether calls can still succeed.
    pub fn is_open(&self) -> bool {
        self.link.is_open()
    }

    /// Waits until the connection has ended, and says why.
    pub async fn closed(&self) -> Error {
        self.link.over().cancelled().await;
        self.link.reason()
    }
}

impl Drop for ClientConnection {
    fn drop(&mut self) {
        self.hub.stop();
    }
}

/// What a client serves.
struct Nothing;

#[async_trait]
impl Handler for Nothing {
    async fn call(&self, _: &Caller, _: Service, _: Bytes) -> Result<Bytes> {
        Err(refused("a client answers no calls"))
    }

    fn receive(&self, _: NodeId, _: StreamId, _: StreamPart, receipt: Receipt) {
        receipt(Err(refused("a client takes no streams")));
    }

    fn disconnected(&self, _: NodeId) {}

    fn client_gone(&self, _: u64) {}
}
