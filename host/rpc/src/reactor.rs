//! The threads that carry connections. Capabilities never leave the thread of their connection.

use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use nyala_exchange::Handler;
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{LocalSet, spawn_local};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::accept::accept;
use crate::connection::Place;
use crate::dial::{Dial, Dialled};
use crate::link::Link;
use crate::links::{DialOutcome, Links, Next};
use crate::local::{Local, refused};
use crate::message::Who;
use crate::outgoing::{Core, ended};

/// Orders that wait for a thread.
const ORDERS_MAX: usize = 256;
/// How often a link is looked for before a call gives up: each time, the two sides had different connections in mind.
const ATTEMPTS_MAX: usize = 8;
/// What is open when the transport ends has so long to fail what waits for it.
const END_LIMIT: Duration = Duration::from_millis(500);
/// How long the connection may take that stays instead of one that this side dialled, before it dials again.
const SUPERSEDED_LIMIT: Duration = Duration::from_millis(200);
/// Between two attempts to accept when the system has no sockets left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

enum Order {
    Accept {
        stream: TcpStream,
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

/// All that the connections of one transport share.
pub(crate) struct Hub {
    pub(crate) local: Arc<Local>,
    pub(crate) links: Arc<Links>,
    orders: Vec<mpsc::Sender<Order>>,
    strays: Vec<mpsc::UnboundedSender<Arc<Core>>>,
    over: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
}

/// The thread's side of it.
struct Reactor {
    hub: Arc<Hub>,
    handler: Arc<dyn Handler>,
    runtime: tokio::runtime::Handle,
    index: usize,
    orders: mpsc::Receiver<Order>,
    strays: mpsc::UnboundedReceiver<Arc<Core>>,
    listener: Option<std::net::TcpListener>,
}

fn no_thread(error: &std::io::Error) -> Error {
    Error::new(ErrorCode::OutOfMemory, format!("a thread for connections could not be started: {error}"))
}

impl Hub {
    /// Starts the threads; the first one accepts what comes in at `listener`.
    pub(crate) fn start(
        local: Local,
        handler: &Arc<dyn Handler>,
        runtime: &tokio::runtime::Handle,
        count: usize,
        listener: Option<std::net::TcpListener>,
        name: &str,
    ) -> Result<Arc<Self>> {
        let (orders, orders_there): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| mpsc::channel(ORDERS_MAX)).unzip();
        let (strays, strays_there): (Vec<_>, Vec<_>) =
            (0..count.max(1)).map(|_| mpsc::unbounded_channel()).unzip();
        let hub = Arc::new(Self {
            links: Arc::new(Links::new(local.peer().map(|peer| peer.id))),
            local: Arc::new(local),
            orders,
            strays,
            over: CancellationToken::new(),
            threads: Mutex::default(),
        });
        let mut listener = listener;
        for (index, (orders, strays)) in orders_there.into_iter().zip(strays_there).enumerate() {
            let reactor = Reactor {
                hub: hub.clone(),
                handler: handler.clone(),
                runtime: runtime.clone(),
                index,
                orders,
                strays,
                listener: listener.take(),
            };
            let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let tokio = tokio.map_err(|error| no_thread(&error))?;
            let thread = std::thread::Builder::new()
                .name(format!("{name}-{index}"))
                .spawn(move || LocalSet::new().block_on(&tokio, reactor.run()))
                .map_err(|error| no_thread(&error))?;
            hub.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(hub)
    }

    fn shard(&self, node: NodeId) -> usize {
        (node.0 % self.orders.len() as u64) as usize
    }

    pub(crate) fn strays_of(&self, node: NodeId) -> mpsc::UnboundedSender<Arc<Core>> {
        self.strays[self.shard(node)].clone()
    }

    /// The link with a node; dials when there is none.
    ///
    /// # Errors
    /// `Connection` when the node cannot be reached.
    pub(crate) async fn link(&self, to: &Peer) -> Result<Arc<Link>> {
        for _ in 0..ATTEMPTS_MAX {
            if self.over.is_cancelled() {
                return Err(ended());
            }
            match self.links.next(to.id) {
                Next::Use(link) => return Ok(link),
                Next::Wait(mut changed) => {
                    let limit = self.local.limits.hello_limit;
                    let _ = tokio::time::timeout(limit, changed.changed()).await;
                }
                Next::WaitForDial(outcome) => wait_for(outcome).await?,
                Next::Dial { last, tell, outcome } => {
                    let dial = Dial { address: to.address.clone(), expected: Some((to.id, last)) };
                    let order = Order::DialNode { dial, node: to.id, tell };
                    if let Err(unsent) = self.orders[self.shard(to.id)].send(order).await {
                        if let Order::DialNode { node, tell, .. } = unsent.0 {
                            self.links.dialled(node, &tell, Err(ended()));
                        }
                        return Err(ended());
                    }
                    wait_for(outcome).await?;
                }
            }
        }
        Err(refused(format!(
            "no connection with node {to} came about: both sides kept choosing different ones"
        )))
    }

    /// Dials whoever is at an address.
    pub(crate) async fn dial(&self, address: &str) -> Result<Dialled> {
        let (reply, answer) = oneshot::channel();
        let dial = Dial { address: address.into(), expected: None };
        self.orders[0].send(Order::Dial { dial, reply }).await.map_err(|_| ended())?;
        answer.await.unwrap_or_else(|_| Err(ended()))
    }

    /// Ends all connections and threads, and waits for them unless this is one of them.
    pub(crate) fn shutdown(&self) {
        self.over.cancel();
        let threads = std::mem::take(&mut *self.threads.lock().unwrap_or_else(PoisonError::into_inner));
        for thread in threads {
            if thread.thread().id() != std::thread::current().id() {
                let _ = thread.join();
            }
        }
    }

    /// As [`shutdown`](Self::shutdown), but does not wait.
    pub(crate) fn stop(&self) {
        self.over.cancel();
    }
}

async fn wait_for(mut outcome: watch::Receiver<DialOutcome>) -> Result<()> {
    match outcome.wait_for(Option::is_some).await {
        Ok(told) => told.clone().unwrap_or(Ok(())),
        // It was given up; whoever waits looks again.
        Err(_) => Ok(()),
    }
}

impl Reactor {
    async fn run(mut self) {
        let tracker = TaskTracker::new();
        let place = Rc::new(Place {
            local: self.hub.local.clone(),
            links: self.hub.links.clone(),
            handler: self.handler.clone(),
            runtime: self.runtime.clone(),
            tracker: tracker.clone(),
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
                place.tracker.clone().spawn_local(accept(place, stream, address));
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
            for (part, receipt) in core.take() {
                place.handler.receive(peer.id, core.stream, part, receipt);
            }
            return;
        }
        match core.link() {
            Err(error) => core.fail(&error),
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
            taken = listener.accept() => match taken {
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
