//! A connection as other threads see it.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use bytes::Bytes;
use nyala_exchange::transport::ConnectionStatus;
use nyala_exchange::{Caller, Handler, Service};
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use tokio::sync::{mpsc, oneshot};
use tokio_util::sync::CancellationToken;

use crate::config::MESSAGE_BYTES_MAX;
use crate::outgoing::Core;

/// Calls that may wait for the thread of a connection.
const CALLS_QUEUED_MAX: usize = 256;

/// What has gone over a connection.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    bytes_unconfirmed: AtomicU64,
    calls: AtomicU64,
    streams: AtomicU64,
    /// 0: not known yet.
    round_trip_ns: AtomicU64,
}

impl Counters {
    pub(crate) fn sent(&self, bytes: u64) {
        self.bytes_sent.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn received(&self, bytes: u64) {
        self.bytes_received.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn unconfirmed(&self, bytes: u64) {
        self.bytes_unconfirmed.store(bytes, Ordering::Relaxed);
    }

    pub(crate) fn called(&self) {
        self.calls.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_opened(&self) {
        self.streams.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stream_closed(&self) {
        self.streams.fetch_sub(1, Ordering::Relaxed);
    }

    pub(crate) fn round_trip(&self, time: Duration) {
        self.round_trip_ns.store((time.as_nanos() as u64).max(1), Ordering::Relaxed);
    }
}

/// A call on its way to the thread of the connection.
pub(crate) struct Call {
    pub(crate) service: Service,
    pub(crate) request: Bytes,
    pub(crate) reply: oneshot::Sender<Result<Bytes>>,
}

/// Where a connection leads, and who is at its end.
#[derive(Debug, Clone)]
pub(crate) struct End {
    /// `None`: a client.
    pub(crate) peer: Option<Peer>,
    pub(crate) caller: Caller,
    /// Of the socket.
    pub(crate) address: String,
    /// Drawn by the side that dialled.
    pub(crate) number: u64,
    pub(crate) protocol: u32,
    pub(crate) is_encrypted: bool,
    /// Whether this side dialled.
    pub(crate) is_dialled: bool,
}

impl End {
    pub(crate) fn node(&self) -> Option<NodeId> {
        self.peer.as_ref().map(|peer| peer.id)
    }

    /// For messages.
    pub(crate) fn name(&self) -> String {
        match (&self.peer, &self.caller) {
            (Some(peer), _) => format!("node {peer}"),
            (None, Caller::Client { user, .. }) => format!("client {} ({user})", self.address),
            (None, Caller::Node { id, .. }) => format!("node {id}"),
        }
    }
}

/// The handle of a connection. It stays when the connection has ended.
pub(crate) struct Link {
    pub(crate) end: End,
    pub(crate) counters: Arc<Counters>,
    opened: Instant,
    calls: mpsc::Sender<Call>,
    /// Streams with something to send; each is in here at most once.
    wakes: mpsc::UnboundedSender<Arc<Core>>,
    over: CancellationToken,
    reason: OnceLock<Error>,
    /// Whether anything may have been sent over it.
    is_used: AtomicBool,
    is_told: AtomicBool,
}

/// The thread's side of a link.
pub(crate) struct Work {
    pub(crate) calls: mpsc::Receiver<Call>,
    pub(crate) wakes: mpsc::UnboundedReceiver<Arc<Core>>,
}

impl Link {
    pub(crate) fn new(end: End, counters: Arc<Counters>) -> (Arc<Self>, Work) {
        let (calls, calls_there) = mpsc::channel(CALLS_QUEUED_MAX);
        let (wakes, wakes_there) = mpsc::unbounded_channel();
        let link = Self {
            end,
            counters,
            opened: Instant::now(),
            calls,
            wakes,
            over: CancellationToken::new(),
            reason: OnceLock::new(),
            is_used: AtomicBool::new(false),
            is_told: AtomicBool::new(false),
        };
        (Arc::new(link), Work { calls: calls_there, wakes: wakes_there })
    }

    pub(crate) fn is_open(&self) -> bool {
        !self.over.is_cancelled()
    }

    /// Ends the connection; the first reason counts.
    pub(crate) fn close(&self, reason: Error) {
        let _ = self.reason.set(reason);
        self.over.cancel();
    }

    pub(crate) fn over(&self) -> &CancellationToken {
        &self.over
    }

    /// It is used from now on.
    pub(crate) fn use_it(&self) {
        self.is_used.store(true, Ordering::Release);
    }

    pub(crate) fn is_used(&self) -> bool {
        self.is_used.load(Ordering::Acquire)
    }

    /// Tells the handler that the connection is gone: once, and only if it was in use.
    pub(crate) fn tell_gone(&self, handler: &dyn Handler) {
        if !self.is_used() || self.is_told.swap(true, Ordering::AcqRel) {
            return;
        }
        match &self.end.caller {
            Caller::Node { id, .. } => handler.disconnected(*id),
            Caller::Client { connection, .. } => handler.client_gone(*connection),
        }
    }

    /// Why the connection has ended.
    pub(crate) fn reason(&self) -> Error {
        self.reason.get().cloned().unwrap_or_else(|| self.lost("it was closed"))
    }

    pub(crate) fn lost(&self, why: impl std::fmt::Display) -> Error {
        Error::new(ErrorCode::Connection, format!("the connection with {} was lost: {why}", self.end.name()))
    }

    /// Hands a stream with waiting parts to the thread of the connection; gives it back when that has ended.
    pub(crate) fn wake(&self, core: Arc<Core>) -> Result<(), Arc<Core>> {
        self.wakes.send(core).map_err(|unsent| unsent.0)
    }

    pub(crate) async fn call(&self, service: Service, request: Bytes) -> Result<Bytes> {
        check_size(request.len(), "a request")?;
        let (reply, answer) = oneshot::channel();
        if self.calls.send(Call { service, request, reply }).await.is_err() {
            return Err(self.reason());
        }
        answer.await.unwrap_or_else(|_| Err(self.reason()))
    }

    pub(crate) fn status(&self) -> ConnectionStatus {
        let get = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let round_trip = get(&self.counters.round_trip_ns);
        ConnectionStatus {
            peer: self.end.peer.clone(),
            user: match &self.end.caller {
                Caller::Client { user, .. } => Some(user.clone()),
                Caller::Node { .. } => None,
            },
            is_encrypted: self.end.is_encrypted,
            protocol: self.end.protocol,
            open_for: self.opened.elapsed(),
            streams: get(&self.counters.streams),
            bytes_sent: get(&self.counters.bytes_sent),
            bytes_received: get(&self.counters.bytes_received),
            bytes_unconfirmed: get(&self.counters.bytes_unconfirmed),
            calls: get(&self.counters.calls),
            round_trip: (round_trip > 0).then(|| Duration::from_nanos(round_trip)),
        }
    }
}

/// What is too large for a message is refused where it is made: there it would end the connection.
pub(crate) fn check_size(bytes: usize, what: &str) -> Result<()> {
    if bytes <= MESSAGE_BYTES_MAX {
        return Ok(());
    }
    Err(Error::new(
        ErrorCode::TooComplex,
        format!(
            "{what} of {bytes} bytes is larger than a message between nodes may be, {MESSAGE_BYTES_MAX} bytes"
        ),
    ))
}
