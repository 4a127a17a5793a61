//! What a program holds: a session with a cluster, to be used like the embedded one.

use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use nyala_rpc::config::ClientConfig;
use nyala_schema::client::{
    ClientRequest, Names, ResponseBody, SessionState, Setting, StatementProgress, TransactionState,
};
use nyala_schema::cluster::NodeInfo;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::runtime::Runtime;
use tokio::time::timeout;

use crate::answer::Answer;
use crate::link::Dial;
use crate::place::{Place, Trouble, unexpected};
use crate::rows::RowStream;
use crate::rpc::RpcDial;
use crate::run::{self, Begun};
use crate::settings::ClientSettings;

/// A node that is asked how far a statement is, or told of the end, has this long.
const ASIDE_WITHIN: Duration = Duration::from_secs(1);

/// A session on some node of a cluster. When the node goes away it goes on at another one.
///
/// All that it does blocks; it must not be used inside of an asynchronous runtime.
pub struct RemoteSession {
    place: Arc<Place>,
    reactor: Arc<Reactor>,
}

/// The thread on which requests wait for their answers. Held by all that waits for one.
pub(crate) struct Reactor(Option<Runtime>);

impl Reactor {
    /// The one of this process, which all its sessions share: a program may have hundreds.
    ///
    /// # Errors
    /// When no thread can be started.
    fn current() -> Result<Arc<Self>> {
        static CURRENT: Mutex<Weak<Reactor>> = Mutex::new(Weak::new());
        let mut current = CURRENT.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(reactor) = current.upgrade() {
            return Ok(reactor);
        }
        let reactor = Arc::new(Self::start()?);
        *current = Arc::downgrade(&reactor);
        Ok(reactor)
    }

    fn start() -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_name("nyala-client")
            .enable_all()
            .build()
            .map_err(|error| Error::internal(format!("no thread can be started: {error}")))?;
        Ok(Self(Some(runtime)))
    }

    pub(crate) fn block_on<T>(&self, work: impl Future<Output = T>) -> T {
        match &self.0 {
            Some(runtime) => runtime.block_on(work),
            None => unreachable!("the runtime is taken when this is dropped"),
        }
    }
}

impl Drop for Reactor {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

/// Cancels what a session runs, and tells how far it is, from any thread.
#[derive(Clone)]
pub struct CancelHandle {
    place: Arc<Place>,
    reactor: Arc<Reactor>,
}

impl RemoteSession {
    /// A session on the first of the addresses (`host:port`) that lets one in.
    ///
    /// # Errors
    /// `Connection` when none does, with what each of them said; what the options are refused for.
    pub fn connect(addresses: Vec<String>, settings: ClientSettings) -> Result<Self> {
        let config = ClientConfig {
            user: settings.user.clone(),
            cluster: settings.cluster.clone(),
            tls: settings.tls.clone(),
            ..ClientConfig::default()
        };
        Self::connect_by(Arc::new(RpcDial { config }), addresses, settings)
    }

    /// As [`connect`](Self::connect), over other links.
    ///
    /// # Errors
    /// As [`connect`](Self::connect).
    pub fn connect_by(dial: Arc<dyn Dial>, addresses: Vec<String>, settings: ClientSettings) -> Result<Self> {
        let reactor = Reactor::current()?;
        let handle = match &reactor.0 {
            Some(runtime) => runtime.handle().clone(),
            None => unreachable!("the runtime is taken when this is dropped"),
        };
        let place = reactor.block_on(Place::find(handle, dial, addresses, settings))?;
        reactor.block_on(place.learn_addresses());
        Ok(Self { place, reactor })
    }

    /// Runs one statement.
    ///
    /// # Errors
    /// Those of the statement, with code, message and, where known, position in `sql` and a hint; those of
    /// [the loss of a node](run::run).
    pub fn execute(&mut self, sql: &str) -> Result<Answer> {
        Ok(match self.reactor.block_on(run::run(&self.place, sql))? {
            Begun::Done(tag) => Answer::Done(tag),
            Begun::Rows(begun) => {
                let (place, reactor) = (Arc::clone(&self.place), Arc::clone(&self.reactor));
                Answer::Rows(Box::new(RowStream::new(place, reactor, sql, begun)))
            }
        })
    }

    /// # Errors
    /// Unknown option or value.
    pub fn set(&mut self, name: &str, value: &str) -> Result<()> {
        let setting = Setting { name: name.to_owned(), value: value.to_owned() };
        self.ask(|session| ClientRequest::SetOption { session, setting: setting.clone() }).map(|_| ())
    }

