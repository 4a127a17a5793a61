//! Whose turn it is to send.
//!
//! Batches that have not arrived are held to a cap per connection, so that control calls never wait behind more than that.
//! Streams with parts that wait have turns. A part that has arrived frees the cap, whether or not its receiver takes it: a
//! receiver that takes nothing stops its own stream only, by the credits that its producer runs out of.

use std::rc::Rc;
use std::sync::Arc;

use nyala_exchange::frame::Body;
use nyala_exchange::{Frame, Receipt, StreamPart};
use nyala_schema::Error;

use crate::generated::peer_capnp::sink;
use crate::link::check_size;
use crate::message;
use crate::outgoing::Core;
use crate::session::Session;
use crate::streams::{Sending, key};
use crate::wire::Attachment;

/// Parts that may be under way whatever their size: while one is taken in there, the next one is sent.
const PUSHES_MIN: u64 = 2;

/// Bytes that count against the cap.
fn bulk_bytes(part: &StreamPart) -> u64 {
    match part {
        StreamPart::Batch(frame) => frame.body.wire_bytes() + frame.head.len() as u64,
        StreamPart::End | StreamPart::Failed(_) => 0,
    }
}

impl Session {
    /// A stream has parts that wait, or has lost its producer.
    pub(crate) fn woken(self: &Rc<Self>, core: &Arc<Core>) {
        let sending = {
            let mut all = self.streams.all.borrow_mut();
            let counters = &self.link.counters;
            all.entry(key(core))
                .or_insert_with(|| {
                    counters.stream_opened();
                    Sending::new(core.clone())
                })
                .clone()
        };
        let waiting = core.take();
        let over = sending.over.borrow().clone();
        match over {
            Some(outcome) => {
                for (_, receipt) in waiting {
                    receipt(outcome.clone());
                }
            }
            None => sending.waiting.borrow_mut().extend(waiting),
        }
        self.queue_turn(&sending);
        self.send_parts();
        self.drop_if_done(&sending);
    }

    fn queue_turn(self: &Rc<Self>, sending: &Rc<Sending>) {
        if sending.waiting.borrow().is_empty() {
            return;
        }
        if sending.sink.borrow().is_some() {
            if !sending.has_turn.replace(true) {
                self.streams.turns.borrow_mut().push_back(sending.clone());
            }
        } else if !sending.is_opening.replace(true) {
            let (session, sending) = (self.clone(), sending.clone());
            self.spawn(async move { session.open(&sending).await });
        }
    }

    async fn open(self: &Rc<Self>, sending: &Rc<Sending>) {
        let mut request = self.remote.open_request();
        message::write_stream(&sending.core.stream, request.get().init_stream());
        let outcome = match request.send().promise.await {
            Ok(response) => response.get().and_then(|results| results.get_sink()),
            Err(error) => Err(error),
        };
        sending.is_opening.set(false);
        match outcome {
            Ok(sink) => *sending.sink.borrow_mut() = Some(sink),
            Err(error) => sending.finish(Err(self.refused(&error))),
        }
        self.queue_turn(sending);
        self.send_parts();
        self.drop_if_done(sending);
    }

    /// Sends from streams in turn for as long as the cap allows.
    fn send_parts(self: &Rc<Self>) {
        let streams = &self.streams;
        while streams.under_way.get() < self.limits.bulk_bytes || streams.pushes.get() < PUSHES_MIN {
            let Some(sending) = streams.turns.borrow_mut().pop_front() else { return };
            sending.has_turn.set(false);
            let part = sending.waiting.borrow_mut().pop_front();
            if let Some((part, receipt)) = part {
                self.send_part(&sending, part, receipt);
            }
            self.queue_turn(&sending);
        }
    }

