//! The transport of a node.

use std::net::{SocketAddr, TcpListener, ToSocketAddrs};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use bytes::Bytes;
use nyala_exchange::transport::ConnectionStatus;
use nyala_exchange::{Caller, Handler, Outgoing, Service, Transport};
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, ErrorCode, Result};

use crate::config::RpcConfig;
use crate::dial::Dialled;
use crate::hub::Hub;
use crate::local::{Local, refused};
use crate::message::Who;
use crate::outgoing::Producer;

/// Carries calls and streams of a node. Ends when dropped.
pub struct RpcTransport {
    local: Peer,
    incarnation: u64,
    handler: Arc<dyn Handler>,
    hub: Arc<Hub>,
}

impl RpcTransport {
    /// Listens, and serves whoever connects with `handler`.
    ///
    /// # Errors
    /// `Connection` when the address cannot be listened on; `InvalidParameter` for an address that is not loopback without
    /// TLS, unless `insecure`, and for one that others cannot reach.
    pub fn start(config: RpcConfig, handler: Arc<dyn Handler>) -> Result<Arc<Self>> {
        let runtime = match config.runtime.clone() {
            Some(runtime) => runtime,
            None => tokio::runtime::Handle::try_current().map_err(|_| {
                Error::internal("a transport was started outside of a runtime, and without one")
            })?,
        };
        let (listener, bound) = listen(&config)?;
        let address = match &config.address {
            Some(address) => address.clone(),
            None => reachable(&config.listen, bound)?,
        };
        let peer = Peer { id: config.node, address };
        let local = Local {
            cluster: config.cluster,
            cluster_id: Mutex::new(config.cluster_id),
            protocol: config.protocol,
            who: Who::Node { peer: peer.clone(), incarnation: config.incarnation },
            tls: config.tls,
            limits: config.limits,
        };
        let hub = Hub::start(local, &handler, &runtime, config.reactors, listener)?;
        tracing::info!(node = %peer.id, address = peer.address, %bound, "listening");
        Ok(Arc::new(Self { local: peer, incarnation: config.incarnation, handler, hub }))
    }

    /// What a node that has joined, or founded, a cluster tells from then on.
    pub fn set_cluster_id(&self, id: u128) {
        *self.hub.local.cluster_id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    /// The id of the cluster as far as this node knows: as set, or as the first peer that knew it said.
    pub fn cluster_id(&self) -> Option<u128> {
        self.hub.local.cluster_id()
    }

    /// Ends all connections and threads. What is pending fails. Blocks for up to half a second, until that is done.
    pub fn shutdown(&self) {
        self.hub.shutdown();
    }
}

impl Drop for RpcTransport {
    fn drop(&mut self) {
        self.hub.stop();
    }
}

fn listen(config: &RpcConfig) -> Result<(TcpListener, SocketAddr)> {
    let failed = |error: std::io::Error| {
        Error::new(ErrorCode::Connection, format!("cannot listen on {}: {error}", config.listen))
    };
    let addresses: Vec<SocketAddr> = config.listen.to_socket_addrs().map_err(failed)?.collect();
    let is_open = addresses.iter().any(|address| !address.ip().is_loopback());
    if is_open && config.tls.is_none() && !config.insecure {
        let text = format!(
            "{} can be reached from other machines, and without TLS anyone there may do anything",
            config.listen
        );
        return Err(Error::new(ErrorCode::InvalidParameter, text).with_hint(
            "make certificates with `nyala cluster certs`, listen on 127.0.0.1, or allow it with `insecure`",
        ));
    }
    let listener = TcpListener::bind(&addresses[..]).map_err(failed)?;
    listener.set_nonblocking(true).map_err(failed)?;
    let bound = listener.local_addr().map_err(failed)?;
    Ok((listener, bound))
}

/// Where others reach what listens on an address.
fn reachable(listen: &str, bound: SocketAddr) -> Result<String> {
    if bound.ip().is_unspecified() {
        let text = format!("{listen} is no address at which other nodes can reach this one");
        return Err(Error::new(ErrorCode::InvalidParameter, text)
            .with_hint("say which address they shall use (`address`)"));
    }
    Ok(match listen.rsplit_once(':') {
        Some((host, _)) => format!("{host}:{}", bound.port()),
        None => bound.to_string(),
    })
}

#[async_trait]
impl Transport for RpcTransport {
    fn local(&self) -> &Peer {
        &self.local
    }

    async fn dial(&self, address: &str) -> Result<NodeId> {
        match self.hub.dial(address).await? {
            Dialled::Itself(node) => Ok(node),
            Dialled::Use(link) => {
                link.end.node().ok_or_else(|| refused(format!("who listens at {address} is no node")))
            }
            Dialled::Superseded(node) => {
                self.hub.link(&Peer { id: node, address: address.into() }).await?;
                Ok(node)
            }
        }
    }

    async fn call(&self, to: &Peer, service: Service, request: Bytes) -> Result<Bytes> {
        if to.id == self.local.id {
            let from = Caller::Node { id: to.id, incarnation: self.incarnation };
            return self.handler.call(&from, service, request).await;
        }
        self.hub.link(to).await?.call(service, request).await
    }

    fn open(&self, to: &Peer, stream: StreamId) -> Arc<dyn Outgoing> {
        Arc::new(Producer::new(to, stream, &self.hub))
    }

    fn disconnect(&self, node: NodeId) {
        self.hub.links.disconnect(node);
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        self.hub.links.all().iter().map(|link| link.status()).collect()
    }
}
