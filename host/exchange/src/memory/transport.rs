//! A node's access to a network in memory.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use nyala_schema::cluster::{NodeId, Peer, StreamId};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::time::Instant;

use super::call::Request;
use super::link::{Route, ends};
use super::network::{MemoryNetwork, State};
use crate::frame::{Body, Frame};
use crate::lock::lock;
use crate::transport::{Caller, ConnectionStatus, Outgoing, Receipt, Service, StreamPart, Taken, Transport};

/// Bytes of a message besides what it carries.
const MESSAGE_BYTES: usize = 64;

/// A node's access to a network in memory, for as long as that incarnation lives.
pub struct MemoryTransport {
    network: Arc<MemoryNetwork>,
    peer: Peer,
    incarnation: u64,
}

impl MemoryTransport {
    pub(super) fn new(network: Arc<MemoryNetwork>, peer: Peer, incarnation: u64) -> Self {
        Self { network, peer, incarnation }
    }

    /// # Errors
    /// `Connection` when it has crashed since.
    fn check_alive(&self, state: &State) -> Result<()> {
        match state.nodes.get(&self.peer.id) {
            Some(node) if node.incarnation == self.incarnation => Ok(()),
            _ => Err(Error::new(ErrorCode::Connection, format!("node {} itself has crashed", self.peer))),
        }
    }
}

#[async_trait]
impl Transport for MemoryTransport {
    fn local(&self) -> &Peer {
        &self.peer
    }

    async fn dial(&self, address: &str) -> Result<NodeId> {
        let found = {
            let mut state = self.network.state();
            self.check_alive(&state)?;
            let there =
                state.nodes.values().find(|node| node.peer.address == address).map(|node| node.peer.clone());
            match there {
                None => Err((self.network.weather.latency.end, nobody(address))),
                Some(peer) if peer.id == self.peer.id => return Ok(peer.id),
                Some(peer) => self.network.link(&mut state, self.peer.id, &peer).map(|_| peer.id),
            }
        };
        let (wait, result) = match found {
            Ok(id) => (self.network.weather.latency.end, Ok(id)),
            Err((wait, error)) => (wait, Err(error)),
        };
        tokio::time::sleep(wait).await;
        result
    }

    async fn call(&self, to: &Peer, service: Service, request: Bytes) -> Result<Bytes> {
        let (id, incarnation) = (self.peer.id, self.incarnation);
        let handler = {
            let state = self.network.state();
            self.check_alive(&state)?;
            state.nodes.get(&id).filter(|_| to.id == id).map(|node| Arc::clone(&node.handler))
        };
        match handler {
            Some(itself) => itself.call(&Caller::Node { id, incarnation }, service, request).await,
            None => self.network.call(to, Request { from: id, incarnation, service, bytes: request }).await,
        }
    }

    fn open(&self, to: &Peer, stream: StreamId) -> Arc<dyn Outgoing> {
        let transport = Self {
            network: Arc::clone(&self.network),
            peer: self.peer.clone(),
            incarnation: self.incarnation,
        };
        let last = Instant::now();
        Arc::new(MemoryOutgoing {
            transport,
            to: to.clone(),
            stream,
            way: Mutex::new(Way { link: None, last, lost: None }),
        })
    }

    fn disconnect(&self, node: NodeId) {
        self.network.break_connection(self.peer.id, node);
    }

    fn connections(&self) -> Vec<ConnectionStatus> {
        let state = self.network.state();
        let of_this =
            state.links.iter().filter(|((one, other), _)| *one == self.peer.id || *other == self.peer.id);
        let status = |(ends, link): (&(NodeId, NodeId), &super::link::Link)| {
            let is_first = ends.0 == self.peer.id;
            let other = if is_first { ends.1 } else { ends.0 };
            ConnectionStatus {
                peer: state.nodes.get(&other).map(|node| node.peer.clone()),
                user: None,
                is_encrypted: false,
                protocol: 0,
                open_for: link.since.elapsed(),
                streams: link.receipts.len() as u64,
                bytes_sent: link.bytes[usize::from(!is_first)],
                bytes_received: link.bytes[usize::from(is_first)],
                bytes_unconfirmed: 0,
                calls: link.calls_made,
                round_trip: Some(self.network.weather.latency.start * 2),
            }
        };
        of_this.map(status).collect()
    }
}

