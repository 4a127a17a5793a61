//! A cluster whose nodes go from one version of the protocol to the next, one by one, while it is used.

use std::time::Duration;

use nyala_node::{ErrorCode, Node, NodeConfig};

use crate::harness::{Cluster, PATIENCE, one, run, until};

/// The next after the one that this program speaks.
const NEXT: u32 = 2;

fn claim(version: u32) -> impl Fn(&mut NodeConfig) {
    move |config| config.claim_protocol = Some(version)
}

/// Reads, writes and definitions on each node, over all nodes.
fn works(cluster: &Cluster, step: usize) {
    for node in 0..3 {
        let mut session = cluster.spread(node);
        run(&mut session, "SET catalog_reads = latest");
        let before: u64 = one(&mut session, "SELECT count(*) FROM t").parse().unwrap();
        run(&mut session, "INSERT INTO t SELECT value FROM generate_series(1, 1000) AS s(value)");
        assert_eq!(one(&mut session, "SELECT count(*) FROM t"), (before + 1000).to_string());
        let groups = "SELECT count(*) FROM (SELECT id, count(*) FROM t GROUP BY id) g";
        assert_eq!(one(&mut session, groups), "1000", "step {step}, node {node}");
        run(&mut session, &format!("CREATE TABLE made_{step}_{node} (a INT)"));
    }
    let made =
        format!("SELECT count(*) FROM information_schema.tables WHERE table_name LIKE 'made_{step}_%'");
    let mut session = cluster.session(step % 3);
    run(&mut session, "SET catalog_reads = latest");
    assert_eq!(one(&mut session, &made), "3");
}

/// What the connections of a node speak with the others, by name.
fn spoken(cluster: &Cluster, node: usize) -> Vec<String> {
    let sql = "SELECT n.name, c.protocol FROM system.connections c JOIN system.nodes n ON c.node = n.id ORDER BY n.name";
    run(&mut cluster.session(node), sql)
}

#[test]
fn nodes_go_to_the_next_version_one_by_one() {
    let mut cluster = Cluster::start(3);
    run(&mut cluster.session(0), "CREATE TABLE t (id BIGINT)");
    works(&cluster, 0);
    let check = cluster.nodes[0].cluster().upgrade_check();
    assert_eq!((check.next(), check.apart.len()), (None, 0));

    for step in 1..=3 {
        // As the check says: the others first, who leads the catalog last.
        let index = match step {
            1 => 2,
            _ => {
                let next = cluster.nodes[2].cluster().upgrade_check().next().unwrap().name.clone();
                ["n1", "n2", "n3"].iter().position(|name| *name == next).unwrap()
            }
        };
        cluster.restart_with(index, claim(NEXT));
        works(&cluster, step);
        let mut check = None;
        until(|| {
            let now = cluster.nodes[index].cluster().upgrade_check();
            let behind = now.steps.iter().filter(|step| step.is_behind).count();
            check = Some(now);
            behind == 3 - step
        });
        assert_eq!(check.unwrap().apart, []);
    }
    until(|| spoken(&cluster, 0) == ["n2|2", "n3|2"]);
}

#[test]
fn neighbours_speak_what_both_know_and_others_are_refused() {
    let mut cluster = Cluster::start(2);
    cluster.add_with(claim(NEXT));
    cluster.settle();
    until(|| spoken(&cluster, 2) == ["n1|1", "n2|1"]);
    let mut session = cluster.spread(0);
    run(&mut session, "CREATE TABLE t AS SELECT value AS id FROM generate_series(1, 1000) AS s(value)");

    let mut far = cluster.config("n4");
    far.claim_protocol = Some(NEXT + 1);
    far.join_limit = Duration::from_secs(3);
    let error = Node::start(far).err().unwrap();
    let said = format!("{error:?}");
    // By a node that does not speak with it, or by the cluster, through one that does.
    assert!([ErrorCode::Connection, ErrorCode::InvalidParameter].contains(&error.code()), "{said}");
    assert!(said.contains("protocol") && said.contains("2 to 3"), "{said}");

    // Nothing else is disturbed, and nobody took it in.
    assert_eq!(one(&mut session, "SELECT count(*) FROM t"), "1000");
    assert_eq!(one(&mut session, "SELECT count(*) FROM system.nodes WHERE name = 'n4'"), "0");
    let mut other = cluster.spread(2);
    other.wait_for_version(session.last_version(), PATIENCE).unwrap();
    assert_eq!(one(&mut other, "SELECT sum(id) FROM t"), "500500");
}

#[test]
fn versions_are_claimed_in_tests_only() {
    let cluster = Cluster::start(1);
    let mut config = cluster.config("n2");
    config.claim_protocol = Some(NEXT);
    config.allow_faults = false;
    let error = Node::start(config).err().unwrap();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    assert!(error.hint().unwrap().contains("--allow-faults"), "{error:?}");
}
