//! The threads that carry connections. Capabilities never leave the thread of their connection.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::Handler;
use nyala_schema::Result;
use nyala_schema::cluster::NodeId;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::spawn_local;
use tokio_util::task::TaskTracker;

use crate::accept::accept;
use crate::complaints::Complaints;
use crate::connection::Place;
use crate::dial::{Dial, Dialled};
use crate::hub::Hub;
use crate::link::Link;
use crate::links::DialOutcome;
use crate::message::Who;
use crate::outgoing::{Core, ended};

/// What is open when the transport ends has so long to fail what waits for it.
const END_LIMIT: Duration = Duration::from_millis(500);
/// How long the connection may take that stays instead of one that this side dialled, before it dials again.
const SUPERSEDED_LIMIT: Duration = Duration::from_millis(200);
/// Between two attempts to accept when the system has no sockets left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What a thread is told to do.
pub(crate) enum Order {
    /// A socket belongs to no thread until it is taken in.
    Accept {
        stream: std::net::TcpStream,
        address: String,
    },
    Dial {
        dial: Dial,
        reply: oneshot::Sender<Result<Dialled>>,
    },
    /// For all who wait for a link with a node.
    DialNode {
        dial: Dial,
        node: NodeId,
        tell: watch::Sender<DialOutcome>,
    },
}

/// The thread's side of a hub.
pub(crate) struct Reactor {
    pub(crate) hub: Arc<Hub>,
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) runtime: tokio::runtime::Handle,
    pub(crate) index: usize,
    pub(crate) orders: mpsc::Receiver<Order>,
    pub(crate) strays: mpsc::UnboundedReceiver<Arc<Core>>,
    pub(crate) listener: Option<std::net::TcpListener>,
}

impl Reactor {
    pub(crate) async fn run(mut self) {
        let tracker = TaskTracker::new();
        let place = Rc::new(Place {
            local: self.hub.local.clone(),
            links: self.hub.links.clone(),
            handler: self.handler.clone(),
            runtime: self.runtime.clone(),
            tracker: tracker.clone(),
            complaints: Complaints::default(),
        });
        if let Some(listener) = self.listener.take() {
            spawn_local(listen(listener, self.hub.clone()));
        }
        let over = self.hub.over.clone();
        loop {
            tokio::select! {
                biased;
                () = over.cancelled() => break,
                Some(order) = self.orders.recv() => self.follow(&place, order),
                Some(core) = self.strays.recv() => self.find(&place, core),
            }
        }
        for link in self.hub.links.all() {
            link.close(link.lost("this node stops"));
        }
        tracker.close();
        let _ = tokio::time::timeout(END_LIMIT, tracker.wait()).await;
        self.strays.close();
        while let Ok(core) = self.strays.try_recv() {
            core.fail(&ended());
        }
        tracing::debug!(thread = self.index, "connections have ended");
    }

    fn follow(&self, place: &Rc<Place>, order: Order) {
        let place = place.clone();
        match order {
            Order::Accept { stream, address } => {
                if place.tracker.len() >= place.local.limits.connections_max {
                    tracing::warn!(address, "refused a connection: there are too many");
                    return;
                }
                match TcpStream::from_std(stream) {
                    Ok(stream) => drop(place.tracker.clone().spawn_local(accept(place, stream, address))),
                    Err(error) => tracing::warn!(address, %error, "cannot take a connection in"),
                }
            }
            Order::Dial { dial, reply } => {
                spawn_local(async move {
                    let _ = reply.send(dial.run(&place).await);
                });
            }
            Order::DialNode { dial, node, tell } => {
                spawn_local(async move {
                    let outcome = dial.run(&place).await;
                    if let Ok(Dialled::Superseded(_)) = outcome {
                        let _ = tokio::time::timeout(SUPERSEDED_LIMIT, place.links.in_use(node)).await;
                    }
                    place.links.dialled(node, &tell, outcome.map(|_| ()));
                });
            }
        }
    }

    /// Finds the connection of a stream.
    fn find(&self, place: &Rc<Place>, core: Arc<Core>) {
        if let Who::Node { peer, .. } = &self.hub.local.who
            && peer.id == core.to.id
        {
            for (part, receipt) in core.take().map(|ready| ready.waiting).into_iter().flatten() {
                place.handler.receive(peer.id, core.stream, part, receipt);
            }
            return;
        }
        match core.link() {
            // Tells what waits.
            Err(_) => drop(core.take()),
            Ok(Some(link)) => hand_over(&core, &link),
            Ok(None) => {
                let hub = self.hub.clone();
                spawn_local(async move {
                    match hub.link(&core.to).await {
                        Ok(link) => {
                            core.bind(link.clone());
                            hand_over(&core, &link);
                        }
                        Err(error) => core.fail(&error),
                    }
                });
            }
        }
    }
}

fn hand_over(core: &Arc<Core>, link: &Arc<Link>) {
    if let Err(core) = link.wake(core.clone()) {
        core.fail(&link.reason());
    }
}

fn unbound(
    (stream, address): (TcpStream, std::net::SocketAddr),
) -> std::io::Result<(std::net::TcpStream, std::net::SocketAddr)> {
    Ok((stream.into_std()?, address))
}

/// Takes connections in, for all threads in turn.
async fn listen(listener: std::net::TcpListener, hub: Arc<Hub>) {
    let listener = match TcpListener::from_std(listener) {
        Ok(listener) => listener,
        Err(error) => {
            tracing::error!(%error, "cannot listen");
            return;
        }
    };
    let mut turn = 0;
    loop {
        let (stream, address) = tokio::select! {
            () = hub.over.cancelled() => return,
            taken = listener.accept() => match taken.and_then(unbound) {
                Ok(taken) => taken,
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            },
        };
        turn = (turn + 1) % hub.orders.len();
        let order = Order::Accept { stream, address: address.to_string() };
        if hub.orders[turn].send(order).await.is_err() {
            return;
        }
    }
}