    /// All options, with their values.
    ///
    /// # Errors
    /// `Connection` when no node is found.
    pub fn options(&self) -> Result<Vec<Setting>> {
        match self.ask(|session| ClientRequest::Options { session })? {
            ResponseBody::Options(options) => Ok(options),
            other => Err(unexpected(&other)),
        }
    }

    /// Names for completion.
    ///
    /// # Errors
    /// `Connection` when no node is found.
    pub fn names(&self) -> Result<Names> {
        match self.ask(|session| ClientRequest::Names { session })? {
            ResponseBody::Names(names) => Ok(names),
            other => Err(unexpected(&other)),
        }
    }

    /// The nodes of the cluster, the one that has the session first.
    ///
    /// # Errors
    /// `Connection` when no node is found.
    pub fn nodes(&self) -> Result<Vec<NodeInfo>> {
        match self.ask(|_| ClientRequest::Nodes)? {
            ResponseBody::Nodes(nodes) => Ok(nodes),
            other => Err(unexpected(&other)),
        }
    }

    /// Lets a node, by name, id or address, take no new work; comes back when it has left.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that there is not; what the node itself says.
    pub fn drain(&self, node: &str, within: Duration) -> Result<()> {
        self.ask(|_| ClientRequest::Drain { node: node.to_owned(), within }).map(|_| ())
    }

    /// Lets the cluster forget a node that is down.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that there is not; when it is not down.
    pub fn remove(&self, node: &str) -> Result<()> {
        self.ask(|_| ClientRequest::Remove { node: node.to_owned() }).map(|_| ())
    }

    /// Of the session, as of the last answer.
    pub fn state(&self) -> SessionState {
        self.place.state()
    }

    pub fn transaction_state(&self) -> TransactionState {
        self.state().transaction
    }

    /// Whether the open transaction would lose something if it were rolled back.
    pub fn has_changes(&self) -> bool {
        self.state().has_changes
    }

    /// That has the session now.
    ///
    /// # Errors
    /// Never, once the session is open.
    pub fn node(&self) -> Result<Arc<NodeInfo>> {
        Ok(self.place.seat()?.node)
    }

    pub fn cancel_handle(&self) -> CancelHandle {
        CancelHandle { place: Arc::clone(&self.place), reactor: Arc::clone(&self.reactor) }
    }

    /// Asks for what may be asked for twice. An open transaction is not given up for it.
    fn ask(
        &self,
        request: impl Fn(nyala_schema::client::ClientSession) -> ClientRequest,
    ) -> Result<ResponseBody> {
        const TRIES_MAX: u32 = 4;
        self.reactor.block_on(async {
            let mut last = Error::new(ErrorCode::Connection, "no node answers");
            for _ in 0..TRIES_MAX {
                let seat = self.place.seat()?;
                match self.place.ask(&seat, &request(seat.session)).await {
                    Ok(body) => return Ok(body),
                    Err(Trouble::Failed(error)) => return Err(error),
                    Err(Trouble::Lost(error) | Trouble::Elsewhere(error)) => last = error,
                }
                if self.place.state().transaction == TransactionState::Open {
                    self.place.lose_transaction();
                }
                self.place.move_on(seat.moves).await?;
            }
            Err(last)
        })
    }
}

impl Drop for RemoteSession {
    fn drop(&mut self) {
        let Ok(seat) = self.place.seat() else { return };
        let close = ClientRequest::Close { session: seat.session };
        // The node ends the session by itself when the connection goes.
        let _ = self.reactor.block_on(async { timeout(ASIDE_WITHIN, self.place.ask(&seat, &close)).await });
    }
}

impl CancelHandle {
    /// Does nothing when nothing runs.
    pub fn cancel(&self) {
        self.place.cancel();
        if let Ok(seat) = self.place.seat() {
            let cancel = ClientRequest::Cancel { session: seat.session };
            self.place.tell(seat, cancel);
        }
    }

    /// How far the statement is that runs; `None` when none does, or the node does not tell.
    pub fn progress(&self) -> Option<StatementProgress> {
        let seat = self.place.seat().ok()?;
        let request = ClientRequest::Progress { session: seat.session };
        let answer =
            self.reactor.block_on(async { timeout(ASIDE_WITHIN, self.place.ask(&seat, &request)).await });
        match answer {
            Ok(Ok(ResponseBody::Progress(progress))) => progress,
            _ => None,
        }
    }
}
