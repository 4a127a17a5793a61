//! SHOW QUERIES, KILL QUERY and system tables, over all nodes; outcomes by id.

use nyala_node::{ErrorCode, Outcome};
use nyala_schema::cluster::QueryId;
use uuid::Uuid;

use crate::harness::{Cluster, PATIENCE, in_background, one, rows, run, until, until_some};

const SLOW: &str = "SELECT count(*) FROM slow_table";

/// In one part: a read that is slow on purpose keeps a thread, and each node has to keep one for other queries.
fn with_slow_table() -> Cluster {
    let cluster = Cluster::start(3);
    let mut session = cluster.session(0);
    run(
        &mut session,
        "CREATE TABLE slow_table AS SELECT value AS id FROM generate_series(1, 15000) AS s(value)",
    );
    cluster
}

#[test]
fn a_query_is_seen_and_killed_from_another_node() {
    let cluster = with_slow_table();
    let mut slow = cluster.spread(0);
    // Until it is killed: that ends the waiting too.
    run(&mut slow, "SET fault = 'slow_scan:300000ms'");
    let answer = in_background(slow.for_user("ann"), SLOW);
    let mut other = cluster.session(2);
    let find = format!("SELECT id, node, user_name, state FROM system.queries WHERE sql = '{SLOW}'");
    // A node that is busy may not answer in time: its statements are missing then.
    let found = until_some(|| run(&mut other, &find).into_iter().find(|row| row.ends_with("|running")));
    let (id, rest) = found.split_once('|').unwrap();
    assert_eq!(rest, "n1|ann|running");
    until(|| {
        let shown = run(&mut other, "SHOW QUERIES");
        shown.iter().any(|row| row.starts_with(id) && row.contains(SLOW) && row.contains("ann"))
    });
    let kill = format!("KILL QUERY '{id}'");
    let answered = until_some(|| {
        // Nor may it hear this.
        _ = rows(&mut other, &kill);
        answer.try_recv().ok()
    });
    let error = answered.unwrap_err();
    assert_eq!((error.code(), error.message()), (ErrorCode::Cancelled, "the query was killed"));
    until(|| run(&mut other, &find).iter().any(|row| row.ends_with("|cancelled")));
    let error = rows(&mut other, &kill).unwrap_err();
    assert_eq!(error.code(), ErrorCode::UndefinedObject);
}

#[test]
fn nodes_connections_and_metrics_are_tables() {
    let cluster = Cluster::start(3);
    let mut session = cluster.session(1);
    // On a busy machine a node may be suspect for a moment, and the lead of the catalog go to another.
    let mut becomes = |sql: &str, wanted: &[&str]| until(|| run(&mut session, sql) == wanted);
    becomes("SELECT name, state FROM system.nodes ORDER BY name", &["n1|active", "n2|active", "n3|active"]);
    becomes("SELECT count(*) FROM system.nodes WHERE is_leader", &["1"]);
    becomes("SELECT name FROM system.nodes WHERE is_local", &["n2"]);
    // One with each other node.
    becomes("SELECT count(DISTINCT node) FROM system.connections", &["2"]);
    let active = "SELECT value FROM system.metrics WHERE name = 'nyala_nodes' AND labels = 'state=active'";
    becomes(active, &["3.0"]);
    assert_eq!(run(&mut session, "SHOW NODES").len(), 3);
}

#[test]
fn a_statement_is_committed_once_under_its_id() {
    let cluster = with_slow_table();
    let mut first = cluster.session(0);
    let done = QueryId(Uuid::now_v7().as_u128());
    first.execute_as("INSERT INTO slow_table VALUES (1)", done, 0).unwrap();
    let mut other = cluster.session(1);
    let Outcome::Done { version } = other.outcome(done, 0).unwrap() else { panic!("it was done") };
    other.wait_for_version(version, PATIENCE).unwrap();
    assert_eq!(one(&mut other, "SELECT count(*) FROM slow_table"), "15001");
    // Whoever asks first settles it: what comes under that name later is not done.
    let never = QueryId(Uuid::now_v7().as_u128());
    assert_eq!(other.outcome(never, 0).unwrap(), Outcome::Never);
    let late = first.execute_as("INSERT INTO slow_table VALUES (2)", never, 0);
    assert!(late.is_err());
    run(&mut first, "SET catalog_reads = latest");
    assert_eq!(one(&mut first, "SELECT count(*) FROM slow_table"), "15001");
    // The next attempt is another matter.
    first.execute_as("INSERT INTO slow_table VALUES (2)", never, 1).unwrap();
    assert_eq!(one(&mut first, "SELECT count(*) FROM slow_table"), "15002");
}

#[test]
fn what_goes_wrong_in_a_worker_of_another_node_fails_one_query() {
    let cluster = with_slow_table();
    let mut session = cluster.spread(0);
    run(&mut session, "SET fault = 'panic_in_worker'");
    let error = rows(&mut session, SLOW).unwrap_err();
    assert_eq!(error.code(), ErrorCode::Internal, "{error:?}");
    run(&mut session, "SET fault = ''");
    assert_eq!(one(&mut session, SLOW), "15000");
    run(&mut session, "SET fault = 'drop_connection'");
    assert_eq!(one(&mut session, SLOW), "15000");
}
