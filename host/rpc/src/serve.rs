//! What the other side of a connection may ask of this one.

use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use nyala_exchange::{Caller, Handler, Service};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::Notify;

use crate::config::Limits;
use crate::generated::peer_capnp::peer;
use crate::link::{Link, check_size};
use crate::links::Links;
use crate::message;
use crate::sink::Sink;
use crate::wire::Wire;

/// One connection as it serves.
pub(crate) struct Serving {
    pub(crate) handler: Arc<dyn Handler>,
    pub(crate) wire: Rc<Wire>,
    limits: Limits,
    links: Arc<Links>,
    runtime: tokio::runtime::Handle,
    /// Set when the other side is known: nothing is served before.
    link: OnceCell<Arc<Link>>,
    known: Notify,
    calls: Cell<usize>,
    streams: Cell<usize>,
}

impl Serving {
    pub(crate) fn new(
        handler: Arc<dyn Handler>,
        wire: Rc<Wire>,
        limits: Limits,
        links: Arc<Links>,
        runtime: tokio::runtime::Handle,
    ) -> Rc<Self> {
        Rc::new(Self {
            handler,
            wire,
            limits,
            links,
            runtime,
            link: OnceCell::new(),
            known: Notify::new(),
            calls: Cell::new(0),
            streams: Cell::new(0),
        })
    }

    /// The other side is known: serves it.
    pub(crate) fn accept(&self, link: Arc<Link>) {
        let _ = self.link.set(link);
        self.known.notify_waiters();
    }

    pub(crate) fn is_open(&self) -> bool {
        self.link.get().is_some_and(|link| link.is_open())
    }

    /// The link, once the other side is known. That it asks something shows that it uses the connection.
    async fn used(&self) -> Arc<Link> {
        let link = loop {
            let known = self.known.notified();
            if let Some(link) = self.link.get() {
                break link.clone();
            }
            known.await;
        };
        if !link.end.is_dialled {
            self.links.confirm(&link);
        }
        link
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.set(self.streams.get() + 1);
        self.wire.counters.stream_opened();
    }

    pub(crate) fn stream_closed(&self) {
        self.streams.set(self.streams.get() - 1);
        self.wire.counters.stream_closed();
    }

    async fn answer(self: &Rc<Self>, caller: Caller, service: Service, request: Bytes) -> Result<Bytes> {
        if self.calls.get() >= self.limits.calls_max {
            let text = format!("{} calls of one connection are running already", self.limits.calls_max);
            return Err(Error::new(ErrorCode::Connection, text).with_hint("try again later"));
        }
        let _running = Running::new(&self.calls);
        let handler = self.handler.clone();
        let task = self.runtime.spawn(async move { handler.call(&caller, service, request).await });
        // A call that is cancelled there is cancelled here.
        let mut task = Aborting(task);
        let response = match (&mut task.0).await {
            Ok(outcome) => outcome?,
            Err(failure) if failure.is_panic() => {
                return Err(Error::internal(format!("service {} panicked", service.0)));
            }
            Err(_) => return Err(Error::new(ErrorCode::Connection, "the node is stopping")),
        };
        check_size(response.len(), "an answer")?;
        Ok(response)
    }
}

/// Counts a call while it runs.
struct Running<'a>(&'a Cell<usize>);

impl<'a> Running<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}

struct Aborting<T>(tokio::task::JoinHandle<T>);

impl<T> Drop for Aborting<T> {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// What the other side holds.
pub(crate) struct Desk(pub(crate) Rc<Serving>);

impl peer::Server for Desk {
    async fn call(
        self: Rc<Self>,
        params: peer::CallParams,
        mut results: peer::CallResults,
    ) -> capnp::Result<()> {
        let link = self.0.used().await;
        link.counters.called();
        let (service, request) = {
            let params = params.get()?;
            (Service(params.get_service()), self.0.wire.bytes_of(params.get_request()?))
        };
        drop(params);
        let outcome = self.0.answer(link.end.caller.clone(), service, request).await;
        let mut answer = results.get().init_answer();
        match outcome {
            Ok(response) => answer.set_response(&response),
            Err(error) => message::write_failure(&error, answer.init_failure()),
        }
        Ok(())
    }

    async fn open(
        self: Rc<Self>,
        params: peer::OpenParams,
        mut results: peer::OpenResults,
    ) -> capnp::Result<()> {
        let link = self.0.used().await;
        let Some(from) = link.end.node() else {
            return Err(capnp::Error::failed("streams are for nodes".into()));
        };
        if self.0.streams.get() >= self.0.limits.streams_max {
            let text = format!("{} streams of one connection are open already", self.0.limits.streams_max);
            return Err(capnp::Error::failed(text));
        }
        let stream = message::read_stream(params.get()?.get_stream()?);
        let sink = Sink::new(self.0.clone(), from, stream);
        results.get().set_sink(capnp_rpc::new_client(sink));
        Ok(())
    }

    async fn heartbeat(
        self: Rc<Self>,
        _: peer::HeartbeatParams,
        _: peer::HeartbeatResults,
    ) -> capnp::Result<()> {
        self.0.used().await;
        Ok(())
    }
}
