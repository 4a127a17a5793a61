//! What is sent when.
//!
//! Batches that have not arrived are held to a window per connection, so that control calls never wait behind more than that. A
//! part that has arrived frees its place, whether or not its receiver takes it: a receiver that takes nothing stops its own
//! stream only, by the credits that its producer runs out of. Small parts, which most streams of a query on many nodes have
//! nothing but, travel together: while some are under way, the others gather.

use std::rc::Rc;

use nyala_exchange::frame::Body;
use nyala_exchange::{Frame, StreamPart};
use nyala_schema::Error;
use tokio::time::Instant;

use crate::generated::peer_capnp::{peer, small};
use crate::link::check_size;
use crate::message;
use crate::session::Session;
use crate::streams::{Departing, Sending, bulk_bytes};
use crate::wire::Attachment;

/// Batches that may be under way whatever their size: while one is taken in there, the next one is sent.
const PUSHES_MIN: u64 = 2;
/// Messages of small parts that may be under way.
const TOGETHER_MAX: u64 = 2;

type Pushed =
    capnp::capability::Promise<capnp::capability::Response<peer::push_results::Owned>, capnp::Error>;

impl Session {
    /// Sends from streams in turn for as long as the limits allow.
    pub(crate) fn send_parts(self: &Rc<Self>) {
        while self.send_some_small() || self.send_a_large() {}
    }

    /// Whether there were any, and room for them.
    fn send_some_small(self: &Rc<Self>) -> bool {
        if self.streams.together.get() >= TOGETHER_MAX {
            return false;
        }
        let (parts, bytes) = self.streams.next_small();
        if parts.is_empty() {
            return false;
        }
        self.send_together(parts, bytes);
        true
    }

    /// Whether there was one, and room for it.
    fn send_a_large(self: &Rc<Self>) -> bool {
        let streams = &self.streams;
        let has_room = !self.is_full() || streams.pushes.get() < PUSHES_MIN;
        let Some(departing) = has_room.then(|| streams.next_large()).flatten() else { return false };
        self.send_alone(departing);
        true
    }

    fn is_full(&self) -> bool {
        self.streams.under_way() >= self.window.bytes()
    }

    fn send_together(self: &Rc<Self>, parts: Vec<Departing>, bytes: u64) {
        let mut request = self.remote.parts_request();
        let mut list = request.get().init_parts(parts.len() as u32);
        for (at, departing) in (0..).zip(&parts) {
            write_small(departing, list.reborrow().get(at));
        }
        let answer = request.send().promise;
        self.streams.together.set(self.streams.together.get() + 1);
        self.streams.left(bytes);
        let session = self.clone();
        self.spawn(async move {
            let outcome = match answer.await {
                Ok(answer) => answer.get().and_then(|it| session.streams.progressed(it.get_progress()?)),
                Err(error) => Err(error),
            };
            session.streams.together.set(session.streams.together.get() - 1);
            session.streams.arrived(bytes);
            if let Err(error) = outcome {
                let refused = session.refused(&error);
                parts.iter().for_each(|part| session.streams.finish(&part.sending, Err(refused.clone())));
            }
            session.send_parts();
        });
    }

    fn send_alone(self: &Rc<Self>, departing: Departing) {
        let (bytes, left) = (bulk_bytes(&departing.part), Instant::now());
        let Departing { sending, index, part } = departing;
        let StreamPart::Batch(frame) = part else { return };
        let answer = match self.push(&sending, index, frame) {
            Ok(answer) => answer,
            // A part is missing: that is the end of its stream.
            Err(error) => {
                let part = StreamPart::Failed(error.clone());
                self.send_together(vec![Departing { sending: sending.clone(), index, part }], 0);
                return self.streams.finish(&sending, Err(error));
            }
        };
        self.streams.pushes.set(self.streams.pushes.get() + 1);
        self.streams.left(bytes);
        let session = self.clone();
        self.spawn(async move {
            let outcome = match answer.await {
                Ok(answer) => answer.get().and_then(|it| session.streams.progressed(it.get_progress()?)),
                Err(error) => Err(error),
            };
            session.streams.pushes.set(session.streams.pushes.get() - 1);
            session.window.arrived(bytes, left, Instant::now(), session.is_full());
            session.streams.arrived(bytes);
            if let Err(error) = outcome {
                session.streams.finish(&sending, Err(session.refused(&error)));
            }
            session.send_parts();
        });
    }

    fn push(&self, sending: &Sending, index: u64, frame: Frame) -> Result<Pushed, Error> {
        let Frame { rows, head, body } = frame;
        check_size(head.len().saturating_add(body.wire_bytes() as usize), "a batch")?;
        let mut request = self.remote.push_request();
        let mut params = request.get();
        params.set_rows(rows);
        params.set_head(&head);
        params.set_bytes(uncompressed_bytes(&body));
        message::write_place(&sending.core, index, params.init_place());
        let Some(attachment) = Attachment::of(body) else {
            return Err(Error::internal("the buffers of a batch are longer than its body"));
        };
        self.wire.attach(attachment);
        let answer = request.send().promise;
        // If not, the request was not made for this connection: it is ending.
        if self.wire.has_sent() { Ok(answer) } else { Err(self.link.reason()) }
    }

    fn refused(&self, error: &capnp::Error) -> Error {
        if self.link.is_open() { self.link.lost(&error.extra) } else { self.link.reason() }
    }
}

fn write_small(departing: &Departing, mut to: small::Builder<'_>) {
    message::write_place(&departing.sending.core, departing.index, to.reborrow().init_place());
    match &departing.part {
        StreamPart::End => to.set_end(()),
        StreamPart::Failed(error) => message::write_failure(error, to.init_failed()),
        StreamPart::Batch(frame) => {
            let mut batch = to.init_batch();
            batch.set_payload(&frame.body.to_buffer());
            batch.set_head(&frame.head);
            batch.set_rows(frame.rows);
            batch.set_bytes(uncompressed_bytes(&frame.body));
        }
    }
}

/// 0 when it is not compressed.
fn uncompressed_bytes(body: &Body) -> u64 {
    match body {
        Body::Compressed { bytes, .. } => *bytes,
        Body::Whole(_) | Body::Parts { .. } => 0,
    }
}
