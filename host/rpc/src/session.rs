//! The life of one connection, from the moment at which both sides know each other.

use std::rc::Rc;
use std::sync::Arc;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::time::Instant;

use crate::beats::Beats;
use crate::config::Limits;
use crate::generated::peer_capnp::{answer, peer};
use crate::link::{Call, Link, Work};
use crate::message;
use crate::serve::Serving;
use crate::streams::Streams;
use crate::window::Window;
use crate::wire::Wire;

/// Streams that are looked at before anything is sent.
const WOKEN_MAX: usize = 1024;
/// Messages of how far streams have got that may be under way: what changes meanwhile goes into the next.
const NEWS_MAX: usize = 4;

/// A connection on its thread.
pub(crate) struct Session {
    pub(crate) link: Arc<Link>,
    pub(crate) wire: Rc<Wire>,
    pub(crate) remote: peer::Client,
    pub(crate) limits: Limits,
    pub(crate) window: Window,
    pub(crate) streams: Rc<Streams>,
    serving: Rc<Serving>,
    beats: Beats,
}

impl Session {
    pub(crate) fn new(
        established: (Arc<Link>, peer::Client),
        serving: Rc<Serving>,
        limits: Limits,
        beats: Beats,
    ) -> Rc<Self> {
        let (link, remote) = established;
        let (wire, streams) = (serving.wire.clone(), serving.streams.clone());
        let window = Window::new(limits.bulk_bytes, Instant::now());
        Rc::new(Self { link, wire, remote, limits, window, streams, serving, beats })
    }

    /// Runs a task until it, or the connection, ends.
    pub(crate) fn spawn(self: &Rc<Self>, task: impl Future<Output = ()> + 'static) {
        let link = self.link.clone();
        tokio::task::spawn_local(async move {
            tokio::select! {
                biased;
                () = link.over().cancelled() => {}
                () = task => {}
            }
        });
    }

    /// Serves until the connection ends; then everything that was on it has failed.
    pub(crate) async fn run(self: Rc<Self>, mut work: Work) {
        let session = self.clone();
        self.spawn(async move { session.beat().await });
        let session = self.clone();
        self.spawn(async move { session.tell().await });
        let mut woken = Vec::new();
        loop {
            tokio::select! {
                () = self.link.over().cancelled() => break,
                reason = self.wire.ended() => {
                    self.link.close(self.link.lost(reason));
                    break;
                }
                Some(call) = work.calls.recv() => self.call(call),
                count = work.wakes.recv_many(&mut woken, WOKEN_MAX) => {
                    woken.drain(..count).for_each(|core| self.streams.woken(&core));
                    self.send_parts();
                }
            }
        }
        let reason = self.link.reason();
        self.streams.fail(&reason);
        self.serving.news.end();
        work.calls.close();
        work.wakes.close();
        while let Ok(call) = work.calls.try_recv() {
            let _ = call.reply.send(Err(reason.clone()));
        }
        while let Ok(core) = work.wakes.try_recv() {
            core.fail(&reason);
        }
    }

    fn call(self: &Rc<Self>, call: Call) {
        let Call { service, request, mut reply } = call;
        self.link.counters.called();
        let mut message = self.remote.call_request();
        message.get().set_service(service.0);
        message.get().set_request(&request);
        let answer = message.send().promise;
        let session = self.clone();
        self.spawn(async move {
            // Dropping the promise cancels the call there.
            let outcome = tokio::select! {
                () = reply.closed() => return,
                answer = answer => answer,
            };
            let read = outcome.and_then(|response| match response.get()?.get_answer()?.which()? {
                answer::Response(bytes) => Ok(Ok(session.wire.bytes_of(bytes?))),
                answer::Failure(failure) => Ok(Err(message::read_failure(failure?)?)),
            });
            let _ = reply.send(read.unwrap_or_else(|error| Err(session.link.lost(error.extra))));
        });
    }

    /// Tells the other side how far its streams have got, all that has changed in one message.
    async fn tell(self: &Rc<Self>) {
        let mut unanswered = FuturesUnordered::new();
        loop {
            let news = self.serving.news.come().await;
            let mut request = self.remote.taken_request();
            self.serving.write_news(&news, request.get().init_progress(news.len() as u32));
            unanswered.push(request.send().promise);
            if unanswered.len() >= NEWS_MAX && matches!(unanswered.next().await, Some(Err(_))) {
                // The connection is ending.
                return;
            }
        }
    }

    /// Sees that the other side lives. The first beat also tells it that the connection is in use.
    async fn beat(self: &Rc<Self>) {
        loop {
            let sent = Instant::now();
            let answer = self.remote.heartbeat_request().send().promise;
            match tokio::time::timeout(self.limits.heartbeat_limit, answer).await {
                Ok(Ok(_)) => self.link.counters.round_trip(sent.elapsed()),
                Ok(Err(error)) => {
                    self.link.close(self.link.lost(error.extra));
                    return;
                }
                Err(_) => {
                    let limit = self.limits.heartbeat_limit;
                    self.link.close(self.link.lost(format!("no sign of life for {limit:?}")));
                    return;
                }
            }
            self.beats.rest(&self.wire).await;
        }
    }
}
