//! What capnp-rpc wants of a network, for one connection.

use std::rc::Rc;

use capnp::capability::Promise;
use capnp::message::{Builder, HeapAllocator};

use super::{Wire, receive};

/// Words that the first segment of a message gets; most need no second one.
const FIRST_WORDS_MAX: u32 = 128;

/// One connection as a network of two, neither of which needs a name.
pub(crate) struct Network(Option<Rc<Wire>>, Rc<Wire>);

impl Network {
    pub(crate) fn new(wire: Rc<Wire>) -> Self {
        Self(Some(wire.clone()), wire)
    }
}

impl capnp_rpc::VatNetwork<()> for Network {
    fn connect(&mut self, (): ()) -> Option<Box<dyn capnp_rpc::Connection<()>>> {
        Some(Box::new(Connection(self.1.clone())))
    }

    fn accept(&mut self) -> Promise<Box<dyn capnp_rpc::Connection<()>>, capnp::Error> {
        match self.0.take() {
            Some(wire) => Promise::ok(Box::new(Connection(wire))),
            None => Promise::from_future(std::future::pending()),
        }
    }

    /// The end of a connection is seen by its session, which drops all this.
    fn drive_until_shutdown(&mut self) -> Promise<(), capnp::Error> {
        Promise::from_future(std::future::pending())
    }
}

struct Connection(Rc<Wire>);

impl capnp_rpc::Connection<()> for Connection {
    fn get_peer_vat_id(&self) {}

    fn new_outgoing_message(&mut self, first_words: u32) -> Box<dyn capnp_rpc::OutgoingMessage> {
        let words = first_words.min(FIRST_WORDS_MAX);
        let message = Builder::new(HeapAllocator::new().first_segment_words(words));
        Box::new(Outgoing { message, wire: self.0.clone() })
    }

    fn receive_incoming_message(
        &mut self,
    ) -> Promise<Option<Box<dyn capnp_rpc::IncomingMessage>>, capnp::Error> {
        let wire = self.0.clone();
        Promise::from_future(async move {
            let Some(mut reader) = wire.reader.borrow_mut().take() else {
                return Err(capnp::Error::failed("two readers of one connection".into()));
            };
            let outcome = receive::message(&wire, &mut reader).await;
            *wire.reader.borrow_mut() = Some(reader);
            match outcome {
                Ok(Some(message)) => Ok(Some(Box::new(message) as Box<dyn capnp_rpc::IncomingMessage>)),
                Ok(None) => {
                    wire.end("the other side closed it");
                    Ok(None)
                }
                Err(error) => {
                    wire.end(format!("reading failed: {error}"));
                    Err(capnp::Error::disconnected(error.to_string()))
                }
            }
        })
    }

    fn shutdown(&mut self, result: capnp::Result<()>) -> Promise<(), capnp::Error> {
        self.0.end(result.err().map_or_else(|| "it was closed".into(), |error| error.to_string()));
        Promise::ok(())
    }
}

struct Outgoing {
    message: Builder<HeapAllocator>,
    wire: Rc<Wire>,
}

impl capnp_rpc::OutgoingMessage for Outgoing {
    fn get_body(&mut self) -> capnp::Result<capnp::any_pointer::Builder<'_>> {
        self.message.get_root()
    }

    fn get_body_as_reader(&self) -> capnp::Result<capnp::any_pointer::Reader<'_>> {
        self.message.get_root_as_reader()
    }

    fn send(self: Box<Self>) -> (Promise<(), capnp::Error>, Rc<Builder<HeapAllocator>>) {
        let Self { message, wire } = *self;
        let message = Rc::new(message);
        wire.send(&message);
        (Promise::ok(()), message)
    }

    fn take(self: Box<Self>) -> Builder<HeapAllocator> {
        self.message
    }

    fn size_in_words(&self) -> usize {
        let attached = self.wire.attachment.borrow().as_ref().map_or(0, super::Attachment::words);
        self.message.size_in_words() + attached
    }
}
