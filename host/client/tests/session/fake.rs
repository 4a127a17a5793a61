//! Nodes that know a few statements, and go away when it hurts most.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arrow::array::{Int64Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::ipc::writer::StreamWriter;
use async_trait::async_trait;
use bytes::Bytes;
use nyala_client::{Dial, Link};
use nyala_schema::client::{
    ClientRequest, ClientResponse, ClientSession, FetchEnd, OpenQuery, ResponseBody, SessionState, Setting,
    StatementOutcome, StatementProgress, StatementSummary, TransactionState,
};
use nyala_schema::cluster::{NodeId, NodeInfo, NodeState, Peer};
use nyala_schema::error::Position;
use nyala_schema::{Error, ErrorCode, Result, wire};
use tokio::sync::watch;

pub const ROWS_PER_BATCH: i64 = 1000;
/// Cut anywhere, as real ones are.
const PIECE_BYTES: usize = 1 << 14;

/// When a node goes away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    BeforeExecute,
    /// What the statement commits is there, but nobody is told.
    AfterCommit,
    /// Before the answer to a question for rows of this number, from 0.
    InRows(u64),
    /// At each question for rows; it comes back at once.
    NoRows,
    /// It answers with what is no answer.
    Rubbish,
}

#[derive(Default)]
pub struct FakeCluster {
    pub nodes: Mutex<BTreeMap<String, Arc<FakeNode>>>,
    pub table: Mutex<Table>,
}

/// What all nodes have.
#[derive(Default)]
pub struct Table {
    pub rows: Vec<i64>,
    pub done: HashMap<u128, u64>,
    pub fenced: HashSet<u128>,
    pub version: u64,
}

pub struct FakeNode {
    info: NodeInfo,
    pub is_up: watch::Sender<bool>,
    pub fault: Mutex<Option<Fault>>,
    pub is_draining: Mutex<bool>,
    refusals: Mutex<Option<(ErrorCode, u32)>>,
    sessions: Mutex<HashMap<u64, FakeSession>>,
    /// Requests to open a session, as they came.
    pub opened: Mutex<Vec<ClientRequest>>,
    pub executed: Mutex<Vec<String>>,
    /// How long questions for rows may be kept.
    pub waits: Mutex<Vec<Duration>>,
    cancelled: watch::Sender<u64>,
}

#[derive(Default)]
struct FakeSession {
    state: SessionState,
    pending: Vec<i64>,
    queries: HashMap<u64, FakeRows>,
}

struct FakeRows {
    bytes: Vec<u8>,
    rows: u64,
    asked: u64,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap()
}

impl FakeCluster {
    pub fn of(names: &[&str]) -> Arc<Self> {
        let cluster = Self::default();
        for (at, name) in names.iter().enumerate() {
            let peer = Peer { id: NodeId(at as u64), address: format!("{name}:1") };
            let info =
                NodeInfo { name: (*name).to_owned(), state: NodeState::Active, ..NodeInfo::unheard(peer) };
            let node = FakeNode {
                info,
                is_up: watch::Sender::new(true),
                fault: Mutex::default(),
                is_draining: Mutex::default(),
                refusals: Mutex::default(),
                sessions: Mutex::default(),
                opened: Mutex::default(),
                executed: Mutex::default(),
                waits: Mutex::default(),
                cancelled: watch::Sender::new(0),
            };
            lock(&cluster.nodes).insert(format!("{name}:1"), Arc::new(node));
        }
        Arc::new(cluster)
    }

    pub fn node(&self, name: &str) -> Arc<FakeNode> {
        Arc::clone(&lock(&self.nodes)[&format!("{name}:1")])
    }

    fn commit(&self, statement: u128, rows: &[i64]) -> Result<u64> {
        let mut table = lock(&self.table);
        if table.fenced.contains(&statement) {
            return Err(Error::new(ErrorCode::SerializationFailure, "fenced"));
        }
        table.rows.extend(rows);
        table.version += 1;
        let version = table.version;
        table.done.insert(statement, version);
        Ok(version)
    }

    fn outcome(&self, statement: u128) -> StatementOutcome {
        let mut table = lock(&self.table);
        match table.done.get(&statement) {
            Some(version) => StatementOutcome::Done { catalog_version: *version },
            None => {
                table.fenced.insert(statement);
                StatementOutcome::Never
            }
        }
    }
}

pub struct FakeDial(pub Arc<FakeCluster>);

struct FakeLink {
    cluster: Arc<FakeCluster>,
    node: Arc<FakeNode>,
}

fn gone(node: &FakeNode) -> Error {
    Error::new(ErrorCode::Connection, format!("{} is not there", node.info.name))
}

