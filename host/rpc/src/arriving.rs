//! Streams that come in: which part is due, and what there is to tell their senders.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::buffer::Buffer;
use bytes::Bytes;
use nyala_exchange::frame::Body;
use nyala_exchange::{Frame, Receipt, StreamPart, Taken};
use nyala_schema::cluster::StreamId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::Notify;

use crate::generated::peer_capnp::{progress, small};
use crate::message;

/// Of the buffers of a batch.
const PAYLOAD_ALIGNMENT_BYTES: usize = 64;

/// Streams that are told of in one message.
const TOLD_MAX: usize = 4096;

/// A stream that comes in.
pub(crate) struct Arriving {
    pub(crate) stream: StreamId,
    /// Parts that have come.
    come: u64,
    has_ended: bool,
    taking: Arc<Taking>,
}

impl Arriving {
    pub(crate) fn new(number: u64, stream: StreamId, news: &Arc<News>) -> Self {
        Self { stream, come: 0, has_ended: false, taking: Taking::new(number, news) }
    }

    /// The receipt of the next part.
    ///
    /// # Errors
    /// `Connection` when another one was due: the stream has failed then.
    pub(crate) fn receipt(&mut self, index: u64, is_last: bool) -> Result<Receipt> {
        if index != self.come || self.has_ended {
            let text = format!("part {index} of stream {} came where {} was due", self.stream, self.come);
            let error = Error::new(ErrorCode::Connection, text);
            self.taking.end(Over::Failed(error.clone()));
            return Err(error);
        }
        self.come += 1;
        self.has_ended = is_last;
        let mut note = Note { taking: Some(self.taking.clone()), is_last };
        Ok(Box::new(move |outcome| note.tell(outcome)))
    }
}

/// How far the receiver of a stream has got, as the receipts tell from whatever thread.
pub(crate) struct Taking {
    pub(crate) number: u64,
    taken: AtomicU64,
    over: Mutex<Option<Over>>,
    /// Whether it is among the news.
    is_noted: AtomicBool,
    news: Arc<News>,
}

/// What a sender is told at last.
#[derive(Clone)]
enum Over {
    Whole,
    Closed,
    Failed(Error),
}

impl Taking {
    fn new(number: u64, news: &Arc<News>) -> Arc<Self> {
        Arc::new(Self {
            number,
            taken: AtomicU64::new(0),
            over: Mutex::default(),
            is_noted: AtomicBool::new(false),
            news: news.clone(),
        })
    }

    fn over(&self) -> MutexGuard<'_, Option<Over>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A batch was taken. After the end nobody waits for that.
    fn take(self: &Arc<Self>) {
        self.taken.fetch_add(1, Ordering::AcqRel);
        if self.over().is_none() {
            self.note();
        }
    }

    /// The first end counts.
    fn end(self: &Arc<Self>, over: Over) {
        let is_first = {
            let mut known = self.over();
            let is_first = known.is_none();
            known.get_or_insert(over);
            is_first
        };
        if is_first {
            self.note();
        }
    }

    fn note(self: &Arc<Self>) {
        if !self.is_noted.swap(true, Ordering::AcqRel) {
            self.news.add(self.clone());
        }
    }

    /// Whether nothing more is to be told.
    pub(crate) fn write(&self, mut to: progress::Builder<'_>) -> bool {
        // Before anything is read, so that what changes from now on is told again.
        self.is_noted.store(false, Ordering::Release);
        to.set_number(self.number);
        let over = self.over().clone();
        to.set_taken(self.taken.load(Ordering::Acquire));
        match &over {
            None => to.set_open(()),
            Some(Over::Whole) => to.set_whole(()),
            Some(Over::Closed) => to.set_closed(()),
            Some(Over::Failed(error)) => message::write_failure(error, to.init_failed()),
        }
        over.is_some()
    }
}

/// What a receipt tells; one that is dropped tells that the part will never be taken.
struct Note {
    taking: Option<Arc<Taking>>,
    is_last: bool,
}