fn nobody(address: &str) -> Error {
    Error::new(ErrorCode::Connection, format!("nobody answers at {address}"))
}

struct MemoryOutgoing {
    transport: MemoryTransport,
    to: Peer,
    stream: StreamId,
    way: Mutex<Way>,
}

struct Way {
    /// A stream goes over one connection: what the next one carries could leave a gap.
    link: Option<u64>,
    /// When the last part arrives.
    last: Instant,
    lost: Option<Error>,
}

impl Outgoing for MemoryOutgoing {
    fn push(&self, part: StreamPart, receipt: Receipt) {
        let mut way = lock(&self.way);
        if let Some(error) = &way.lost {
            return self.refuse(std::time::Duration::ZERO, error.clone(), receipt);
        }
        let network = &self.transport.network;
        let mut state = network.state();
        let from = self.transport.peer.id;
        let link = match self.transport.check_alive(&state) {
            Err(error) => Err((std::time::Duration::ZERO, error)),
            Ok(()) => network.link(&mut state, from, &self.to).map(|link| link.number),
        };
        let link = match link {
            Ok(number) if way.link.is_none_or(|before| before == number) => number,
            Ok(_) => {
                let message = format!("the connection with node {} was lost before", self.to);
                let error = Error::new(ErrorCode::Connection, message);
                drop(state);
                way.lost = Some(error.clone());
                return self.refuse(std::time::Duration::ZERO, error, receipt);
            }
            Err((wait, error)) => {
                drop(state);
                way.lost = Some(error.clone());
                return self.refuse(wait, error, receipt);
            }
        };
        way.link = Some(link);
        let part = as_arrived(part);
        let bytes = MESSAGE_BYTES
            + match &part {
                StreamPart::Batch(frame) => frame.wire_bytes() as usize,
                StreamPart::End | StreamPart::Failed(_) => 0,
            };
        let number = state.number();
        if let Some(link) = state.links.get_mut(&ends(from, self.to.id)) {
            link.receipts.insert(number, receipt);
        }
        let (network, to, stream) = (Arc::clone(network), self.to.id, self.stream);
        let arrive = {
            let network = Arc::clone(&network);
            Box::new(move || network.deliver(link, number, (from, to), stream, part))
        };
        way.last = network.send(&mut state, (from, to), bytes, way.last, arrive);
    }
}

impl MemoryOutgoing {
    /// Not at once: a receipt is never called while a part is pushed.
    fn refuse(&self, wait: std::time::Duration, error: Error, receipt: Receipt) {
        self.transport.network.after(wait, Box::new(move || receipt(Err(error))));
    }
}

fn as_arrived(part: StreamPart) -> StreamPart {
    match part {
        StreamPart::Batch(Frame { rows, head, body: body @ Body::Parts { .. } }) => {
            StreamPart::Batch(Frame { rows, head, body: Body::Whole(body.to_buffer()) })
        }
        other => other,
    }
}

impl MemoryNetwork {
    fn deliver(self: &Arc<Self>, link: u64, number: u64, way: Route, stream: StreamId, part: StreamPart) {
        let Some(handler) = self.state().nodes.get(&way.1).map(|node| Arc::clone(&node.handler)) else {
            return;
        };
        let network = Arc::clone(self);
        let receipt: Receipt =
            Box::new(move |result| network.bring_receipt(link, number, (way.1, way.0), result));
        handler.receive(way.0, stream, part, receipt);
    }

    fn bring_receipt(self: &Arc<Self>, link: u64, number: u64, way: Route, result: Result<Taken>) {
        let ends = ends(way.0, way.1);
        let mut state = self.state();
        if state.links.get(&ends).is_none_or(|it| it.number != link) {
            return;
        }
        let network = Arc::clone(self);
        let arrive = Box::new(move || {
            let receipt = network.state().links.get_mut(&ends).and_then(|link| link.receipts.remove(&number));
            if let Some(receipt) = receipt {
                receipt(result);
            }
        });
        self.send(&mut state, way, MESSAGE_BYTES, Instant::now(), arrive);
    }
}
