//! BACKUP, RESTORE and CHECKPOINT where there are several nodes.

use nyala_node::{ErrorCode, Node};

use crate::harness::{Cluster, PATIENCE, one, rows, run, tag};

#[test]
fn a_cluster_is_restored_on_all_nodes_at_once() {
    let first = Cluster::start(1);
    let place = first.folder.path().join("backup");
    let mut session = first.session(0);
    run(&mut session, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 5000) AS s(value)");
    run(
        &mut session,
        "CREATE FUNCTION twice (x BIGINT) RETURNS BIGINT LANGUAGE wat IMMUTABLE AS $$
         (module (func (export \"twice\") (param i64) (result i64) (i64.mul (local.get 0) (i64.const 2)))) $$",
    );
    let before = session.last_version();
    run(&mut session, "DELETE FROM t WHERE id > 10");
    run(&mut session, &format!("BACKUP TO '{}'", place.display()));

    let mut cluster = Cluster::start(3);
    let mut session = cluster.session(1);
    assert!(
        tag(&mut session, &format!("RESTORE FROM '{}'", place.display())).starts_with("RESTORE OF VERSION")
    );
    let version = session.last_version();
    let all = |cluster: &Cluster, wanted: &str| {
        for node in 0..3 {
            let mut session = cluster.spread(node);
            session.wait_for_version(version, PATIENCE).unwrap();
            assert_eq!(one(&mut session, "SELECT sum(twice(id)) FROM t"), wanted);
            // With its history.
            run(&mut session, &format!("SET catalog_version = {before}"));
            assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "5000");
        }
    };
    all(&cluster, "110");
    let error = rows(&mut cluster.session(2), &format!("RESTORE FROM '{}'", place.display())).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter, "there is something now");

    // It goes on, and a node finds it again on its own disk.
    let said = tag(&mut cluster.session(2), "CHECKPOINT");
    assert_eq!(said, format!("CHECKPOINT {version}"));
    run(&mut cluster.session(0), "INSERT INTO t VALUES (45)");
    let version = cluster.session(0).last_version();
    let config = cluster.config("n3");
    cluster.nodes.pop().unwrap().stop();
    cluster.nodes.push(Node::start(config).unwrap());
    cluster.settle();
    let mut back = cluster.spread(2);
    back.wait_for_version(version, PATIENCE).unwrap();
    assert_eq!(one(&mut back, "SELECT sum(twice(id)) FROM t"), "200");
}