impl Note {
    fn tell(&mut self, outcome: Result<Taken>) {
        let Some(taking) = self.taking.take() else { return };
        match outcome {
            Ok(Taken::MoreWanted) if self.is_last => taking.end(Over::Whole),
            Ok(Taken::MoreWanted) => taking.take(),
            Ok(Taken::Closed) => taking.end(Over::Closed),
            Err(error) => taking.end(Over::Failed(error)),
        }
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let gone = Error::new(ErrorCode::Connection, "the receiver of a stream has given it up");
        self.tell(Err(gone));
    }
}

/// Streams of one connection whose senders have something to hear.
#[derive(Default)]
pub(crate) struct News {
    state: Mutex<State>,
    something: Notify,
}

#[derive(Default)]
struct State {
    changed: Vec<Arc<Taking>>,
    /// What changes now is told by the answer to a message that is being read.
    is_answering: bool,
    is_over: bool,
}

impl State {
    /// What fits into a message.
    fn some(&mut self) -> Vec<Arc<Taking>> {
        let rest = self.changed.split_off(self.changed.len().min(TOLD_MAX));
        std::mem::replace(&mut self.changed, rest)
    }
}

impl News {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, taking: Arc<Taking>) {
        let mut state = self.state();
        if state.is_over {
            return;
        }
        state.changed.push(taking);
        let is_to_wake = state.changed.len() == 1 && !state.is_answering;
        drop(state);
        if is_to_wake {
            self.something.notify_one();
        }
    }

    /// A stream that is not taken at all.
    pub(crate) fn refuse(self: &Arc<Self>, number: u64, error: Error) {
        Taking::new(number, self).end(Over::Failed(error));
    }

    /// Reads a message; gives what has changed by then.
    pub(crate) fn during(&self, read: impl FnOnce() -> capnp::Result<()>) -> capnp::Result<Vec<Arc<Taking>>> {
        self.state().is_answering = true;
        let outcome = read();
        let mut state = self.state();
        state.is_answering = false;
        let told = outcome.map(|()| state.some());
        if !state.changed.is_empty() {
            self.something.notify_one();
        }
        told
    }

    /// What has changed, once something has.
    pub(crate) async fn come(&self) -> Vec<Arc<Taking>> {
        loop {
            let changed = self.state().some();
            if !changed.is_empty() {
                return changed;
            }
            self.something.notified().await;
        }
    }

    /// Nobody is told any more.
    pub(crate) fn end(&self) {
        let mut state = self.state();
        state.is_over = true;
        let changed = std::mem::take(&mut state.changed);
        drop(state);
        drop(changed);
    }
}

/// `bytes`: without compression; 0: it has none.
pub(crate) fn read_batch(buffer: Buffer, head: &[u8], rows: u64, bytes: u64) -> StreamPart {
    let body = if bytes > 0 { Body::Compressed { buffer, bytes } } else { Body::Whole(buffer) };
    StreamPart::Batch(Frame { rows, head: Bytes::copy_from_slice(head), body })
}

pub(crate) fn read_small(from: small::Reader<'_>) -> capnp::Result<StreamPart> {
    Ok(match from.which()? {
        small::End(()) => StreamPart::End,
        small::Failed(failure) => StreamPart::Failed(message::read_failure(failure?)?),
        small::Batch(batch) => {
            // It shares its message with others: a copy of its own lets that go.
            let buffer = Buffer::from_slice_ref(batch.get_payload()?);
            read_batch(buffer, batch.get_head()?, batch.get_rows(), batch.get_bytes())
        }
    })
}

/// Large payloads lie right in their message; small ones were copied anyhow.
pub(crate) fn aligned(payload: Bytes) -> Buffer {
    if (payload.as_ptr() as usize).is_multiple_of(PAYLOAD_ALIGNMENT_BYTES) {
        Buffer::from(payload)
    } else {
        Buffer::from_slice_ref(&payload[..])
    }
}
