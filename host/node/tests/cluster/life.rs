//! Nodes that start, stop and start again.

use std::process::Command;

use nyala_node::Node;

use crate::harness::{Cluster, PATIENCE, one, run, until};

/// Set for a test that has a process of its own.
const ALONE: &str = "NYALA_TEST_ALONE";

/// Whether this process runs nothing but this test; if not, one is started that does, and has to succeed.
fn is_alone(test: &str) -> bool {
    if std::env::var_os(ALONE).is_some() {
        return true;
    }
    let mut command = Command::new(std::env::current_exe().unwrap());
    let status = command.args(["--exact", test, "--nocapture"]).env(ALONE, "1").status();
    assert!(status.unwrap().success(), "{test} in a process of its own");
    false
}

/// Names of the threads of this process, but for those that sled keeps for all of its databases.
fn threads() -> Vec<String> {
    let tasks = std::fs::read_dir("/proc/self/task").unwrap();
    // One may end meanwhile.
    let names = tasks.filter_map(|task| std::fs::read_to_string(task.unwrap().path().join("comm")).ok());
    let mut names: Vec<String> = names.map(|name| name.trim().to_owned()).collect();
    names.retain(|name| !name.starts_with("sled-io"));
    names.sort();
    names
}

#[test]
fn a_cluster_goes_on_without_a_node_and_takes_it_back() {
    let mut cluster = Cluster::start(3);
    let mut session = cluster.spread(0);
    run(&mut session, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 20000) AS s(value)");
    let config = cluster.config("n3");
    cluster.nodes.pop().unwrap().stop();
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "20000");
    run(&mut session, "INSERT INTO t VALUES (0)");
    let mut other = cluster.spread(1);
    run(&mut other, "SET catalog_reads = latest");
    assert_eq!(one(&mut other, "SELECT min(id) FROM t"), "0");
    drop(other);
    cluster.nodes.push(Node::start(config).unwrap());
    cluster.settle();
    let mut back = cluster.spread(2);
    back.wait_for_version(session.last_version(), PATIENCE).unwrap();
    assert_eq!(one(&mut back, "SELECT count(*) FROM t"), "20001");
}

#[test]
fn a_single_node_keeps_everything_and_stop_frees_it() {
    if !is_alone("life::a_single_node_keeps_everything_and_stop_frees_it") {
        return;
    }
    let before = threads();
    let mut cluster = Cluster::start(1);
    let mut session = cluster.session(0);
    run(&mut session, "CREATE TABLE t (a INT)");
    run(&mut session, "INSERT INTO t VALUES (1), (2)");
    drop(session);
    let own = threads();
    assert!(own.len() - before.len() < 50, "{own:?}");
    let config = cluster.config("n1");
    cluster.nodes.pop().unwrap().stop();
    until(|| threads().len() <= before.len());
    let mut config = config;
    config.join = Vec::new();
    cluster.nodes.push(Node::start(config).unwrap());
    assert_eq!(one(&mut cluster.session(0), "SELECT sum(a) FROM t"), "3");
}
