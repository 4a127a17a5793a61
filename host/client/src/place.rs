//! Where a session is now, and how it moves to another node.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nyala_schema::client::{
    ClientRequest, ClientResponse, ClientSession, ResponseBody, SessionState, TransactionState,
};
use nyala_schema::cluster::{NodeInfo, NodeState};
use nyala_schema::{Error, ErrorCode, Result, wire};
use rand::Rng;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::time::{Instant, sleep, timeout};

use crate::link::{Dial, Link};
use crate::settings::ClientSettings;

/// A node that has not let a session in by then is passed over.
const OPEN_WITHIN: Duration = Duration::from_secs(5);
/// Between two rounds over all addresses, at first; doubled up to the other.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(1);
/// Addresses that are kept.
const ADDRESSES_MAX: usize = 256;
/// Nodes come and go: how often is asked which there are.
const LEARN_EVERY: Duration = Duration::from_secs(10);
/// What is not essential is not waited for longer.
const ASIDE_WITHIN: Duration = Duration::from_secs(2);

/// A session, wherever it is.
pub struct Place {
    pub handle: Handle,
    pub settings: ClientSettings,
    dial: Arc<dyn Dial>,
    current: Mutex<Current>,
    /// Held by whoever moves the session.
    moving: tokio::sync::Mutex<()>,
    /// Grows with each wish to end what runs.
    cancels: watch::Sender<u64>,
}

struct Current {
    seat: Option<Seat>,
    state: SessionState,
    /// The open transaction went with its node: only ROLLBACK goes on.
    has_lost_transaction: bool,
    addresses: Vec<String>,
    learned_at: Option<Instant>,
    /// Grows with each move.
    moves: u64,
}

/// A session on one node.
#[derive(Clone)]
pub struct Seat {
    pub link: Arc<dyn Link>,
    pub session: ClientSession,
    pub node: Arc<NodeInfo>,
    /// The address by which it was reached.
    address: Arc<str>,
    /// Which move led here.
    pub moves: u64,
}

/// Why a request has no answer.
#[derive(Debug)]
pub enum Trouble {
    /// What was asked has failed.
    Failed(Error),
    /// The node did nothing: it takes no work.
    Elsewhere(Error),
    /// The node went away: it may have done what was asked.
    Lost(Error),
}

impl Trouble {
    pub fn into_error(self) -> Error {
        match self {
            Self::Failed(error) | Self::Elsewhere(error) | Self::Lost(error) => error,
        }
    }
}

impl Place {
    /// With a session on the first of the addresses that lets one in.
    ///
    /// # Errors
    /// `Connection` when none does, with what each of them said.
    pub async fn find(
        handle: Handle,
        dial: Arc<dyn Dial>,
        addresses: Vec<String>,
        settings: ClientSettings,
    ) -> Result<Arc<Self>> {
        let state = SessionState { settings: settings.options.clone(), ..SessionState::default() };
        let current =
            Current { seat: None, state, has_lost_transaction: false, addresses, learned_at: None, moves: 0 };
        let place = Arc::new(Self {
            handle,
            settings,
            dial,
            current: Mutex::new(current),
            moving: tokio::sync::Mutex::default(),
            cancels: watch::Sender::new(0),
        });
        let mut errors = Vec::new();
        if !place.try_all(&mut errors).await? {
            return Err(nobody(&errors));
        }
        Ok(place)
    }

