//! Streams from here over one connection: what waits, what is under way, and what was taken.

use std::cell::{Cell, RefCell};
use std::collections::{HashMap, VecDeque};
use std::rc::Rc;
use std::sync::Arc;

use nyala_exchange::{Receipt, StreamPart, Taken};
use nyala_schema::{Error, ErrorCode};

use crate::generated::peer_capnp::progress;
use crate::link::Counters;
use crate::message;
use crate::outgoing::{Core, Outcome, Waiting};

/// Batches up to here travel with others, bytes.
const SMALL_BYTES_MAX: u64 = 4 << 10;
/// Of what travels together: bytes of batches, and parts.
const TOGETHER_BYTES_MAX: u64 = 64 << 10;
const TOGETHER_PARTS_MAX: usize = 1024;

/// Bytes that count against the cap of a connection.
pub(crate) fn bulk_bytes(part: &StreamPart) -> u64 {
    match part {
        StreamPart::Batch(frame) => frame.body.wire_bytes() + frame.head.len() as u64,
        StreamPart::End | StreamPart::Failed(_) => 0,
    }
}

/// One stream on a connection.
pub(crate) struct Sending {
    pub(crate) core: Arc<Core>,
    /// Whether it waits for its turn.
    has_turn: Cell<bool>,
    waiting: RefCell<VecDeque<Waiting>>,
    /// Of parts that were sent and not taken.
    receipts: RefCell<VecDeque<Receipt>>,
    /// Parts sent.
    sent: Cell<u64>,
    /// Parts that were taken there.
    taken: Cell<u64>,
    /// Whether the last part waits or was sent.
    has_end: Cell<bool>,
}

/// A part on its way, with its number in the stream.
pub(crate) struct Departing {
    pub(crate) sending: Rc<Sending>,
    pub(crate) index: u64,
    pub(crate) part: StreamPart,
}

/// The streams of a connection.
pub(crate) struct Streams {
    counters: Arc<Counters>,
    all: RefCell<HashMap<u64, Rc<Sending>>>,
    /// Streams whose next part is small, and those whose next part is a batch that travels alone.
    small: RefCell<VecDeque<Rc<Sending>>>,
    large: RefCell<VecDeque<Rc<Sending>>>,
    /// Bytes of batches that have not arrived.
    under_way: Cell<u64>,
    /// Batches that travel alone and have not arrived.
    pub(crate) pushes: Cell<u64>,
    /// Messages of small parts that have not arrived.
    pub(crate) together: Cell<u64>,
}

impl Sending {
    fn new(core: Arc<Core>) -> Rc<Self> {
        Rc::new(Self {
            core,
            has_turn: Cell::new(false),
            waiting: RefCell::default(),
            receipts: RefCell::default(),
            sent: Cell::new(0),
            taken: Cell::new(0),
            has_end: Cell::new(false),
        })
    }

    fn wait(&self, waiting: VecDeque<Waiting>) {
        let is_end = |(part, _): &Waiting| !matches!(part, StreamPart::Batch(_));
        self.has_end.set(self.has_end.get() || waiting.iter().any(is_end));
        let mut own = self.waiting.borrow_mut();
        if own.is_empty() { *own = waiting } else { own.extend(waiting) }
    }

    /// Its producer is gone: unless it has said how the stream ends, the receiver is told that it is not whole.
    fn give_up(&self) {
        let is_known = self.sent.get() > 0 || !self.waiting.borrow().is_empty();
        if is_known && !self.has_end.replace(true) {
            let text = format!("stream {} was given up before its end", self.core.stream);
            let failed = StreamPart::Failed(Error::new(ErrorCode::Connection, text));
            self.waiting.borrow_mut().push_back((failed, Box::new(drop)));
        }
    }

    fn depart(self: Rc<Self>) -> Option<Departing> {
        let (part, receipt) = self.waiting.borrow_mut().pop_front()?;
        self.receipts.borrow_mut().push_back(receipt);
        let index = self.sent.replace(self.sent.get() + 1);
        Some(Departing { sending: self, index, part })
    }

    fn taken(&self, count: u64) {
        while self.taken.get() < count {
            let Some(receipt) = self.receipts.borrow_mut().pop_front() else { break };
            self.taken.set(self.taken.get() + 1);
            receipt(Ok(Taken::MoreWanted));
        }
    }
}

impl Streams {
    pub(crate) fn new(counters: Arc<Counters>) -> Self {
        Self {
            counters,
            all: RefCell::default(),
            small: RefCell::default(),
            large: RefCell::default(),
            under_way: Cell::new(0),
            pushes: Cell::new(0),
            together: Cell::new(0),
        }
    }