    fn send_part(self: &Rc<Self>, sending: &Rc<Sending>, part: StreamPart, receipt: Receipt) {
        let bytes = bulk_bytes(&part);
        let sent = sending.sink.borrow().as_ref().map(|sink| match part {
            StreamPart::Batch(frame) => self.push(sink, sending.sent.get(), frame),
            StreamPart::End => {
                let mut request = sink.end_request();
                request.get().set_index(sending.sent.get());
                let answer = request.send().promise;
                Ok(Answer::End(answer))
            }
            StreamPart::Failed(error) => {
                let mut request = sink.fail_request();
                request.get().set_index(sending.sent.get());
                message::write_failure(&error, request.get().init_failure());
                Ok(Answer::Fail(request.send().promise))
            }
        });
        match sent {
            Some(Ok(answer)) => {
                sending.sent.set(sending.sent.get() + 1);
                sending.receipts.borrow_mut().push_back(receipt);
                self.streams.pushes.set(self.streams.pushes.get() + 1);
                self.count_under_way(self.streams.under_way.get() + bytes);
                let (session, sending) = (self.clone(), sending.clone());
                self.spawn(async move {
                    let outcome = answer.progress(&sending).await;
                    sending.arrived.set(sending.arrived.get() + 1);
                    session.streams.pushes.set(session.streams.pushes.get() - 1);
                    session.count_under_way(session.streams.under_way.get().saturating_sub(bytes));
                    session.after(&sending, outcome);
                });
            }
            // What cannot be sent ends its stream: a part is missing.
            Some(Err(error)) => {
                receipt(Err(error.clone()));
                sending.finish(Err(error));
            }
            None => receipt(Err(self.link.reason())),
        }
    }

    fn count_under_way(&self, bytes: u64) {
        self.streams.under_way.set(bytes);
        self.link.counters.unconfirmed(bytes);
    }

    fn push(&self, sink: &sink::Client, index: u64, frame: Frame) -> Result<Answer, Error> {
        let Frame { rows, head, body } = frame;
        check_size(head.len().saturating_add(body.wire_bytes() as usize), "a batch")?;
        let mut request = sink.push_request();
        let mut params = request.get();
        params.set_index(index);
        params.set_rows(rows);
        params.set_head(&head);
        if let Body::Compressed { bytes, .. } = body {
            params.set_is_compressed(true);
            params.set_bytes(bytes);
        }
        let Some(attachment) = Attachment::of(body) else {
            return Err(Error::internal("the buffers of a batch are longer than its body"));
        };
        self.wire.attach(attachment);
        let answer = request.send().promise;
        if self.wire.has_sent() {
            Ok(Answer::Push(answer))
        } else {
            // The request was not made for this connection: it is ending.
            Err(self.link.reason())
        }
    }

    /// A part has arrived, or something was taken.
    fn after(self: &Rc<Self>, sending: &Rc<Sending>, outcome: capnp::Result<()>) {
        if let Err(error) = outcome {
            sending.finish(Err(self.refused(&error)));
        }
        let is_behind = !sending.receipts.borrow().is_empty() && sending.arrived.get() > sending.taken.get();
        if is_behind && sending.over.borrow().is_none() && !sending.is_asking.replace(true) {
            let (session, sending) = (self.clone(), sending.clone());
            self.spawn(async move { session.ask(&sending).await });
        }
        self.send_parts();
        self.drop_if_done(sending);
    }

    /// Asks to be told when more has been taken.
    async fn ask(self: &Rc<Self>, sending: &Rc<Sending>) {
        let request = sending.sink.borrow().as_ref().map(|sink| {
            let mut request = sink.drained_request();
            request.get().set_known(sending.taken.get());
            request.send().promise
        });
        let outcome = match request {
            Some(promise) => match promise.await {
                Ok(answer) => answer
                    .get()
                    .and_then(|results| results.get_progress())
                    .and_then(|progress| sending.progressed(progress)),
                Err(error) => Err(error),
            },
            None => Ok(()),
        };
        sending.is_asking.set(false);
        self.after(sending, outcome);
    }

    fn refused(&self, error: &capnp::Error) -> Error {
        if self.link.is_open() { self.link.lost(&error.extra) } else { self.link.reason() }
    }

    /// Forgets a stream that has nothing more to do.
    fn drop_if_done(&self, sending: &Rc<Sending>) {
        if sending.is_idle() && !sending.core.has_producer() {
            let removed = self.streams.all.borrow_mut().remove(&key(&sending.core));
            if removed.is_some() {
                self.link.counters.stream_closed();
            }
        }
    }
}

/// The answer to a part, when it comes.
enum Answer {
    Push(capnp::capability::Promise<capnp::capability::Response<sink::push_results::Owned>, capnp::Error>),
    End(capnp::capability::Promise<capnp::capability::Response<sink::end_results::Owned>, capnp::Error>),
    Fail(capnp::capability::Promise<capnp::capability::Response<sink::fail_results::Owned>, capnp::Error>),
}

impl Answer {
    async fn progress(self, sending: &Sending) -> capnp::Result<()> {
        match self {
            Self::Push(answer) => sending.progressed(answer.await?.get()?.get_progress()?),
            Self::End(answer) => sending.progressed(answer.await?.get()?.get_progress()?),
            Self::Fail(answer) => sending.progressed(answer.await?.get()?.get_progress()?),
        }
    }
}
