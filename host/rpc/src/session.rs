//! The life of one connection, from the moment at which both sides know each other.

use std::rc::Rc;
use std::sync::Arc;

use tokio::time::Instant;

use crate::config::Limits;
use crate::generated::peer_capnp::{answer, peer};
use crate::link::{Call, Link, Work};
use crate::message;
use crate::streams::Streams;
use crate::wire::Wire;

/// A connection on its thread.
pub(crate) struct Session {
    pub(crate) link: Arc<Link>,
    pub(crate) wire: Rc<Wire>,
    pub(crate) remote: peer::Client,
    pub(crate) limits: Limits,
    pub(crate) streams: Streams,
}

impl Session {
    pub(crate) fn new(link: Arc<Link>, wire: Rc<Wire>, remote: peer::Client, limits: Limits) -> Rc<Self> {
        Rc::new(Self { link, wire, remote, limits, streams: Streams::default() })
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
        loop {
            tokio::select! {
                () = self.link.over().cancelled() => break,
                reason = self.wire.ended() => {
                    self.link.close(self.link.lost(reason));
                    break;
                }
                Some(call) = work.calls.recv() => self.call(call),
                Some(core) = work.wakes.recv() => self.woken(&core),
            }
        }
        let reason = self.link.reason();
        self.streams.fail(&reason);
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

    /// Sees that the other side lives. The first beat also tells it that the connection is in use.
    async fn beat(self: &Rc<Self>) {
        let mut ticks = tokio::time::interval(self.limits.heartbeat_every);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
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
        }
    }
}