    /// A stream has parts that wait, or has lost its producer.
    pub(crate) fn woken(&self, core: &Arc<Core>) {
        let Some(ready) = core.take() else { return };
        let known = self.all.borrow().get(&core.number).cloned();
        let sending = match known {
            Some(sending) => sending,
            None if ready.waiting.is_empty() => return,
            None => {
                let sending = Sending::new(core.clone());
                self.counters.stream_opened();
                self.all.borrow_mut().insert(core.number, sending.clone());
                sending
            }
        };
        sending.wait(ready.waiting);
        if !ready.has_producer {
            sending.give_up();
        }
        self.queue(&sending);
    }

    /// Gives a stream its turn, if it has anything to send.
    fn queue(&self, sending: &Rc<Sending>) {
        let is_small = match sending.waiting.borrow().front() {
            None => return,
            Some((part, _)) => bulk_bytes(part) <= SMALL_BYTES_MAX,
        };
        if !sending.has_turn.replace(true) {
            let turns = if is_small { &self.small } else { &self.large };
            turns.borrow_mut().push_back(sending.clone());
        }
    }

    fn next(&self, turns: &RefCell<VecDeque<Rc<Sending>>>) -> Option<Departing> {
        loop {
            let sending = turns.borrow_mut().pop_front()?;
            sending.has_turn.set(false);
            let departing = sending.clone().depart();
            self.queue(&sending);
            if departing.is_some() {
                return departing;
            }
        }
    }

    /// A batch that travels alone.
    pub(crate) fn next_large(&self) -> Option<Departing> {
        self.next(&self.large)
    }

    /// Small parts that travel together, in their order; and their bytes.
    pub(crate) fn next_small(&self) -> (Vec<Departing>, u64) {
        let (mut parts, mut bytes) = (Vec::new(), 0);
        while parts.len() < TOGETHER_PARTS_MAX && bytes < TOGETHER_BYTES_MAX {
            let Some(departing) = self.next(&self.small) else { break };
            bytes += bulk_bytes(&departing.part);
            parts.push(departing);
        }
        (parts, bytes)
    }

    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.get()
    }

    pub(crate) fn left(&self, bytes: u64) {
        self.set_under_way(self.under_way.get() + bytes);
    }

    pub(crate) fn arrived(&self, bytes: u64) {
        self.set_under_way(self.under_way.get().saturating_sub(bytes));
    }

    fn set_under_way(&self, bytes: u64) {
        self.under_way.set(bytes);
        self.counters.unconfirmed(bytes);
    }

    /// Takes note of how far receivers have got.
    pub(crate) fn progressed(
        &self,
        all: capnp::struct_list::Reader<'_, progress::Owned>,
    ) -> capnp::Result<()> {
        for progress in all {
            // Of a stream that is over there may be more to hear.
            let Some(sending) = self.all.borrow().get(&progress.get_number()).cloned() else { continue };
            sending.taken(progress.get_taken());
            match progress.which()? {
                progress::Open(()) => {}
                progress::Whole(()) if sending.has_end.get() && sending.waiting.borrow().is_empty() => {
                    self.finish(&sending, Ok(Taken::MoreWanted));
                }
                progress::Whole(()) => {
                    let text = format!("stream {} was confirmed before its end", sending.core.stream);
                    self.finish(&sending, Err(Error::new(ErrorCode::Connection, text)));
                }
                progress::Closed(()) => self.finish(&sending, Ok(Taken::Closed)),
                progress::Failed(failure) => {
                    self.finish(&sending, Err(message::read_failure(failure?)?));
                }
            }
        }
        Ok(())
    }

    /// Forgets a stream, and tells everybody who waits, and whoever comes, how it has ended.
    pub(crate) fn finish(&self, sending: &Sending, outcome: Outcome) {
        if self.all.borrow_mut().remove(&sending.core.number).is_none() {
            return;
        }
        self.counters.stream_closed();
        // First of all, so that producers who let go of it now need not say so.
        let late = sending.core.end(&outcome);
        let waiting = std::mem::take(&mut *sending.waiting.borrow_mut());
        let receipts = std::mem::take(&mut *sending.receipts.borrow_mut());
        let unsent = waiting.into_iter().chain(late).map(|(_, receipt)| receipt);
        receipts.into_iter().chain(unsent).for_each(|receipt| receipt(outcome.clone()));
    }

    /// The connection is lost: every stream on it is.
    pub(crate) fn fail(&self, error: &Error) {
        self.small.borrow_mut().clear();
        self.large.borrow_mut().clear();
        let all: Vec<Rc<Sending>> = self.all.borrow().values().cloned().collect();
        for sending in all {
            self.finish(&sending, Err(error.clone()));
        }
    }
}
