//! The sending end of a stream, as its producers have it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_exchange::{Outgoing, Receipt, StreamPart};
use nyala_schema::cluster::{Peer, StreamId};
use nyala_schema::{Error, ErrorCode};
use tokio::sync::mpsc;

use crate::link::Link;

/// A part that has not been sent, and who is told of it.
pub(crate) type Waiting = (StreamPart, Receipt);

/// Where the parts of a stream go.
enum Route {
    /// Nothing was sent yet.
    Unknown,
    Link(Arc<Link>),
    /// Its connection was lost, and parts with it.
    Lost(Error),
}

struct State {
    /// Bounded by the credits of the stream: its producer pushes no more than it has.
    waiting: VecDeque<Waiting>,
    /// Whether it is with the thread of the connection already.
    is_woken: bool,
    route: Route,
    has_producer: bool,
}

/// A stream, shared by its producers and the thread that sends.
pub(crate) struct Core {
    pub(crate) to: Peer,
    pub(crate) stream: StreamId,
    state: Mutex<State>,
    /// Of the thread that finds the connection.
    strays: mpsc::UnboundedSender<Arc<Core>>,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what waits; it is woken again by the next part.
    pub(crate) fn take(&self) -> VecDeque<Waiting> {
        let mut state = self.lock();
        state.is_woken = false;
        std::mem::take(&mut state.waiting)
    }

    /// Whether more parts may come.
    pub(crate) fn has_producer(&self) -> bool {
        self.lock().has_producer
    }

    /// The connection that its parts go over, if they do already.
    ///
    /// # Errors
    /// The loss of that connection.
    pub(crate) fn link(&self) -> Result<Option<Arc<Link>>, Error> {
        match &self.lock().route {
            Route::Unknown => Ok(None),
            Route::Link(link) => Ok(Some(link.clone())),
            Route::Lost(error) => Err(error.clone()),
        }
    }

    pub(crate) fn bind(&self, link: Arc<Link>) {
        self.lock().route = Route::Link(link);
    }

    /// Nothing will be sent any more: all that waits, and all that comes, fails.
    pub(crate) fn fail(&self, error: &Error) {
        let waiting = {
            let mut state = self.lock();
            state.route = Route::Lost(error.clone());
            state.is_woken = false;
            std::mem::take(&mut state.waiting)
        };
        for (_, receipt) in waiting {
            receipt(Err(error.clone()));
        }
    }

    fn wake(self: &Arc<Self>, link: Option<Arc<Link>>) {
        let unsent = match link {
            Some(link) => link.wake(self.clone()).err(),
            None => Some(self.clone()),
        };
        let Some(stray) = unsent else { return };
        if let Err(unsent) = self.strays.send(stray) {
            // The transport has ended. Receipts are not called by who pushes.
            let core = unsent.0;
            let _ =
                std::thread::Builder::new().name("nyala-rpc-end".into()).spawn(move || core.fail(&ended()));
        }
    }
}

pub(crate) fn ended() -> Error {
    Error::new(ErrorCode::Connection, "this node's connections have ended: it stops")
}

/// Keeps the stream open while it is held.
pub(crate) struct Producer(Arc<Core>);

impl Producer {
    pub(crate) fn new(to: &Peer, stream: StreamId, strays: mpsc::UnboundedSender<Arc<Core>>) -> Self {
        let state =
            State { waiting: VecDeque::new(), is_woken: false, route: Route::Unknown, has_producer: true };
        Self(Arc::new(Core { to: to.clone(), stream, state: Mutex::new(state), strays }))
    }
}

impl Outgoing for Producer {
    fn push(&self, part: StreamPart, receipt: Receipt) {
        let link = {
            let mut state = self.0.lock();
            state.waiting.push_back((part, receipt));
            if std::mem::replace(&mut state.is_woken, true) {
                return;
            }
            match &state.route {
                Route::Link(link) => Some(link.clone()),
                Route::Unknown | Route::Lost(_) => None,
            }
        };
        self.0.wake(link);
    }
}

impl Drop for Producer {
    /// The thread that sends is told, if it has the stream.
    fn drop(&mut self) {
        let link = {
            let mut state = self.0.lock();
            state.has_producer = false;
            let Route::Link(link) = &state.route else { return };
            let link = link.clone();
            if std::mem::replace(&mut state.is_woken, true) {
                return;
            }
            link
        };
        let _ = link.wake(self.0.clone());
    }
}
