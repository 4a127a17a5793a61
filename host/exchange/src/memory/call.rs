//! Calls over a network in memory.

use std::sync::Arc;

use bytes::Bytes;
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::oneshot;
use tokio::time::Instant;

use super::link::{Call, Route, ends};
use super::network::MemoryNetwork;
use crate::transport::{Caller, Service};

/// Bytes of a message besides what it carries.
const MESSAGE_BYTES: usize = 64;

pub(super) struct Request {
    pub from: NodeId,
    pub incarnation: u64,
    pub service: Service,
    pub bytes: Bytes,
}

impl MemoryNetwork {
    pub(super) async fn call(&self, to: &Peer, request: Request) -> Result<Bytes> {
        let from = request.from;
        let (answer, answered) = oneshot::channel();
        let started = self.start_call(to, request, answer);
        let number = match started {
            Ok(number) => number,
            Err((wait, error)) => {
                tokio::time::sleep(wait).await;
                return Err(error);
            }
        };
        let waiting = Waiting { network: self.strong(), from, to: to.id, number };
        let result = answered.await;
        drop(waiting);
        result.unwrap_or_else(|_| {
            Err(Error::new(ErrorCode::Connection, format!("no answer came from node {to}")))
        })
    }

    fn start_call(
        &self,
        to: &Peer,
        request: Request,
        answer: oneshot::Sender<Result<Bytes>>,
    ) -> Result<u64, (std::time::Duration, Error)> {
        let mut state = self.state();
        let link = self.link(&mut state, request.from, to)?.number;
        let number = state.number();
        let (from, to) = (request.from, to.id);
        let bytes = MESSAGE_BYTES + request.bytes.len();
        let network = self.strong();
        let arrive = Box::new(move || network.answer_call(link, number, to, request));
        let arrival = self.send(&mut state, (from, to), bytes, Instant::now(), arrive);
        if let Some(link) = state.links.get_mut(&ends(from, to)) {
            link.calls_made += 1;
            link.calls.insert(number, Call { answer, arrival });
        }
        Ok(number)
    }

    fn answer_call(self: &Arc<Self>, link: u64, number: u64, to: NodeId, request: Request) {
        let mut state = self.state();
        let Some(handler) = state.nodes.get(&to).map(|node| Arc::clone(&node.handler)) else { return };
        let network = Arc::clone(self);
        let from = request.from;
        let task = tokio::spawn(async move {
            let caller = Caller::Node { id: from, incarnation: request.incarnation };
            let result = handler.call(&caller, request.service, request.bytes).await;
            network.bring_answer(link, number, (to, from), result);
        });
        if let Some(link) = state.links.get_mut(&ends(from, to)) {
            link.running.insert(number, task.abort_handle());
        }
    }

    fn bring_answer(self: &Arc<Self>, link: u64, number: u64, way: Route, result: Result<Bytes>) {
        let ends = ends(way.0, way.1);
        let mut state = self.state();
        match state.links.get_mut(&ends).filter(|it| it.number == link) {
            Some(link) => link.running.remove(&number),
            None => return,
        };
        let bytes = MESSAGE_BYTES + result.as_ref().map_or(0, Bytes::len);
        let network = Arc::clone(self);
        let arrive = Box::new(move || {
            let call = network.state().links.get_mut(&ends).and_then(|link| link.calls.remove(&number));
            if let Some(call) = call {
                // Who does not wait any more need not be told.
                let _ = call.answer.send(result);
            }
        });
        self.send(&mut state, way, bytes, Instant::now(), arrive);
    }

    /// The caller does not wait any more; if the answer has not come yet, what makes it is ended.
    fn cancel_call(self: &Arc<Self>, from: NodeId, to: NodeId, number: u64) {
        let ends = ends(from, to);
        let mut state = self.state();
        let Some(call) = state.links.get_mut(&ends).and_then(|link| link.calls.remove(&number)) else {
            return;
        };
        let network = Arc::clone(self);
        let arrive = Box::new(move || {
            let running = network.state().links.get_mut(&ends).and_then(|link| link.running.remove(&number));
            if let Some(task) = running {
                task.abort();
            }
        });
        // Not before what it cancels.
        self.send(&mut state, (from, to), MESSAGE_BYTES, call.arrival, arrive);
    }
}

/// A call whose answer is awaited.
struct Waiting {
    network: Arc<MemoryNetwork>,
    from: NodeId,
    to: NodeId,
    number: u64,
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.network.cancel_call(self.from, self.to, self.number);
    }
}
