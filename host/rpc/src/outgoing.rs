//! The sending end of a stream, as its producers have it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use nyala_exchange::{Outgoing, Receipt, StreamPart, Taken};
use nyala_schema::cluster::{Peer, StreamId};
use nyala_schema::{Error, ErrorCode};

use crate::hub::Hub;
use crate::link::Link;

/// A part that has not been sent, and who is told of it.
pub(crate) type Waiting = (StreamPart, Receipt);

/// How a stream has ended: what all receipts that are left get.
pub(crate) type Outcome = Result<Taken, Error>;

/// Where the parts of a stream go.
enum Route {
    /// Nothing was sent yet.
    Unknown,
    Link(Arc<Link>),
    /// Nowhere: the receiver has enough or all, or the connection was lost, and parts with it.
    Over(Outcome),
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
    /// Of all streams of this transport.
    pub(crate) number: u64,
    pub(crate) to: Peer,
    pub(crate) stream: StreamId,
    state: Mutex<State>,
    hub: Arc<Hub>,
}

/// Nothing of a stream is sent any more.
pub(crate) struct Over;

/// What a stream has for the thread of its connection.
pub(crate) struct Ready {
    pub(crate) waiting: VecDeque<Waiting>,
    /// Whether more may come.
    pub(crate) has_producer: bool,
}

impl Core {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what waits; it is woken again by the next part. `None` when it is over: what waited has been told so.
    pub(crate) fn take(&self) -> Option<Ready> {
        let (waiting, outcome) = {
            let mut state = self.lock();
            state.is_woken = false;
            let waiting = std::mem::take(&mut state.waiting);
            match &state.route {
                Route::Unknown | Route::Link(_) => {
                    return Some(Ready { waiting, has_producer: state.has_producer });
                }
                Route::Over(outcome) => (waiting, outcome.clone()),
            }
        };
        answer(waiting, &outcome);
        None
    }

    /// The connection that its parts go over, if they do already. An error when it is over.
    pub(crate) fn link(&self) -> Result<Option<Arc<Link>>, Over> {
        match &self.lock().route {
            Route::Unknown => Ok(None),
            Route::Link(link) => Ok(Some(link.clone())),
            Route::Over(_) => Err(Over),
        }
    }

    pub(crate) fn bind(&self, link: Arc<Link>) {
        self.lock().route = Route::Link(link);
    }

    /// Nothing will be sent any more: all that comes is told so, and all that waits is to be.
    pub(crate) fn end(&self, outcome: &Outcome) -> VecDeque<Waiting> {
        let mut state = self.lock();
        state.route = Route::Over(outcome.clone());
        state.is_woken = false;
        std::mem::take(&mut state.waiting)
    }

    pub(crate) fn fail(&self, error: &Error) {
        let outcome = Err(error.clone());
        answer(self.end(&outcome), &outcome);
    }

    fn wake(self: &Arc<Self>, link: Option<Arc<Link>>) {
        let unsent = match link {
            Some(link) => link.wake(self.clone()).err(),
            None => Some(self.clone()),
        };
        let Some(stray) = unsent else { return };
        if let Err(unsent) = self.hub.strays_of(self.to.id).send(stray) {
            // The transport has ended. Receipts are not called by who pushes.
            let core = unsent.0;
            let _ =
                std::thread::Builder::new().name("nyala-rpc-end".into()).spawn(move || core.fail(&ended()));
        }
    }
}

fn answer(waiting: VecDeque<Waiting>, outcome: &Outcome) {
    for (_, receipt) in waiting {
        receipt(outcome.clone());
    }
}

pub(crate) fn ended() -> Error {
    Error::new(ErrorCode::Connection, "this node's connections have ended: it stops")
}

/// Keeps the stream open while it is held.
pub(crate) struct Producer(Arc<Core>);

impl Producer {
    pub(crate) fn new(to: &Peer, stream: StreamId, hub: &Arc<Hub>) -> Self {
        let state =
            State { waiting: VecDeque::new(), is_woken: false, route: Route::Unknown, has_producer: true };
        Self(Arc::new(Core {
            number: hub.next_stream(),
            to: to.clone(),
            stream,
            state: Mutex::new(state),
            hub: hub.clone(),
        }))
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
            // What is looked for takes the longer way.
            if let Route::Unknown = state.route
                && let Some(link) = self.0.hub.links.open(self.0.to.id)
            {
                state.route = Route::Link(link);
            }
            match &state.route {
                Route::Link(link) => Some(link.clone()),
                Route::Unknown | Route::Over(_) => None,
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
