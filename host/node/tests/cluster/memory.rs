//! What the queries of a node hold together is limited.

use nyala_node::{Config, Engine, ErrorCode, Session};
use nyala_schema::option::Options;

use crate::harness::{Cluster, in_background, one, run, until};

const MIB: u64 = 1 << 20;
const LIMIT: u64 = 24 * MIB;
const QUERIES: usize = 12;
/// Some megabytes of groups.
const GROUPS: u64 = 60_000;
const QUERY: &str = "SELECT count(*), sum(n) FROM (SELECT id, count(*) AS n, min(id || ' as a text that takes some room') AS t \
                     FROM numbers GROUP BY id) g WHERE t IS NOT NULL";

fn fill(session: &mut Session) {
    let sql =
        format!("CREATE TABLE numbers AS SELECT value AS id FROM generate_series(1, {GROUPS}) AS s(value)");
    run(session, &sql);
}

fn metric(session: &mut Session, name: &str) -> u64 {
    let sql = format!("SELECT CAST(value AS BIGINT) FROM system.metrics WHERE name = '{name}'");
    one(session, &sql).parse().unwrap()
}

/// Nothing is held any more, and all goes on.
fn is_well(session: &mut Session) {
    until(|| metric(session, "nyala_memory_held_bytes") == 0);
    let limit = metric(session, "nyala_memory_limit_bytes");
    let peak = metric(session, "nyala_memory_peak_bytes");
    assert!(peak > 0 && peak <= limit + limit / 8, "{peak} of {limit}");
    assert_eq!(run(session, QUERY), [format!("{GROUPS}|{GROUPS}")]);
}

/// Runs the query in many sessions at once. How many fail, all for the same reason.
fn run_many(sessions: impl Iterator<Item = Session>) -> usize {
    let answers: Vec<_> = sessions.map(|session| in_background(session, QUERY)).collect();
    let mut failed = 0;
    for answer in answers {
        match answer.recv().unwrap() {
            Ok(rows) => assert_eq!(rows, [format!("{GROUPS}|{GROUPS}")]),
            Err(error) => {
                assert_eq!(error.code(), ErrorCode::OutOfMemory, "{error:?}");
                assert!(error.message().contains("of all queries are taken"), "{error:?}");
                assert!(error.hint().unwrap().contains("--memory-limit"), "{error:?}");
                failed += 1;
            }
        }
    }
    failed
}

#[test]
fn an_engine_outlives_queries_that_want_more_than_there_is() {
    let options = Options { threads: 4, ..Options::default() };
    let engine = Engine::open(Config { options, memory_bytes: Some(LIMIT), ..Config::default() }).unwrap();
    let mut session = engine.session();
    fill(&mut session);
    let failed = run_many((0..QUERIES).map(|_| engine.session()));
    assert!(failed < QUERIES, "who holds least goes on");
    assert!(metric(&mut session, "nyala_memory_exhausted_total") >= failed as u64);
    is_well(&mut session);
    let small = Config { memory_bytes: Some(MIB), ..Config::default() };
    let engine = Engine::open(small).unwrap();
    let mut session = engine.session();
    fill(&mut session);
    let error = crate::harness::rows(&mut session, QUERY).unwrap_err();
    assert_eq!(error.code(), ErrorCode::OutOfMemory);
    assert!(error.message().contains("this process") && error.message().contains("1.0 MiB"), "{error:?}");
    until(|| metric(&mut session, "nyala_memory_held_bytes") == 0);
}

#[test]
fn nodes_outlive_queries_that_want_more_than_they_have() {
    let cluster = Cluster::start_with(3, |config| config.memory_bytes = LIMIT / 3);
    fill(&mut cluster.session(0));
    let version = cluster.session(0).last_version();
    let sessions = (0..QUERIES).map(|number| {
        let session = cluster.spread(number % 3);
        session.wait_for_version(version, crate::harness::PATIENCE).unwrap();
        session
    });
    run_many(sessions.collect::<Vec<_>>().into_iter());
    for node in 0..3 {
        let mut session = cluster.spread(node);
        assert_eq!(metric(&mut session, "nyala_memory_limit_bytes"), LIMIT / 3);
        is_well(&mut session);
    }
}
