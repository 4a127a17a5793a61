//! The service that answers clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::Caller;
use nyala_schema::client::{ClientRequest, ClientResponse, ClientSession, ResponseBody};
use nyala_schema::cluster::{NodeId, NodeState, QueryId};
use nyala_schema::{Error, ErrorCode, Result, wire};
use tokio::runtime::Handle;

use super::session::{NotOpened, ServedSession, Wanted, body, failed, set};
use super::surroundings::Surroundings;
use super::threads::Threads;
use super::told;
use crate::engine::Engine;

/// Sessions of one node.
const SESSIONS_MAX: usize = 4096;
/// Sessions of one connection.
const SESSIONS_PER_CONNECTION_MAX: usize = 64;

/// Answers clients, with sessions of this node's engine.
pub struct ClientService {
    engine: Arc<Engine>,
    surroundings: Arc<dyn Surroundings>,
    /// Where sessions that nobody waits for are ended.
    runtime: Handle,
    threads: Threads,
    sessions: Mutex<HashMap<u64, Arc<ServedSession>>>,
}

impl ClientService {
    pub fn new(engine: Arc<Engine>, surroundings: Arc<dyn Surroundings>, runtime: Handle) -> Arc<Self> {
        Arc::new(Self {
            engine,
            surroundings,
            runtime,
            threads: Threads::default(),
            sessions: Mutex::default(),
        })
    }

    fn sessions(&self) -> MutexGuard<'_, HashMap<u64, Arc<ServedSession>>> {
        self.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sessions that are open.
    pub fn open_sessions(&self) -> usize {
        self.sessions().len()
    }

    /// Answers one request. What goes wrong is an answer too. Dropping the future cancels the statement that runs for it.
    ///
    /// # Errors
    /// `InvalidParameter` for callers that are nodes; they have services of their own.
    pub async fn call(&self, caller: &Caller, request: Bytes) -> Result<Bytes> {
        let Caller::Client { connection, user } = caller else {
            return Err(Error::new(ErrorCode::InvalidParameter, "sessions are for clients, not for nodes"));
        };
        let response = match wire::decode_client_request(&request) {
            Ok(request) => self.answer(*connection, user, request).await,
            Err(error) => {
                tracing::warn!(connection, user, %error, "a client has sent what is no request");
                failed(error)
            }
        };
        Ok(wire::encode_client_response(&response).into())
    }

    async fn answer(&self, connection: u64, user: &str, request: ClientRequest) -> ClientResponse {
        let answer = match request {
            ClientRequest::Open { user: said, settings, schema, catalog_version_min } => {
                let user = if user.is_empty() { said } else { user.to_owned() };
                return self.open(connection, Wanted { user, settings, schema, catalog_version_min }).await;
            }
            ClientRequest::Outcome { statement } => self.outcome(statement).await,
            ClientRequest::Nodes => Ok(ResponseBody::Nodes(self.surroundings.nodes().to_vec())),
            ClientRequest::Drain { node, within } => self.drain(&node, within).await,
            ClientRequest::Remove { node } => self.remove(&node).await,
            ClientRequest::Close { session } => {
                let closed = self.sessions().remove(&session.0).filter(|it| it.connection == connection);
                closed.into_iter().for_each(|session| self.end(session));
                Ok(ResponseBody::Fine)
            }
            ClientRequest::Execute { session, .. }
            | ClientRequest::Fetch { session, .. }
            | ClientRequest::Forget { session, .. }
            | ClientRequest::Cancel { session }
            | ClientRequest::SetOption { session, .. }
            | ClientRequest::Options { session }
            | ClientRequest::Names { session }
            | ClientRequest::Progress { session }
            | ClientRequest::State { session } => match self.session(connection, session) {
                Ok(session) => return self.in_session(&session, request).await,
                Err(error) => Err(error),
            },
        };
        body(answer.unwrap_or_else(ResponseBody::Failed))
    }

    async fn in_session(&self, session: &Arc<ServedSession>, request: ClientRequest) -> ClientResponse {
        match request {
            ClientRequest::Execute { statement, sql, .. } => {
                session.execute(&self.threads, statement, sql, self.refusal()).await
            }
            ClientRequest::Fetch { query, wait, bytes_max, .. } => {
                session.fetch(&self.threads, query, wait, bytes_max).await
            }
            ClientRequest::Forget { query, .. } => {
                session.forget(query);
                body(ResponseBody::Fine)
            }
            ClientRequest::Cancel { .. } => {
                session.cancel();
                body(ResponseBody::Fine)
            }
            ClientRequest::SetOption { setting, .. } => {
                let change = move |session: &mut crate::Session| {
                    set(session, &setting.name, &setting.value).map(|()| ResponseBody::Fine)
                };
                session.with(&self.threads, change).await
            }
            ClientRequest::Options { .. } => {
                session
                    .with(&self.threads, |session| Ok(ResponseBody::Options(told::settings(session))))
                    .await
            }
            ClientRequest::Names { .. } => {
                session.with(&self.threads, |session| Ok(ResponseBody::Names(told::names(session)))).await
            }
            ClientRequest::State { .. } => session.with(&self.threads, |_| Ok(ResponseBody::Fine)).await,
            ClientRequest::Progress { .. } => body(session.progress()),
            ClientRequest::Open { .. }
            | ClientRequest::Outcome { .. }
            | ClientRequest::Nodes
            | ClientRequest::Drain { .. }
            | ClientRequest::Remove { .. }
            | ClientRequest::Close { .. } => failed(Error::internal("a request that is for no session")),
        }
    }