    fn current(&self) -> MutexGuard<'_, Current> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn seat(&self) -> Result<Seat> {
        self.current().seat.clone().ok_or_else(|| Error::internal("a session that is nowhere"))
    }

    pub fn state(&self) -> SessionState {
        let current = self.current();
        let mut state = current.state.clone();
        if current.has_lost_transaction {
            state.transaction = TransactionState::Failed;
        }
        state
    }

    /// The open transaction is gone; until the program says ROLLBACK, nothing is to be done outside of it by mistake.
    pub fn lose_transaction(&self) {
        let mut current = self.current();
        current.has_lost_transaction = true;
        current.state.transaction = TransactionState::None;
        current.state.has_changes = false;
    }

    pub fn has_lost_transaction(&self) -> bool {
        self.current().has_lost_transaction
    }

    pub fn forget_transaction(&self) {
        self.current().has_lost_transaction = false;
    }

    pub fn cancel(&self) {
        self.cancels.send_modify(|cancels| *cancels += 1);
    }

    /// Sees what is cancelled from now on.
    pub fn cancellation(&self) -> watch::Receiver<u64> {
        self.cancels.subscribe()
    }

    /// # Errors
    /// See [`Trouble`].
    pub async fn ask(&self, seat: &Seat, request: &ClientRequest) -> Result<ResponseBody, Trouble> {
        let bytes = Bytes::from(wire::encode_client_request(request));
        let answer = seat.link.call(bytes).await.map_err(Trouble::Lost)?;
        self.understood(seat, &answer)
    }

    /// Keeps what an answer says of the session.
    ///
    /// # Errors
    /// See [`Trouble`].
    pub fn understood(&self, seat: &Seat, answer: &[u8]) -> Result<ResponseBody, Trouble> {
        let ClientResponse { state, body } = wire::decode_client_response(answer).map_err(Trouble::Failed)?;
        if let Some(state) = state {
            let mut current = self.current();
            if current.moves == seat.moves {
                let seen = current.state.catalog_version.max(state.catalog_version);
                current.state = SessionState { catalog_version: seen, ..state };
            }
        }
        match body {
            ResponseBody::Failed(error) => Err(Trouble::Failed(error)),
            ResponseBody::Elsewhere(error) => Err(Trouble::Elsewhere(error)),
            body => Ok(body),
        }
    }

    /// Notes a version of the catalog that is known to be there: the session goes on nowhere with an older one.
    pub fn has_seen(&self, catalog_version: u64) {
        let mut current = self.current();
        current.state.catalog_version = current.state.catalog_version.max(catalog_version);
    }

    /// Opens the session on another node, with its options and its schema. Does nothing when it has moved since `moves`.
    ///
    /// # Errors
    /// `Connection` when no node lets it in for as long as patience lasts; `Cancelled`; what the session's options are
    /// refused for.
    pub async fn move_on(&self, moves: u64) -> Result<()> {
        let mut cancellation = self.cancellation();
        tokio::select! {
            moved = self.search(moves) => moved,
            _ = cancellation.changed() => Err(Error::cancelled()),
        }
    }

    async fn search(&self, moves: u64) -> Result<()> {
        let _moving = self.moving.lock().await;
        if self.current().moves != moves {
            return Ok(());
        }
        let left = self.seat()?;
        let until = Instant::now() + self.settings.patience;
        let mut pause = PAUSE_MIN;
        let mut errors = Vec::new();
        while !self.try_all(&mut errors).await? {
            if Instant::now() + pause > until {
                return Err(nobody(&errors));
            }
            errors.clear();
            sleep(pause.mul_f64(rand::thread_rng().gen_range(0.5..1.0))).await;
            pause = (pause * 2).min(PAUSE_MAX);
        }
        if let (Some(notice), Ok(seat)) = (&self.settings.notice, self.seat()) {
            notice(&format!("{} went away; the session goes on at {}", left.address, seat.address));
        }
        Ok(())
    }

    /// One round over all addresses, from the one after the last that was used. Whether one of them let the session in.
    ///
    /// # Errors
    /// What the session's own options are refused for.
    async fn try_all(&self, errors: &mut Vec<Error>) -> Result<bool> {
        let addresses = self.current().addresses.clone();
        for (index, address) in addresses.iter().enumerate() {
            match timeout(OPEN_WITHIN, self.open(address)).await {
                Ok(Ok(())) => {
                    // Whoever is tried first next time is another.
                    self.current().addresses.rotate_left((index + 1) % addresses.len().max(1));
                    return Ok(true);
                }
                Ok(Err(Trouble::Failed(error))) => return Err(error),
                Ok(Err(Trouble::Elsewhere(error) | Trouble::Lost(error))) => errors.push(error),
                Err(_) => {
                    let seconds = OPEN_WITHIN.as_secs();
                    let message = format!("{address} has not answered within {seconds} s");
                    errors.push(Error::new(ErrorCode::Connection, message));
                }
            }
        }
        Ok(false)
    }

    async fn open(&self, address: &str) -> Result<(), Trouble> {
        let link = self.dial.dial(address).await.map_err(Trouble::Lost)?;
        let request = {
            let state = &self.current().state;
            ClientRequest::Open {
                user: self.settings.user.clone(),
                settings: state.settings.clone(),
                schema: state.schema.clone(),
                catalog_version_min: state.catalog_version,
            }
        };
        let bytes = Bytes::from(wire::encode_client_request(&request));
        let answer = link.call(bytes).await.map_err(Trouble::Lost)?;
        let ClientResponse { state, body } = wire::decode_client_response(&answer).map_err(Trouble::Lost)?;
        let (session, node) = match body {
            ResponseBody::Opened { session, node } => (session, Arc::from(node)),
            ResponseBody::Failed(error) => return Err(Trouble::Failed(error)),
            ResponseBody::Elsewhere(error) => return Err(Trouble::Elsewhere(error)),
            other => return Err(Trouble::Lost(unexpected(&other))),
        };
        let mut current = self.current();
        current.moves += 1;
        current.learned_at = None;
        let seen = current.state.catalog_version;
        if let Some(state) = state {
            current.state = SessionState { catalog_version: seen.max(state.catalog_version), ..state };
        }
        current.seat = Some(Seat { link, session, node, address: address.into(), moves: current.moves });
        Ok(())
    }

    /// As [`learn_addresses`](Self::learn_addresses), when that was long ago; nobody waits for it.
    pub fn learn_now_and_then(self: &Arc<Self>) {
        let mut current = self.current();
        if current.learned_at.is_none_or(|at| at.elapsed() > LEARN_EVERY) {
            current.learned_at = Some(Instant::now());
            let place = Arc::clone(self);
            self.handle.spawn(async move { place.learn_addresses().await });
        }
    }

    /// Asks which nodes there are, so that another one is known when this goes away.
    pub async fn learn_addresses(&self) {
        let Ok(seat) = self.seat() else { return };
        self.current().learned_at = Some(Instant::now());
        // Not to know more addresses is no reason to fail anything.
        if let Ok(Ok(ResponseBody::Nodes(nodes))) =
            timeout(ASIDE_WITHIN, self.ask(&seat, &ClientRequest::Nodes)).await
        {
            self.add_addresses(&nodes);
        }
    }

    fn add_addresses(&self, nodes: &[NodeInfo]) {
        let known = &mut self.current().addresses;
        for node in nodes {
            let takes_sessions = node.roles.coordinator
                && matches!(node.state, NodeState::Active | NodeState::Joining | NodeState::Suspect);
            let is_new = !known.contains(&node.peer.address);
            if takes_sessions && is_new && known.len() < ADDRESSES_MAX {
                // The one that is used now is the last.
                let at = known.len().saturating_sub(1);
                known.insert(at, node.peer.address.clone());
            }
        }
    }

    /// Asks for something that is not waited for.
    pub fn tell(self: &Arc<Self>, seat: Seat, request: ClientRequest) {
        let place = Arc::clone(self);
        self.handle.spawn(async move {
            let _ = timeout(ASIDE_WITHIN, place.ask(&seat, &request)).await;
        });
    }
}

/// What all addresses said.
fn nobody(errors: &[Error]) -> Error {
    match errors {
        [] => Error::new(ErrorCode::Connection, "there is no address to connect to")
            .with_hint("give one as HOST:PORT"),
        [error] => error.clone(),
        [first, ..] => {
            let said: Vec<&str> = errors.iter().map(Error::message).collect();
            let error = Error::new(first.code(), format!("no node lets a session in: {}", said.join("; ")));
            first.hint().map_or(error.clone(), |hint| error.with_hint(hint))
        }
    }
}

/// An answer to another question.
pub fn unexpected(body: &ResponseBody) -> Error {
    let kind = format!("{body:?}");
    let kind = kind.split([' ', '(', '{']).next().unwrap_or_default();
    Error::new(ErrorCode::Connection, format!("the node has answered with {kind}, which was not asked for"))
}
