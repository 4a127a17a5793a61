//! What the threads that carry connections share, and how a link with a node is found.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use nyala_exchange::Handler;
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::LocalSet;
use tokio_util::sync::CancellationToken;

use crate::dial::{Dial, Dialled};
use crate::link::Link;
use crate::links::{DialOutcome, Links, Next};
use crate::local::{Local, refused};
use crate::outgoing::{Core, ended};
use crate::reactor::{Order, Reactor};

/// Orders that wait for a thread.
const ORDERS_MAX: usize = 256;
/// How often a link is looked for before a call gives up: each time, the two sides had different connections in mind.
const ATTEMPTS_MAX: usize = 8;

/// All that the connections of one transport share.
pub(crate) struct Hub {
    pub(crate) local: Arc<Local>,
    pub(crate) links: Arc<Links>,
    pub(crate) orders: Vec<mpsc::Sender<Order>>,
    strays: Vec<mpsc::UnboundedSender<Arc<Core>>>,
    pub(crate) over: CancellationToken,
    threads: Mutex<Vec<JoinHandle<()>>>,
    /// Streams that were opened.
    streams: AtomicU64,
}

/// A thread with a runtime of its own, until the work ends that is made there.
///
/// # Errors
/// `OutOfMemory` when it cannot be started.
pub(crate) fn local_thread<F: Future<Output = ()>>(
    name: String,
    work: impl FnOnce() -> F + Send + 'static,
) -> Result<JoinHandle<()>> {
    let failed = |error: std::io::Error| {
        let text = format!("a thread for connections could not be started: {error}");
        Error::new(ErrorCode::OutOfMemory, text)
    };
    let tokio = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(failed)?;
    let thread = std::thread::Builder::new().name(name);
    thread.spawn(move || LocalSet::new().block_on(&tokio, work())).map_err(failed)
}

impl Hub {
    /// Starts the threads of a node; the first one accepts what comes in at `listener`.
    pub(crate) fn start(
        local: Local,
        handler: &Arc<dyn Handler>,
        runtime: &tokio::runtime::Handle,
        count: usize,
        listener: std::net::TcpListener,
    ) -> Result<Arc<Self>> {
        let (hub, mut reactors) = Self::new(local, handler, runtime, count);
        reactors[0].listener = Some(listener);
        for reactor in reactors {
            let thread = local_thread(format!("nyala-rpc-{}", reactor.index), || reactor.run())?;
            hub.threads.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        }
        Ok(hub)
    }

    /// With what is to be run on `count` threads, one at least.
    pub(crate) fn new(
        local: Local,
        handler: &Arc<dyn Handler>,
        runtime: &tokio::runtime::Handle,
        count: usize,
    ) -> (Arc<Self>, Vec<Reactor>) {
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
            streams: AtomicU64::new(0),
        });
        let reactor = |(index, (orders, strays))| Reactor {
            hub: hub.clone(),
            handler: handler.clone(),
            runtime: runtime.clone(),
            index,
            orders,
            strays,
            listener: None,
        };
        let reactors = orders_there.into_iter().zip(strays_there).enumerate().map(reactor).collect();
        (hub, reactors)
    }

    fn shard(&self, node: NodeId) -> usize {
        (node.0 % self.orders.len() as u64) as usize
    }

    pub(crate) fn strays_of(&self, node: NodeId) -> mpsc::UnboundedSender<Arc<Core>> {
        self.strays[self.shard(node)].clone()
    }

    /// A number for a stream that no other has.
    pub(crate) fn next_stream(&self) -> u64 {
        self.streams.fetch_add(1, Ordering::Relaxed)
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