    async fn open(&self, connection: u64, wanted: Wanted) -> ClientResponse {
        if let Some(error) = self.refusal().or_else(|| self.too_many(connection)) {
            return body(ResponseBody::Elsewhere(error));
        }
        let nodes = self.surroundings.nodes();
        let Some(node) = nodes.first() else {
            return failed(Error::internal("a node that does not know itself"));
        };
        let engine = Arc::clone(&self.engine);
        let opened = self.threads.question(move || ServedSession::open(&engine, connection, wanted)).await;
        match opened {
            Ok(Ok((session, state))) => {
                let id = self.keep(session);
                let body = ResponseBody::Opened { session: id, node: Box::new(node.clone()) };
                ClientResponse { state: Some(state), body }
            }
            Ok(Err(NotOpened::Elsewhere(error))) => body(ResponseBody::Elsewhere(error)),
            Ok(Err(NotOpened::Refused(error))) | Err(error) => failed(error),
        }
    }

    fn keep(&self, session: Arc<ServedSession>) -> ClientSession {
        let mut sessions = self.sessions();
        loop {
            // The lower half of a UUID is random.
            let id = uuid::Uuid::now_v7().as_u128() as u64;
            if id != 0 && !sessions.contains_key(&id) {
                sessions.insert(id, session);
                return ClientSession(id);
            }
        }
    }

    /// Of the connection that asks; nobody else's.
    fn session(&self, connection: u64, session: ClientSession) -> Result<Arc<ServedSession>> {
        let found = self.sessions().get(&session.0).filter(|it| it.connection == connection).cloned();
        found.ok_or_else(|| {
            Error::new(ErrorCode::UndefinedObject, "this connection has no such session")
                .with_hint("it was closed, or belongs to another connection: open a new one")
        })
    }

    /// Why this node takes no new work, if it does not.
    fn refusal(&self) -> Option<Error> {
        let nodes = self.surroundings.nodes();
        let node = nodes.first()?;
        let why = match node.state {
            _ if !node.roles.coordinator => "takes no statements of clients: that is not among its roles",
            NodeState::Draining => "takes no new work: it is being drained",
            NodeState::Joining => "is not ready yet: it is joining the cluster",
            NodeState::Active | NodeState::Suspect | NodeState::Down => return None,
        };
        let error = Error::new(ErrorCode::Connection, format!("node {} {why}", node.name));
        Some(error.with_hint("connect to another node of the cluster"))
    }

    fn too_many(&self, connection: u64) -> Option<Error> {
        let sessions = self.sessions();
        let own = sessions.values().filter(|session| session.connection == connection).count();
        let message = if sessions.len() >= SESSIONS_MAX {
            format!("this node has {SESSIONS_MAX} sessions already")
        } else if own >= SESSIONS_PER_CONNECTION_MAX {
            format!("this connection has {SESSIONS_PER_CONNECTION_MAX} sessions already")
        } else {
            return None;
        };
        Some(Error::new(ErrorCode::Connection, message).with_hint("close sessions that are not used"))
    }

    /// What became of a statement that ran here or elsewhere.
    async fn outcome(&self, statement: QueryId) -> Result<ResponseBody> {
        let engine = Arc::clone(&self.engine);
        let outcome = self.threads.question(move || engine.session().outcome(statement, 0)).await??;
        Ok(ResponseBody::Outcome(told::outcome(outcome)))
    }

    async fn drain(&self, node: &str, within: Duration) -> Result<ResponseBody> {
        let node = self.node(node)?;
        self.surroundings.drain(node, within).await?;
        Ok(ResponseBody::Fine)
    }

    async fn remove(&self, node: &str) -> Result<ResponseBody> {
        let node = self.node(node)?;
        self.surroundings.remove(node).await?;
        Ok(ResponseBody::Fine)
    }

    /// By name, address or id.
    fn node(&self, text: &str) -> Result<NodeId> {
        let nodes = self.surroundings.nodes();
        let found = nodes
            .iter()
            .find(|node| node.name == text || node.peer.address == text || node.peer.id.to_string() == text);
        // One that is down for long is not among them, but its id is good.
        let by_id = || u64::from_str_radix(text, 16).ok().filter(|_| text.len() == 16).map(NodeId);
        found.map(|node| node.peer.id).or_else(by_id).ok_or_else(|| {
            let names: Vec<&str> = nodes.iter().map(|node| node.name.as_str()).collect();
            Error::new(ErrorCode::UndefinedObject, format!("there is no node '{text}'"))
                .with_hint(format!("nodes are {}", names.join(", ")))
        })
    }

    /// A client's connection is gone: what its sessions ran ends, and what they have not committed is rolled back.
    pub fn client_gone(&self, connection: u64) {
        let gone: Vec<_> =
            self.sessions().extract_if(|_, session| session.connection == connection).collect();
        gone.into_iter().for_each(|(_, session)| self.end(session));
    }

    fn end(&self, session: Arc<ServedSession>) {
        session.cancel();
        // Rolling back removes files, which may take time; what still runs holds the session until it has ended.
        self.runtime.spawn_blocking(move || drop(session));
    }
}
