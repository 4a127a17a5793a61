//! The service of clients on an engine, without a network: sessions, rows, cancelling, and clients that go away.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use arrow::util::pretty::pretty_format_batches;
use async_trait::async_trait;
use bytes::Bytes;
use nyala_client::{Answer, ClientSettings, Dial, Link, RemoteSession};
use nyala_exchange::Caller;
use nyala_node::serve::{ClientService, Surroundings};
use nyala_node::{Config, Engine};
use nyala_schema::client::{ClientRequest, ClientResponse, ClientSession, OpenQuery, ResponseBody, Setting};
use nyala_schema::cluster::{NodeId, NodeInfo, NodeState, Peer, QueryId};
use nyala_schema::{Error, ErrorCode, Result, wire};
use tokio::runtime::Runtime;

/// How long something may take that comes in its own time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A node that is alone.
struct Alone(NodeInfo);

#[async_trait]
impl Surroundings for Alone {
    fn nodes(&self) -> Arc<Vec<NodeInfo>> {
        Arc::new(vec![self.0.clone()])
    }

    async fn drain(&self, _: NodeId, _: Duration) -> Result<()> {
        Ok(())
    }

    async fn remove(&self, _: NodeId) -> Result<()> {
        Err(Error::new(ErrorCode::InvalidParameter, "it is up"))
    }
}

struct Served {
    engine: Arc<Engine>,
    service: Arc<ClientService>,
    connections: AtomicU64,
    runtime: Runtime,
}

struct Direct {
    served: Arc<Served>,
    connection: u64,
}

#[async_trait]
impl Link for Direct {
    async fn call(&self, request: Bytes) -> Result<Bytes> {
        let (service, connection) = (Arc::clone(&self.served.service), self.connection);
        let caller = Caller::Client { connection, user: "tester".to_owned() };
        // On the node's threads, as over a network.
        let answering = self.served.runtime.spawn(async move { service.call(&caller, request).await });
        answering.await.unwrap()
    }
}

struct DirectDial(Arc<Served>);

#[async_trait]
impl Dial for DirectDial {
    async fn dial(&self, _: &str) -> Result<Arc<dyn Link>> {
        let connection = self.0.connections.fetch_add(1, Ordering::Relaxed);
        Ok(Arc::new(Direct { served: Arc::clone(&self.0), connection }))
    }
}

