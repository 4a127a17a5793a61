//! One connection: Cap'n Proto on a socket, from the first byte until everything of it is gone.

use std::cell::RefCell;
use std::panic::AssertUnwindSafe;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use capnp_rpc::{Disconnector, RpcSystem};
use futures_util::FutureExt;
use nyala_exchange::Handler;
use tokio::sync::oneshot;
use tokio::task::{AbortHandle, JoinHandle, spawn_local};
use tokio_util::task::TaskTracker;

use crate::beats::Beats;
use crate::complaints::Complaints;
use crate::generated::peer_capnp::{door, peer};
use crate::link::{Counters, Link, Work};
use crate::links::Links;
use crate::local::Local;
use crate::serve::Serving;
use crate::session::Session;
use crate::socket::Socket;
use crate::wire::{Network, Wire};

/// What is queued when a connection ends is still written, for so long: it may say why.
const FAREWELL: Duration = Duration::from_millis(200);

/// What the connections of one thread share.
pub(crate) struct Place {
    pub(crate) local: Arc<Local>,
    pub(crate) links: Arc<Links>,
    pub(crate) handler: Arc<dyn Handler>,
    /// Where calls are handled.
    pub(crate) runtime: tokio::runtime::Handle,
    /// Connections that there are here.
    pub(crate) tracker: TaskTracker,
    pub(crate) complaints: Complaints,
}

/// A connection whose sides know each other.
pub(crate) struct Established {
    pub(crate) link: Arc<Link>,
    pub(crate) remote: peer::Client,
    pub(crate) work: Work,
}

/// A socket that speaks Cap'n Proto.
pub(crate) struct Connection {
    pub(crate) wire: Rc<Wire>,
    pub(crate) serving: Rc<Serving>,
    pub(crate) counters: Arc<Counters>,
    /// What the other side offers first.
    pub(crate) door: door::Client,
    writer: JoinHandle<()>,
    system: AbortHandle,
    disconnector: Disconnector<()>,
}

impl Connection {
    /// `offer` makes what this side offers first; a dialler offers nothing.
    pub(crate) fn new(
        place: &Rc<Place>,
        socket: Socket,
        offer: impl FnOnce(&Rc<Wire>, &Rc<Serving>, &Arc<Counters>) -> Option<door::Client>,
    ) -> Self {
        let counters = Arc::new(Counters::default());
        let wire = Wire::new(socket.reader, counters.clone());
        let serving = Serving::new(
            place.handler.clone(),
            wire.clone(),
            place.local.limits,
            place.links.clone(),
            place.runtime.clone(),
        );
        let offer = offer(&wire, &serving, &counters).map(|door| door.client);
        let mut system = RpcSystem::new(Box::new(Network::new(wire.clone())), offer);
        let door = system.bootstrap(());
        let disconnector = system.get_disconnector();
        let writer = spawn_local(wire.clone().write(socket.writer));
        let watched = wire.clone();
        let system = spawn_local(async move {
            // A peer that finds a hole in the protocol's implementation ends its own connection only.
            let outcome = AssertUnwindSafe(system).catch_unwind().await;
            watched.end(match outcome {
                Ok(Ok(())) => "it was closed".into(),
                Ok(Err(error)) => error.extra,
                Err(_) => "the other side broke the protocol".to_string(),
            });
        });
        Self { wire, serving, counters, door, writer, system: system.abort_handle(), disconnector }
    }

    /// Serves until the end, then gives everything up.
    pub(crate) async fn serve(self, place: &Rc<Place>, established: Established) {
        let Established { link, remote, work } = established;
        tracing::info!(peer = link.end.name(), encrypted = link.end.is_encrypted, "connected");
        let beats = Beats::new(&place.local, &link.end);
        let session = Session::new((link.clone(), remote), self.serving.clone(), place.local.limits, beats);
        let run = spawn_local(session.run(work)).await;
        if run.is_err() {
            link.close(link.lost("this side failed"));
        }
        tracing::info!(peer = link.end.name(), reason = link.reason().message(), "disconnected");
        place.links.remove(&link);
        link.tell_gone(&*place.handler);
        self.end().await;
    }

    /// Writes what is queued, then drops the connection. Capabilities of both sides hold each other: the protocol's tables
    /// are emptied first.
    pub(crate) async fn end(self) {
        let _ = tokio::time::timeout(FAREWELL, self.disconnector).await;
        self.wire.finish();
        let mut writer = self.writer;
        if tokio::time::timeout(FAREWELL, &mut writer).await.is_err() {
            writer.abort();
        }
        self.system.abort();
    }
}

/// The moment at which both sides know each other, for whoever waits for it. Told once.
pub(crate) struct Moment<T>(RefCell<Option<oneshot::Sender<T>>>);

impl<T> Moment<T> {
    pub(crate) fn new() -> (Self, oneshot::Receiver<T>) {
        let (tell, wait) = oneshot::channel();
        (Self(RefCell::new(Some(tell))), wait)
    }

    pub(crate) fn is_past(&self) -> bool {
        self.0.borrow().is_none()
    }

    pub(crate) fn tell(&self, what: T) {
        if let Some(tell) = self.0.borrow_mut().take() {
            let _ = tell.send(what);
        }
    }
}
