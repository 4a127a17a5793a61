//! Streams from here over one connection: what waits, what is under way, and what was taken.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use nyala_exchange::{Receipt, Taken};
use nyala_schema::Error;

use crate::generated::peer_capnp::{progress, sink};
use crate::message;
use crate::outgoing::{Core, Waiting};

/// One stream on a connection.
pub(crate) struct Sending {
    pub(crate) core: Arc<Core>,
    pub(crate) sink: RefCell<Option<sink::Client>>,
    pub(crate) is_opening: Cell<bool>,
    /// Whether it waits for its turn.
    pub(crate) has_turn: Cell<bool>,
    pub(crate) waiting: RefCell<VecDeque<Waiting>>,
    /// Of parts that were sent and not taken.
    pub(crate) receipts: RefCell<VecDeque<Receipt>>,
    /// Parts sent.
    pub(crate) sent: Cell<u64>,
    /// Parts that the other side has confirmed the arrival of.
    pub(crate) arrived: Cell<u64>,
    /// Parts that were taken there.
    pub(crate) taken: Cell<u64>,
    /// Whether a call waits for more to be taken.
    pub(crate) is_asking: Cell<bool>,
    /// Set when nothing more is to be sent, with what all receipts get.
    pub(crate) over: RefCell<Option<Result<Taken, Error>>>,
}

/// The streams of a connection.
#[derive(Default)]
pub(crate) struct Streams {
    pub(crate) all: RefCell<HashMap<usize, Rc<Sending>>>,
    pub(crate) turns: RefCell<VecDeque<Rc<Sending>>>,
    /// Bytes of batches that have not arrived.
    pub(crate) under_way: Cell<u64>,
    /// Parts that have not arrived.
    pub(crate) pushes: Cell<u64>,
}

pub(crate) fn key(core: &Arc<Core>) -> usize {
    Arc::as_ptr(core) as usize
}

impl Sending {
    pub(crate) fn new(core: Arc<Core>) -> Rc<Self> {
        Rc::new(Self {
            core,
            sink: RefCell::new(None),
            is_opening: Cell::new(false),
            has_turn: Cell::new(false),
            waiting: RefCell::default(),
            receipts: RefCell::default(),
            sent: Cell::new(0),
            arrived: Cell::new(0),
            taken: Cell::new(0),
            is_asking: Cell::new(false),
            over: RefCell::new(None),
        })
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.waiting.borrow().is_empty()
            && self.receipts.borrow().is_empty()
            && self.sent.get() == self.arrived.get()
            && !self.is_opening.get()
    }

    /// Tells everybody who waits, and whoever comes, how the stream has ended.
    pub(crate) fn finish(&self, outcome: Result<Taken, Error>) {
        let outcome = self.over.borrow_mut().get_or_insert(outcome).clone();
        let waiting = std::mem::take(&mut *self.waiting.borrow_mut());
        let receipts = std::mem::take(&mut *self.receipts.borrow_mut());
        for receipt in receipts.into_iter().chain(waiting.into_iter().map(|(_, receipt)| receipt)) {
            receipt(outcome.clone());
        }
    }

    /// Takes note of how far the receiver has got.
    pub(crate) fn progressed(&self, progress: progress::Reader<'_>) -> capnp::Result<()> {
        let taken = progress.get_taken();
        while self.taken.get() < taken {
            let Some(receipt) = self.receipts.borrow_mut().pop_front() else { break };
            self.taken.set(self.taken.get() + 1);
            receipt(Ok(Taken::MoreWanted));
        }
        match progress.which()? {
            progress::Open(()) => {}
            progress::Closed(()) => self.finish(Ok(Taken::Closed)),
            progress::Failed(failure) => self.finish(Err(message::read_failure(failure?)?)),
        }
        Ok(())
    }
}

impl Streams {
    /// The connection is lost: every stream on it is.
    pub(crate) fn fail(&self, error: &Error) {
        self.turns.borrow_mut().clear();
        let all = std::mem::take(&mut *self.all.borrow_mut());
        for sending in all.into_values() {
            sending.sink.borrow_mut().take();
            sending.core.fail(error);
            sending.finish(Err(error.clone()));
        }
    }
}