fn served(state: NodeState) -> Arc<Served> {
    let peer = Peer { id: NodeId(1), address: "here:1".to_owned() };
    let node = NodeInfo { name: "n1".to_owned(), state, ..NodeInfo::unheard(peer) };
    let engine = Engine::open(Config::default()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .max_blocking_threads(24)
        .enable_time()
        .build()
        .unwrap();
    let service = ClientService::new(engine.clone(), Arc::new(Alone(node)), runtime.handle().clone());
    Arc::new(Served { engine, service, connections: AtomicU64::new(1), runtime })
}

fn connect(served: &Arc<Served>) -> RemoteSession {
    let dial = Arc::new(DirectDial(Arc::clone(served)));
    RemoteSession::connect_by(dial, vec!["here:1".to_owned()], ClientSettings::default()).unwrap()
}

/// An answer as text: a tag, or a table.
fn text(session: &mut RemoteSession, sql: &str) -> Result<String> {
    Ok(match session.execute(sql)? {
        Answer::Done(tag) => tag,
        Answer::Rows(mut rows) => {
            let mut batches = Vec::new();
            while let Some(batch) = rows.next_batch()? {
                batches.push(batch);
            }
            pretty_format_batches(&batches)?.to_string()
        }
    })
}

impl Served {
    /// As a client that does not keep to the rules would ask.
    fn ask(self: &Arc<Self>, connection: u64, request: &ClientRequest) -> ClientResponse {
        let caller = Caller::Client { connection, user: String::new() };
        let bytes = Bytes::from(wire::encode_client_request(request));
        let answer = self.runtime.block_on(self.service.call(&caller, bytes)).unwrap();
        wire::decode_client_response(&answer).unwrap()
    }

    fn open(self: &Arc<Self>, connection: u64) -> ClientSession {
        let request = ClientRequest::Open {
            user: "x".to_owned(),
            settings: vec![],
            schema: String::new(),
            catalog_version_min: 0,
        };
        match self.ask(connection, &request).body {
            ResponseBody::Opened { session, .. } => session,
            other => panic!("{other:?}"),
        }
    }

    fn execute(self: &Arc<Self>, connection: u64, session: ClientSession, sql: &str) -> ResponseBody {
        let statement = QueryId(7);
        self.ask(connection, &ClientRequest::Execute { session, statement, sql: sql.to_owned() }).body
    }
}

fn code(body: &ResponseBody) -> Option<ErrorCode> {
    match body {
        ResponseBody::Failed(error) | ResponseBody::Elsewhere(error) => Some(error.code()),
        _ => None,
    }
}

#[test]
fn answers_are_those_of_the_engine() {
    let served = served(NodeState::Active);
    let mut remote = connect(&served);
    let mut local = served.engine.session();
    for sql in [
        "SELECT 1 AS a, 'x' AS b, NULL AS c, DATE '2026-01-01' AS d, 1.5 AS e, [1, 2] AS f, true AS g",
        "SELECT g, count(*) AS n, sum(x) AS s FROM (SELECT i % 7 AS g, i * 1.25 AS x FROM range(0, 100000) t(i)) GROUP BY g ORDER BY g",
        "SELECT i, 'text number ' || i AS t FROM range(0, 30000) t(i) ORDER BY i",
        "SELECT * FROM range(0, 0) t(i)",
        "SHOW TABLES",
    ] {
        let expected = match local.execute(sql) {
            Ok(nyala_node::Answer::Rows(mut rows)) => {
                let mut batches = Vec::new();
                while let Some(batch) = rows.next_batch().unwrap() {
                    batches.push(batch);
                }
                pretty_format_batches(&batches).unwrap().to_string()
            }
            Ok(nyala_node::Answer::Done(tag)) => tag,
            Err(error) => format!("{error:?}"),
        };
        let got = text(&mut remote, sql).unwrap_or_else(|error| format!("{error:?}"));
        assert!(got == expected, "{sql}:\n{:.2000}\n{:.2000}", got, expected);
    }
    let error = text(&mut remote, "SELECT\n  nope FROM (SELECT 1 AS nape) t").unwrap_err();
    let expected = local.execute("SELECT\n  nope FROM (SELECT 1 AS nape) t").err().unwrap();
    assert_eq!(error, expected);
}

#[test]
fn transactions_options_and_schemas_are_told() {
    let served = served(NodeState::Active);
    let mut session = connect(&served);
    text(&mut session, "CREATE SCHEMA sales").unwrap();
    text(&mut session, "USE sales").unwrap();
    text(&mut session, "SET batch_rows = 77").unwrap();
    session.set("threads", "2").unwrap();
    let state = session.state();
    assert_eq!(state.schema, "sales");
    assert!(state.settings.contains(&Setting { name: "batch_rows".to_owned(), value: "77".to_owned() }));
    assert!(state.catalog_version > 0);
    assert!(session.options().unwrap().iter().any(|it| it.name == "threads" && it.value == "2"));
    assert!(session.set("threads", "none").is_err());

    text(&mut session, "CREATE TABLE t AS SELECT 1 AS a").unwrap();
    text(&mut session, "BEGIN").unwrap();
    text(&mut session, "INSERT INTO t VALUES (2)").unwrap();
    assert!(session.has_changes());
    assert!(text(&mut session, "SELECT nope FROM t").is_err());
    assert_eq!(session.transaction_state(), nyala_schema::client::TransactionState::Failed);
    text(&mut session, "ROLLBACK").unwrap();
    assert!(text(&mut session, "SELECT count(*) AS n FROM t").unwrap().contains("| 1 |"));
    assert!(session.names().unwrap().tables.iter().any(|name| name.ends_with('t')));
}

#[test]
fn what_a_client_leaves_behind_ends() {
    let served = served(NodeState::Active);
    let mut keeper = connect(&served);
    text(&mut keeper, "CREATE TABLE t AS SELECT 1 AS a").unwrap();
    let connection = 900;
    let session = served.open(connection);
    for sql in ["BEGIN", "INSERT INTO t VALUES (2)"] {
        assert!(matches!(served.execute(connection, session, sql), ResponseBody::Done { .. }), "{sql}");
    }
    let long = "SELECT count(*) FROM range(0, 10000000000) a(i)";
    let running = {
        let served = Arc::clone(&served);
        std::thread::spawn(move || {
            // Its rows are begun, and never fetched.
            served.execute(connection, session, long)
        })
    };
    running.join().unwrap();
    assert!(served.service.open_sessions() >= 2);
    served.service.client_gone(connection);
    assert_eq!(code(&served.execute(connection, session, "SELECT 1")), Some(ErrorCode::UndefinedObject));
    assert_eq!(text(&mut keeper, "SELECT count(*) AS n FROM t").unwrap().matches("| 1 |").count(), 1);
    let until = Instant::now() + PATIENCE;
    let runs = |keeper: &mut RemoteSession| {
        text(
            keeper,
            "SELECT count(*) AS n FROM system.queries WHERE state = 'running' AND sql LIKE '%10000000000) a(i)'",
        )
    };
    while !runs(&mut keeper).unwrap().contains("| 0 |") {
        assert!(Instant::now() < until, "the query of a client that is gone still runs");
        std::thread::yield_now();
    }
}

#[test]
fn a_statement_is_cancelled_by_another_request() {
    let served = served(NodeState::Active);
    let mut session = connect(&served);
    text(&mut session, "CREATE TABLE t (a BIGINT)").unwrap();
    let handle = session.cancel_handle();
    let canceller = std::thread::spawn(move || {
        let until = Instant::now() + PATIENCE;
        while handle.progress().is_none() && Instant::now() < until {
            std::thread::yield_now();
        }
        handle.cancel();
    });
    let sql = "INSERT INTO t SELECT a.i FROM range(0, 10000000000000) a(i) WHERE a.i % 2 = 3";
    assert_eq!(text(&mut session, sql).unwrap_err().code(), ErrorCode::Cancelled);
    canceller.join().unwrap();
    assert!(text(&mut session, "SELECT count(*) AS n FROM t").unwrap().contains("| 0 |"));
}

#[test]
fn rules_are_kept_for_those_who_do_not() {
    let served = served(NodeState::Active);
    let session = served.open(1);
    // Another connection cannot use it, however it knows of it.
    assert_eq!(code(&served.execute(2, session, "SELECT 1")), Some(ErrorCode::UndefinedObject));
    assert_eq!(
        code(&served.ask(1, &ClientRequest::Names { session: ClientSession(5) }).body),
        Some(ErrorCode::UndefinedObject)
    );
    let fetch = |query: u64, bytes_max: u32| ClientRequest::Fetch {
        session,
        query: OpenQuery(query),
        wait: Duration::from_secs(3600),
        bytes_max,
    };
    assert_eq!(code(&served.ask(1, &fetch(99, 1)).body), Some(ErrorCode::UndefinedObject));
    for number in 0..16 {
        let body = served.execute(1, session, "SELECT 1 AS a");
        assert!(matches!(body, ResponseBody::Rows { .. }), "{number}: {body:?}");
    }
    assert_eq!(code(&served.execute(1, session, "SELECT 1 AS a")), Some(ErrorCode::TooComplex));
    // A byte at a time comes to an end too.
    let mut bytes = 0;
    loop {
        match served.ask(1, &fetch(1, 1)).body {
            ResponseBody::Fetched { bytes: piece, end, .. } => {
                assert!(piece.len() <= 1);
                bytes += piece.len();
                if end != nyala_schema::client::FetchEnd::More {
                    break;
                }
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(bytes > 100);
    assert!(
        matches!(served.execute(1, session, "SELECT 1 AS a"), ResponseBody::Rows { .. }),
        "there is room again"
    );
    let opened = (0..64)
        .map(|_| {
            served.ask(
                3,
                &ClientRequest::Open {
                    user: String::new(),
                    settings: vec![],
                    schema: String::new(),
                    catalog_version_min: 0,
                },
            )
        })
        .collect::<Vec<_>>();
    assert!(matches!(opened[63].body, ResponseBody::Opened { .. }));
    let node = Caller::Node { id: NodeId(2), incarnation: 1 };
    assert!(served.runtime.block_on(served.service.call(&node, Bytes::new())).is_err());
    let rubbish = served.runtime.block_on(served.service.call(
        &Caller::Client { connection: 1, user: String::new() },
        Bytes::from_static(b"GET / HTTP/1.1\r\n\r\n"),
    ));
    let rubbish = wire::decode_client_response(&rubbish.unwrap()).unwrap();
    assert_eq!(code(&rubbish.body), Some(ErrorCode::Connection));
}

#[test]
fn nodes_that_take_no_work_say_so() {
    for state in [NodeState::Draining, NodeState::Joining] {
        let served = served(state);
        let dial = Arc::new(DirectDial(Arc::clone(&served)));
        let refused = RemoteSession::connect_by(dial, vec!["here:1".to_owned()], ClientSettings::default());
        let error = refused.err().unwrap();
        assert_eq!(error.code(), ErrorCode::Connection);
        assert!(error.message().contains("n1"), "{error}");
    }
}