#[async_trait]
impl Dial for FakeDial {
    async fn dial(&self, address: &str) -> Result<Arc<dyn Link>> {
        let node = lock(&self.0.nodes).get(address).cloned();
        let node =
            node.ok_or_else(|| Error::new(ErrorCode::Connection, format!("nobody is at {address}")))?;
        if !*node.is_up.borrow() {
            return Err(gone(&node));
        }
        Ok(Arc::new(FakeLink { cluster: Arc::clone(&self.0), node }))
    }
}

#[async_trait]
impl Link for FakeLink {
    async fn call(&self, request: Bytes) -> Result<Bytes> {
        let mut is_up = self.node.is_up.subscribe();
        let request = wire::decode_client_request(&request)?;
        let has_no_rows = *lock(&self.node.fault) == Some(Fault::NoRows);
        if has_no_rows && matches!(request, ClientRequest::Fetch { .. }) {
            return Err(gone(&self.node));
        }
        let answer = tokio::select! {
            answer = self.node.answer(&self.cluster, request) => answer,
            _ = is_up.wait_for(|up| !up) => return Err(gone(&self.node)),
        };
        if !*self.node.is_up.borrow() {
            return Err(gone(&self.node));
        }
        Ok(answer)
    }
}

impl FakeNode {
    pub fn die(&self) {
        lock(&self.sessions).clear();
        self.is_up.send_replace(false);
    }

    /// So many statements fail so.
    pub fn refuse(&self, code: ErrorCode, count: u32) {
        *lock(&self.refusals) = Some((code, count));
    }

    fn refusal(&self) -> Option<Error> {
        let mut refusals = lock(&self.refusals);
        let (code, count) = refusals.as_mut().filter(|(_, count)| *count > 0)?;
        *count -= 1;
        Some(Error::new(*code, "no leader"))
    }

    pub fn set_fault(&self, fault: Fault) {
        *lock(&self.fault) = Some(fault);
    }

    /// Whether this is the time.
    fn fails(&self, fault: Fault) -> bool {
        let mut planned = lock(&self.fault);
        let is_now = *planned == Some(fault);
        if is_now {
            *planned = None;
            drop(planned);
            if fault != Fault::Rubbish {
                self.die();
            }
        }
        is_now
    }

    async fn answer(&self, cluster: &FakeCluster, request: ClientRequest) -> Bytes {
        if self.fails(Fault::Rubbish) {
            return Bytes::from_static(b"\x01\x02\x03 this is not our protocol");
        }
        let response = match request {
            ClientRequest::Open { .. } => self.open(cluster, request),
            ClientRequest::Execute { session, statement, sql } => {
                lock(&self.executed).push(sql.clone());
                if sql == "SLOW" {
                    let mut cancelled = self.cancelled.subscribe();
                    let _ = cancelled.changed().await;
                    plain(ResponseBody::Failed(Error::cancelled()))
                } else {
                    self.execute(cluster, session, statement.0, &sql)
                }
            }
            ClientRequest::Fetch { session, query, wait, bytes_max } => {
                lock(&self.waits).push(wait);
                self.fetch(session, query, bytes_max as usize)
            }
            ClientRequest::Outcome { statement } => {
                plain(ResponseBody::Outcome(cluster.outcome(statement.0)))
            }
            ClientRequest::Nodes => {
                let nodes = lock(&cluster.nodes).values().map(|node| node.info.clone()).collect();
                plain(ResponseBody::Nodes(nodes))
            }
            ClientRequest::Cancel { .. } => {
                self.cancelled.send_modify(|count| *count += 1);
                plain(ResponseBody::Fine)
            }
            ClientRequest::SetOption { session, setting } => self.set(session, setting),
            ClientRequest::Progress { .. } => plain(ResponseBody::Progress(None)),
            _ => plain(ResponseBody::Fine),
        };
        wire::encode_client_response(&response).into()
    }

    fn open(&self, cluster: &FakeCluster, request: ClientRequest) -> ClientResponse {
        let ClientRequest::Open { settings, schema, catalog_version_min, .. } = request.clone() else {
            panic!("another request")
        };
        if *lock(&self.is_draining) {
            return plain(ResponseBody::Elsewhere(Error::new(ErrorCode::Connection, "draining")));
        }
        assert!(catalog_version_min <= lock(&cluster.table).version, "more than there is");
        lock(&self.opened).push(request);
        let catalog_version = lock(&cluster.table).version;
        let state = SessionState { settings, schema, catalog_version, ..SessionState::default() };
        let mut sessions = lock(&self.sessions);
        let id = sessions.len() as u64 + 1;
        sessions.insert(id, FakeSession { state: state.clone(), ..FakeSession::default() });
        let body = ResponseBody::Opened { session: ClientSession(id), node: Box::new(self.info.clone()) };
        ClientResponse { state: Some(state), body }
    }

    fn set(&self, session: ClientSession, setting: Setting) -> ClientResponse {
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(&session.0) else { return none_such() };
        session.state.settings.push(setting);
        ClientResponse { state: Some(session.state.clone()), body: ResponseBody::Fine }
    }

