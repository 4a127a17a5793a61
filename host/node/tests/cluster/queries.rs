//! The same answers on every node, however a query is spread.

use nyala_node::ErrorCode;

use crate::harness::{Cluster, one, rows, run, tag, until, until_some};

const ROWS: u64 = 60_000;

fn filled() -> Cluster {
    let cluster = Cluster::start(3);
    let mut session = cluster.session(0);
    run(&mut session, "CREATE TABLE orders (id BIGINT, customer INT, price DECIMAL(12,2))");
    for part in 0..4 {
        let (from, to) = (part * ROWS / 4, (part + 1) * ROWS / 4 - 1);
        run(
            &mut session,
            &format!(
                "INSERT INTO orders SELECT value, value % 100, value % 7 FROM generate_series({from}, {to}) AS s(value)"
            ),
        );
    }
    run(
        &mut session,
        "CREATE TABLE customers AS SELECT value AS id, 'c' || value AS name FROM generate_series(0, 99) AS s(value)",
    );
    cluster
}

#[test]
fn tables_are_seen_and_read_by_all_nodes() {
    let cluster = filled();
    let version = cluster.session(0).last_version();
    for node in 0..3 {
        let mut session = cluster.spread(node);
        session.wait_for_version(version, crate::harness::PATIENCE).unwrap();
        assert_eq!(one(&mut session, "SELECT count(*) FROM orders"), ROWS.to_string());
        let sql = "SELECT customer, count(*), sum(price), min(id), max(id), avg(price) FROM orders \
                   WHERE customer < 3 GROUP BY customer ORDER BY customer";
        let spread = run(&mut session, sql);
        run(&mut session, "SET distribution = never");
        assert_eq!(spread, run(&mut session, sql));
        run(&mut session, "SET distribution = always");
        let joined = "SELECT c.name, count(*) FROM orders o JOIN customers c ON o.customer = c.id \
                      WHERE c.id IN (5, 17) GROUP BY c.name ORDER BY c.name";
        assert_eq!(run(&mut session, joined), ["c17|600", "c5|600"]);
        let top = run(&mut session, "SELECT id FROM orders ORDER BY id DESC LIMIT 2");
        assert_eq!(top, ["59999", "59998"]);
    }
}

#[test]
fn a_spread_query_has_instances_on_all_nodes_and_a_profile() {
    let cluster = filled();
    let mut session = cluster.spread(0);
    let plan =
        run(&mut session, "EXPLAIN SELECT customer, count(*) FROM orders GROUP BY customer").join("\n");
    assert!(plan.contains("on=nodes"), "{plan}");
    let last = "SELECT id FROM system.queries WHERE sql LIKE 'SELECT customer, count%' AND state = 'done' \
                ORDER BY started DESC LIMIT 1";
    // A node that is suspect for a moment gets nothing to do.
    let id = until_some(|| {
        run(&mut session, "SELECT customer, count(*) FROM orders GROUP BY customer");
        let id = one(&mut session, last);
        let instances = format!("SELECT max(instances) FROM system.fragments WHERE query = '{id}'");
        (one(&mut session, &instances) == "3").then_some(id)
    });
    // The profile is asked for on another node.
    let profile = run(&mut cluster.session(1), &format!("SHOW PROFILE FOR '{id}'")).join("\n");
    assert!(profile.contains("on=nodes") && profile.contains("orders"), "{profile}");
    let analyzed = run(&mut session, "EXPLAIN ANALYZE SELECT count(*) FROM orders").join("\n");
    assert!(analyzed.contains("planning") && analyzed.contains("rows 60000"), "{analyzed}");
}

#[test]
fn definitions_and_functions_of_one_node_are_used_on_others() {
    let cluster = filled();
    let mut first = cluster.session(0);
    run(
        &mut first,
        "CREATE FUNCTION twice (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
         (module (func (export \"twice\") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))) $$",
    );
    run(&mut first, "CREATE VIEW cheap AS SELECT * FROM orders WHERE price < 1");
    let version = first.last_version();
    for node in [1, 2] {
        let mut session = cluster.spread(node);
        session.wait_for_version(version, crate::harness::PATIENCE).unwrap();
        let sum = one(&mut session, "SELECT sum(twice(id)) FROM orders");
        assert_eq!(sum, (ROWS * (ROWS - 1)).to_string());
        assert_eq!(one(&mut session, "SELECT count(*) FROM cheap"), "8572");
    }
}

#[test]
fn transactions_of_two_nodes_meet() {
    let cluster = filled();
    let (mut one_node, mut other) = (cluster.session(1), cluster.session(2));
    for session in [&mut one_node, &mut other] {
        session.wait_for_version(cluster.session(0).last_version(), crate::harness::PATIENCE).unwrap();
    }
    run(&mut one_node, "BEGIN");
    run(&mut one_node, "DELETE FROM customers WHERE id = 1");
    assert_eq!(one(&mut one_node, "SELECT count(*) FROM customers"), "99");
    assert_eq!(one(&mut other, "SELECT count(*) FROM customers"), "100");
    assert_eq!(tag(&mut other, "DELETE FROM customers WHERE id = 1"), "DELETE 1");
    let error = rows(&mut one_node, "COMMIT").unwrap_err();
    assert_eq!(error.code(), ErrorCode::SerializationFailure);
    run(&mut one_node, "SET catalog_reads = latest");
    assert_eq!(one(&mut one_node, "SELECT count(*) FROM customers"), "99");
}

#[test]
fn compression_saves_bytes_and_changes_nothing() {
    let cluster = filled();
    let mut session = cluster.spread(0);
    // What goes from node to node: groups of each node, and what is made of them.
    let mut sent = |compression: &str| -> u64 {
        run(&mut session, &format!("SET exchange_compression = '{compression}'"));
        let sql = format!(
            "SELECT count(*), sum(n) FROM (SELECT id, count(*) AS n FROM orders GROUP BY id) with_{compression}"
        );
        assert_eq!(one(&mut session, &sql), format!("{ROWS}|{ROWS}"));
        let bytes = format!(
            "SELECT CAST(sum(f.bytes_sent) AS BIGINT) FROM system.fragments f JOIN system.queries q ON f.query = q.id \
             WHERE q.sql = '{sql}' GROUP BY q.id, q.started ORDER BY q.started DESC LIMIT 1"
        );
        one(&mut session, &bytes).parse().unwrap()
    };
    // A node that is suspect for a moment sends nothing.
    until(|| {
        let (whole, pressed) = (sent("none"), sent("lz4"));
        pressed > 0 && pressed < whole - whole / 8
    });
    let error = rows(&mut cluster.session(0), "SET exchange_compression = 'zip'").unwrap_err();
    assert_eq!(error.hint(), Some("it takes one of none, lz4"));
}
