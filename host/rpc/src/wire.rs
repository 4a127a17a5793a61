//! Cap'n Proto messages on a socket. Ordinary bytes; but the buffers of a batch are written from where they are, and a message
//! is read into one block in which its last segment's payload is aligned for Arrow.
//!
//! [`Network`] is what capnp-rpc wants; [`receive`] reads messages, [`send`] queues and writes them.

mod network;
mod receive;
mod send;

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncWrite, BufReader};
use tokio::sync::Notify;
use tokio::time::Instant;

pub(crate) use network::Network;
pub(crate) use send::Attachment;

use crate::config::MESSAGE_BYTES_MAX;
use crate::link::Counters;

/// Bytes that a side may send in all before both know each other.
const STRANGER_BYTES_MAX: usize = 64 << 10;
/// Of a message beside what a batch or a request takes.
pub(crate) const ENVELOPE_BYTES_MAX: usize = 64 << 10;
/// Of the buffer that small messages are read through.
const READ_BUFFER_BYTES: usize = 16 << 10;

pub(crate) type ReadHalf = Box<dyn AsyncRead + Unpin>;
pub(crate) type WriteHalf = Box<dyn AsyncWrite + Unpin>;

/// Both directions of one connection.
pub(crate) struct Wire {
    queue: RefCell<send::Queue>,
    queued: Notify,
    /// Set right before the call that it belongs to is sent, which takes it.
    attachment: RefCell<Option<Attachment>>,
    reader: RefCell<Option<BufReader<ReadHalf>>>,
    blocks: Rc<receive::Blocks>,
    /// What a stranger may still send; `None` once it is known.
    allowance: Cell<Option<usize>>,
    is_finishing: Cell<bool>,
    end: OnceCell<String>,
    ended: Notify,
    /// When the last message began to come in.
    heard_at: Cell<Instant>,
    pub(crate) counters: Arc<Counters>,
}

impl Wire {
    pub(crate) fn new(reader: ReadHalf, counters: Arc<Counters>) -> Rc<Self> {
        Rc::new(Self {
            queue: RefCell::default(),
            queued: Notify::new(),
            attachment: RefCell::new(None),
            reader: RefCell::new(Some(BufReader::with_capacity(READ_BUFFER_BYTES, reader))),
            blocks: Rc::default(),
            allowance: Cell::new(Some(STRANGER_BYTES_MAX)),
            is_finishing: Cell::new(false),
            end: OnceCell::new(),
            ended: Notify::new(),
            heard_at: Cell::new(Instant::now()),
            counters,
        })
    }

    /// The other side has said who it is: whole messages are taken from now on.
    pub(crate) fn trust(&self) {
        self.allowance.set(None);
    }

    /// The most that the next message may have.
    fn limit(&self) -> usize {
        self.allowance.get().unwrap_or(MESSAGE_BYTES_MAX + ENVELOPE_BYTES_MAX)
    }

    fn spend(&self, bytes: usize) {
        if let Some(left) = self.allowance.get() {
            self.allowance.set(Some(left.saturating_sub(bytes)));
        }
    }

    pub(crate) fn heard_at(&self) -> Instant {
        self.heard_at.get()
    }

    /// Notes why the connection is over; the first reason counts.
    pub(crate) fn end(&self, reason: impl Into<String>) {
        let _ = self.end.set(reason.into());
        self.ended.notify_one();
    }

    /// Waits for the end of the connection, and says why. One may wait.
    pub(crate) async fn ended(&self) -> String {
        loop {
            if let Some(reason) = self.end.get() {
                return reason.clone();
            }
            self.ended.notified().await;
        }
    }

    /// Gives the next call that is sent its payload.
    pub(crate) fn attach(&self, attachment: Attachment) {
        *self.attachment.borrow_mut() = Some(attachment);
    }

    /// Whether the payload was taken by a call; if not, it is dropped.
    pub(crate) fn has_sent(&self) -> bool {
        self.attachment.borrow_mut().take().is_none()
    }

    /// A slice of a message that has arrived and is still held, as it lies in its block, or copied when it is small.
    pub(crate) fn bytes_of(&self, slice: &[u8]) -> Bytes {
        self.blocks.bytes_of(slice)
    }

    /// Has the writer end when it has written what is queued.
    pub(crate) fn finish(&self) {
        self.is_finishing.set(true);
        self.queued.notify_one();
    }
}
