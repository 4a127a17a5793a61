//! The receiving end of a stream on the wire: hands parts to the handler, and tells the sender how many were taken.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::buffer::Buffer;
use nyala_exchange::frame::Body;
use nyala_exchange::{Frame, Receipt, StreamPart, Taken};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::{Error, ErrorCode};
use tokio::sync::Notify;

use crate::generated::peer_capnp::{progress, sink};
use crate::message;
use crate::serve::Serving;

/// How far a receiver has got, as the receipts tell from whatever thread.
#[derive(Default)]
struct Taking {
    taken: AtomicU64,
    /// Set when the receiver has enough, or fails.
    over: Mutex<Option<Result<(), Error>>>,
    changed: Notify,
}

impl Taking {
    fn over(&self) -> Option<Result<(), Error>> {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn end(&self, outcome: Result<(), Error>) {
        self.over.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(outcome);
    }

    fn receipt(self: &Arc<Self>) -> Receipt {
        let mut note = Note(Some(self.clone()));
        Box::new(move |outcome| note.tell(outcome))
    }

    fn write(&self, mut to: progress::Builder<'_>) {
        to.set_taken(self.taken.load(Ordering::Acquire));
        match self.over() {
            None => to.set_open(()),
            Some(Ok(())) => to.set_closed(()),
            Some(Err(error)) => message::write_failure(&error, to.init_failed()),
        }
    }

    /// Waits until there is more to tell than that `known` parts were taken.
    async fn beyond(&self, known: u64) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if self.taken.load(Ordering::Acquire) > known || self.over().is_some() {
                return;
            }
            changed.await;
        }
    }
}

/// What a receipt tells; one that is dropped tells that the part will never be taken.
struct Note(Option<Arc<Taking>>);

impl Note {
    fn tell(&mut self, outcome: Result<Taken, Error>) {
        let Some(taking) = self.0.take() else { return };
        match outcome {
            Ok(Taken::MoreWanted) => {
                taking.taken.fetch_add(1, Ordering::AcqRel);
            }
            Ok(Taken::Closed) => taking.end(Ok(())),
            Err(error) => taking.end(Err(error)),
        }
        taking.changed.notify_waiters();
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        let gone = Error::new(ErrorCode::Connection, "the receiver of a stream has given it up");
        self.tell(Err(gone));
    }
}

/// A stream that comes in.
pub(crate) struct Sink {
    serving: Rc<Serving>,
    from: NodeId,
    stream: StreamId,
    taking: Arc<Taking>,
    /// Parts that have come.
    come: Cell<u64>,
    has_ended: Cell<bool>,
}

impl Sink {
    pub(crate) fn new(serving: Rc<Serving>, from: NodeId, stream: StreamId) -> Self {
        serving.stream_opened();
        Self {
            serving,
            from,
            stream,
            taking: Arc::default(),
            come: Cell::new(0),
            has_ended: Cell::new(false),
        }
    }

    fn receive(&self, index: u64, part: StreamPart) -> capnp::Result<()> {
        if index != self.come.get() || self.has_ended.get() {
            return Err(capnp::Error::failed(format!(
                "part {index} of stream {} came where part {} was due",
                self.stream,
                self.come.get()
            )));
        }
        self.come.set(index + 1);
        self.has_ended.set(!matches!(part, StreamPart::Batch(_)));
        self.serving.handler.receive(self.from, self.stream, part, self.taking.receipt());
        Ok(())
    }
}

impl sink::Server for Sink {
    async fn push(
        self: Rc<Self>,
        params: sink::PushParams,
        mut results: sink::PushResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let payload = self.serving.wire.bytes_of(params.get_payload()?);
        let buffer = aligned(payload);
        let body = if params.get_is_compressed() {
            Body::Compressed { buffer, bytes: params.get_bytes() }
        } else {
            Body::Whole(buffer)
        };
        let head = bytes::Bytes::copy_from_slice(params.get_head()?);
        let frame = Frame { rows: params.get_rows(), head, body };
        self.receive(params.get_index(), StreamPart::Batch(frame))?;
        self.taking.write(results.get().init_progress());
        Ok(())
    }

    async fn drained(
        self: Rc<Self>,
        params: sink::DrainedParams,
        mut results: sink::DrainedResults,
    ) -> capnp::Result<()> {
        let known = params.get()?.get_known();
        // The parameters are given back before it waits.
        drop(params);
        self.taking.beyond(known).await;
        self.taking.write(results.get().init_progress());
        Ok(())
    }

    async fn end(
        self: Rc<Self>,
        params: sink::EndParams,
        mut results: sink::EndResults,
    ) -> capnp::Result<()> {
        self.receive(params.get()?.get_index(), StreamPart::End)?;
        self.taking.write(results.get().init_progress());
        Ok(())
    }

    async fn fail(
        self: Rc<Self>,
        params: sink::FailParams,
        mut results: sink::FailResults,
    ) -> capnp::Result<()> {
        let params = params.get()?;
        let error = message::read_failure(params.get_failure()?)?;
        self.receive(params.get_index(), StreamPart::Failed(error))?;
        self.taking.write(results.get().init_progress());
        Ok(())
    }
}

impl Drop for Sink {
    /// A sender that goes without an end leaves its receiver waiting; the loss of the connection is told otherwise.
    fn drop(&mut self) {
        self.serving.stream_closed();
        let is_wanted = !self.has_ended.get() && self.taking.over().is_none() && self.serving.is_open();
        if is_wanted && self.come.get() > 0 {
            let error = Error::new(
                ErrorCode::Connection,
                format!("node {} has given up stream {} before its end", self.from, self.stream),
            );
            let part = StreamPart::Failed(error);
            self.serving.handler.receive(self.from, self.stream, part, self.taking.receipt());
        }
    }
}

/// Large payloads lie right in their message; small ones were copied anyhow.
fn aligned(payload: bytes::Bytes) -> Buffer {
    if (payload.as_ptr() as usize).is_multiple_of(PAYLOAD_ALIGNMENT_BYTES) {
        Buffer::from(payload)
    } else {
        Buffer::from_slice_ref(&payload[..])
    }
}

/// Of the buffers of a batch.
const PAYLOAD_ALIGNMENT_BYTES: usize = 64;
