//! What the other side of a connection may ask of this one.

use std::cell::{Cell, OnceCell, RefCell};
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;
use capnp::struct_list;
use nyala_exchange::{Caller, Handler, Service, StreamPart};
use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::Notify;

use crate::arriving::{Arriving, News, Taking, aligned, read_batch, read_small};
use crate::config::Limits;
use crate::generated::peer_capnp::{peer, place, progress, small};
use crate::link::{Link, check_size};
use crate::links::Links;
use crate::message;
use crate::streams::Streams;
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
    /// Streams that come in, by their numbers.
    arriving: RefCell<HashMap<u64, Arriving>>,
    pub(crate) news: Arc<News>,
    /// Those that go out.
    pub(crate) streams: Rc<Streams>,
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
            limits,
            links,
            runtime,
            link: OnceCell::new(),
            known: Notify::new(),
            calls: Cell::new(0),
            arriving: RefCell::default(),
            news: Arc::default(),
            streams: Rc::new(Streams::new(wire.counters.clone())),
            wire,
        })
    }

    /// The other side is known: serves it.
    pub(crate) fn accept(&self, link: Arc<Link>) {
        let _ = self.link.set(link);
        self.known.notify_waiters();
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

    /// The other side, which has to be a node.
    async fn node(&self) -> capnp::Result<NodeId> {
        let node = self.used().await.end.node();
        node.ok_or_else(|| capnp::Error::failed("streams are for nodes".into()))
    }

    /// A part has come.
    fn receive(&self, from: NodeId, place: place::Reader<'_>, part: StreamPart) -> capnp::Result<()> {
        let (number, index) = (place.get_number(), place.get_index());
        let is_last = !matches!(part, StreamPart::Batch(_));
        let (stream, receipt) = {
            let mut arriving = self.arriving.borrow_mut();
            if index == 0 && !arriving.contains_key(&number) {
                if arriving.len() >= self.limits.streams_max {
                    let text = format!("{} streams of one connection are open already", arriving.len());
                    self.news.refuse(number, Error::new(ErrorCode::Connection, text));
                    return Ok(());
                }
                let stream = message::read_stream(place.get_stream()?);
                self.wire.counters.stream_opened();
                arriving.insert(number, Arriving::new(number, stream, &self.news));
            }
            // Of a stream that is over, parts may have been under way.
            let Some(known) = arriving.get_mut(&number) else { return Ok(()) };
            (known.stream, known.receipt(index, is_last))
        };
        match receipt {
            Ok(receipt) => self.handler.receive(from, stream, part, receipt),
            Err(error) => self.handler.receive(from, stream, StreamPart::Failed(error), Box::new(drop)),
        }
        Ok(())
    }

    /// Says how far streams have got; those that are over are forgotten.
    pub(crate) fn write_news(&self, news: &[Arc<Taking>], mut to: struct_list::Builder<'_, progress::Owned>) {
        for (at, taking) in (0..).zip(news) {
            let is_over = taking.write(to.reborrow().get(at));
            if is_over && self.arriving.borrow_mut().remove(&taking.number).is_some() {
                self.wire.counters.stream_closed();
            }
        }
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

    async fn push(
        self: Rc<Self>,
        params: peer::PushParams,
        mut results: peer::PushResults,
    ) -> capnp::Result<()> {
        let from = self.0.node().await?;
        let params = params.get()?;
        let payload = self.0.wire.bytes_of(params.get_payload()?);
        let part = read_batch(aligned(payload), params.get_head()?, params.get_rows(), params.get_bytes());
        let place = params.get_place()?;
        let news = self.0.news.during(|| self.0.receive(from, place, part))?;
        self.0.write_news(&news, results.get().init_progress(news.len() as u32));
        Ok(())
    }

    async fn parts(
        self: Rc<Self>,
        params: peer::PartsParams,
        mut results: peer::PartsResults,
    ) -> capnp::Result<()> {
        let from = self.0.node().await?;
        let parts = params.get()?.get_parts()?;
        let receive = |part: small::Reader<'_>| self.0.receive(from, part.get_place()?, read_small(part)?);
        let news = self.0.news.during(|| parts.iter().try_for_each(receive))?;
        self.0.write_news(&news, results.get().init_progress(news.len() as u32));
        Ok(())
    }

    async fn taken(self: Rc<Self>, params: peer::TakenParams, _: peer::TakenResults) -> capnp::Result<()> {
        self.0.used().await;
        self.0.streams.progressed(params.get()?.get_progress()?)
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
