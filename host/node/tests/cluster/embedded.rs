//! An engine of its own knows its statements too.

use nyala_node::{Config, Engine, ErrorCode};

use crate::harness::{PATIENCE, in_background, one, rows, run, until};

#[test]
fn statements_of_other_sessions_are_seen_and_killed() {
    let engine = Engine::open(Config { allow_faults: true, ..Config::default() }).unwrap();
    let mut session = engine.session();
    run(&mut session, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 5000) AS s(value)");
    run(&mut session, "SET fault = 'slow_scan:300000ms'");
    let answer = in_background(session, "SELECT sum(id) FROM t");
    let mut other = engine.session();
    let find = "SELECT id FROM system.queries WHERE state = 'running' AND sql LIKE 'SELECT sum%'";
    until(|| !run(&mut other, find).is_empty());
    let id = one(&mut other, find);
    let shown = run(&mut other, "SHOW QUERIES");
    assert!(shown.iter().any(|row| row.starts_with(&id)), "{shown:?}");
    run(&mut other, &format!("KILL '{id}'"));
    assert_eq!(answer.recv_timeout(PATIENCE).unwrap().unwrap_err().code(), ErrorCode::Cancelled);
    let state = format!("SELECT state FROM system.queries WHERE id = '{id}'");
    assert_eq!(one(&mut other, &state), "cancelled");
}

#[test]
fn a_profile_is_kept_after_the_end() {
    let engine = Engine::open(Config::default()).unwrap();
    let mut session = engine.session();
    assert_eq!(one(&mut session, "SELECT count(*) FROM generate_series(1, 1000)"), "1000");
    let find = "SELECT id, rows FROM system.queries WHERE sql LIKE 'SELECT count%' AND state = 'done'";
    let found = one(&mut session, find);
    let (id, given) = found.split_once('|').unwrap();
    assert_eq!(given, "1");
    let profile = run(&mut session, &format!("SHOW PROFILE FOR '{id}'")).join("\n");
    assert!(profile.contains("rows 1000"), "{profile}");
    let unknown = rows(&mut session, &format!("SHOW PROFILE FOR '{}'", "0".repeat(32))).unwrap_err();
    assert_eq!(unknown.code(), ErrorCode::UndefinedObject);
    assert_eq!(one(&mut session, "SELECT name, state FROM system.nodes"), "local|active");
    assert_eq!(run(&mut session, "SELECT * FROM system.connections").len(), 0);
}

/// Decimals are made anew for the client, under the operator that gives them.
#[test]
fn a_profile_counts_rows_once() {
    let engine = Engine::open(Config::default()).unwrap();
    let mut session = engine.session();
    run(
        &mut session,
        "CREATE TABLE t AS SELECT CAST(n AS DECIMAL(10,2)) AS d FROM generate_series(1, 1000) AS s(n)",
    );
    let scanned = run(&mut session, "EXPLAIN ANALYZE SELECT d FROM t").join("\n");
    assert!(scanned.contains("rows 1000 of 1000,"), "{scanned}");
    let topped = run(&mut session, "EXPLAIN ANALYZE SELECT d FROM t ORDER BY d LIMIT 10").join("\n");
    assert!(topped.contains("rows 10 of 1000,"), "{topped}");
}

#[test]
fn faults_are_refused_unless_they_are_allowed() {
    let engine = Engine::open(Config::default()).unwrap();
    let error = rows(&mut engine.session(), "SET fault = 'panic_in_worker'").unwrap_err();
    assert_eq!(error.code(), ErrorCode::Unsupported);
    assert!(error.hint().unwrap().contains("--allow-faults"));
    let engine = Engine::open(Config { allow_faults: true, ..Config::default() }).unwrap();
    let mut session = engine.session();
    let error = rows(&mut session, "SET fault = 'panic_in_woker'").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean panic_in_worker?"));
    let error = rows(&mut session, "SET fault = 'slow_scan:1h'").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    assert_eq!(one(&mut session, "SHOW fault"), "");
    let error = rows(&mut session, "SHOW QUERIE").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean SHOW QUERIES?"));
}

#[test]
fn lists_and_mistakes_about_statements() {
    let engine = Engine::open(Config::default()).unwrap();
    let mut session = engine.session();
    run(&mut session, "SET pool = 'reports'");
    let own = "SELECT pool FROM system.queries WHERE state = 'running'";
    assert_eq!(run(&mut session, own), ["reports"]);
    let running = "SELECT value >= 1 FROM system.metrics WHERE name = 'nyala_statements_running'";
    assert_eq!(one(&mut session, running), "true");
    let error = rows(&mut session, "KILL QUERY '0195f3a0b1c27d008123456789abcdef'").unwrap_err();
    assert_eq!(error.code(), ErrorCode::UndefinedObject);
    let error = rows(&mut session, "SET catalog_reads = newest").unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    let error = rows(&mut session, "SHOW querys").unwrap_err();
    assert_eq!(error.hint(), Some("did you mean SHOW QUERIES?"));
    let sql = "SELECT sql FROM system.queries WHERE state = 'running'";
    assert_eq!(run(&mut session, sql), [sql]);
}