    fn execute(
        &self,
        cluster: &FakeCluster,
        session: ClientSession,
        statement: u128,
        sql: &str,
    ) -> ClientResponse {
        if self.fails(Fault::BeforeExecute) {
            return none_such();
        }
        if let Some(error) = self.refusal() {
            return plain(ResponseBody::Failed(error));
        }
        let mut sessions = lock(&self.sessions);
        let Some(session) = sessions.get_mut(&session.0) else { return none_such() };
        let is_open = session.state.transaction == TransactionState::Open;
        if *lock(&self.is_draining) && !is_open {
            return plain(ResponseBody::Elsewhere(Error::new(ErrorCode::Connection, "draining")));
        }
        let (word, rest) = sql.split_once(' ').unwrap_or((sql, ""));
        let mut body = ResponseBody::Done { tag: word.to_owned() };
        match word {
            "SELECT" => {
                let rows: i64 = rest.parse().unwrap();
                let query = session.queries.len() as u64 + 1;
                session.queries.insert(query, FakeRows { bytes: stream(rows), rows: rows as u64, asked: 0 });
                body = ResponseBody::Rows { query: OpenQuery(query), schema: schema() };
            }
            "INSERT" if is_open => session.pending.push(rest.parse().unwrap()),
            "INSERT" => body = committed(cluster, statement, &[rest.parse().unwrap()], &mut session.state),
            "USE" => session.state.schema = rest.to_owned(),
            "BEGIN" => session.state.transaction = TransactionState::Open,
            "COMMIT" | "ROLLBACK" => {
                let pending = std::mem::take(&mut session.pending);
                session.state.transaction = TransactionState::None;
                if word == "COMMIT" {
                    body = committed(cluster, statement, &pending, &mut session.state);
                }
            }
            _ => body = ResponseBody::Failed(syntax_error()),
        }
        let state = Some(session.state.clone());
        drop(sessions);
        if matches!(word, "INSERT" | "COMMIT") {
            self.fails(Fault::AfterCommit);
        }
        ClientResponse { state, body }
    }

    fn fetch(&self, session: ClientSession, query: OpenQuery, bytes_max: usize) -> ClientResponse {
        let asked = {
            let mut sessions = lock(&self.sessions);
            let Some(rows) =
                sessions.get_mut(&session.0).and_then(|session| session.queries.get_mut(&query.0))
            else {
                return none_such();
            };
            rows.asked += 1;
            rows.asked - 1
        };
        if self.fails(Fault::InRows(asked)) {
            return none_such();
        }
        let mut sessions = lock(&self.sessions);
        let rows =
            sessions.get_mut(&session.0).and_then(|session| session.queries.get_mut(&query.0)).unwrap();
        let rest = rows.bytes.split_off(rows.bytes.len().min(bytes_max.min(PIECE_BYTES)));
        let bytes = std::mem::replace(&mut rows.bytes, rest).into();
        let end = if rows.bytes.is_empty() {
            FetchEnd::Over(StatementSummary { rows: rows.rows, ..StatementSummary::default() })
        } else {
            FetchEnd::More
        };
        plain(ResponseBody::Fetched { bytes, progress: StatementProgress::default(), end })
    }
}

fn committed(cluster: &FakeCluster, statement: u128, rows: &[i64], state: &mut SessionState) -> ResponseBody {
    match cluster.commit(statement, rows) {
        Ok(version) => {
            state.catalog_version = version;
            ResponseBody::Done { tag: format!("DONE {}", rows.len()) }
        }
        Err(error) => ResponseBody::Failed(error),
    }
}

pub fn syntax_error() -> Error {
    Error::new(ErrorCode::Syntax, "no statement").at(Position { line: 1, column: 3 }).with_hint("say SELECT")
}

fn plain(body: ResponseBody) -> ClientResponse {
    ClientResponse { state: None, body }
}

fn none_such() -> ClientResponse {
    plain(ResponseBody::Failed(Error::internal("a session that is not there")))
}

fn schema() -> SchemaRef {
    Arc::new(Schema::new(vec![Field::new("n", DataType::Int64, false)]))
}

/// The numbers from 0.
fn stream(rows: i64) -> Vec<u8> {
    let mut writer = StreamWriter::try_new(Vec::new(), &schema()).unwrap();
    let mut at = 0;
    while at < rows {
        let end = (at + ROWS_PER_BATCH).min(rows);
        let numbers = Arc::new(Int64Array::from_iter_values(at..end));
        writer.write(&RecordBatch::try_new(schema(), vec![numbers]).unwrap()).unwrap();
        at = end;
    }
    writer.finish().unwrap();
    writer.into_inner().unwrap()
}

/// How long tests wait for what must not come.
pub const SOON: Duration = Duration::from_millis(300);
