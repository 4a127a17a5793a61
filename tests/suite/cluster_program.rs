//! A cluster as a newcomer meets it: three nodes, a query, a node that is killed, and the same answer.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use nyala_tests::{program, tpch_folder};

use crate::packaging::dashboard_metrics;

/// How long something may take that comes in its own time.
const PATIENCE: Duration = Duration::from_secs(60);

/// Stopped when the test ends, however it does.
struct Cluster {
    folder: tempfile::TempDir,
    addresses: String,
}

fn run(arguments: &[&str], input: &str) -> Output {
    let mut child = Command::new(program())
        .args(arguments)
        .env_remove("NYALA_CONNECT")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
    child.wait_with_output().unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn succeeds(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(0), "{}{}", stdout(output), stderr(output));
    stdout(output)
}

impl Cluster {
    fn start(nodes: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut cluster = Self { folder, addresses: String::new() };
        let said = succeeds(&cluster.command("start", &["--nodes", nodes, "--threads", "1"]));
        let connect = said.lines().last().unwrap();
        cluster.addresses = connect.strip_prefix("nyala sql --connect ").unwrap().to_owned();
        assert_eq!(cluster.addresses.split(',').count().to_string(), nodes);
        cluster
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn command(&self, name: &str, more: &[&str]) -> Output {
        let mut arguments = vec!["cluster", name, "--dir", self.path().to_str().unwrap()];
        arguments.extend(more);
        run(&arguments, "")
    }

    /// On a busy machine a node may take a while to say that it is.
    fn becomes_ready(&self) {
        let until = Instant::now() + PATIENCE;
        loop {
            let status = self.command("status", &[]);
            if status.status.success() {
                return;
            }
            assert!(Instant::now() < until, "{}", stdout(&status));
            std::thread::sleep(Duration::from_millis(200));
        }
    }

    fn sql(&self, script: &str) -> Output {
        run(&["sql", "--connect", &self.addresses, "--format", "csv"], script)
    }

    /// What a node answers over HTTP.
    fn http(&self, node: usize, path: &str) -> String {
        let plan = std::fs::read_to_string(self.path().join("cluster.json")).unwrap();
        let plan: serde_json::Value = serde_json::from_str(&plan).unwrap();
        let mut stream = TcpStream::connect(plan["nodes"][node - 1]["http"].as_str().unwrap()).unwrap();
        write!(stream, "GET {path} HTTP/1.0\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        text
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.command("stop", &[]);
    }
}

#[test]
fn three_nodes_a_query_a_kill_and_the_same_answer() {
    let cluster = Cluster::start("3");
    cluster.becomes_ready();
    let load = format!("CREATE TABLE orders AS SELECT * FROM '{}/orders.parquet';", tpch_folder().display());
    succeeds(&cluster.sql(&load));
    let query = "SELECT o_orderpriority, count(*) AS n FROM orders GROUP BY 1 ORDER BY 1;";
    let before = succeeds(&cluster.sql(query));
    assert_eq!(before.lines().count(), 6, "{before}");

    // The shell's session is on the first node, which goes away under it.
    let kill = format!("\\! {} cluster kill 1 --dir {}\n", program().display(), cluster.path().display());
    let output = cluster.sql(&format!("USE main;\n{query}\n{kill}{query}\nINSERT INTO orders SELECT * FROM orders LIMIT 10;\nSELECT count(*) AS n FROM orders;"));
    let said = succeeds(&output);
    assert!(said.starts_with(&format!("{before}{before}")), "{said}");
    assert!(said.ends_with("n\n15010\n"), "{said}");
    assert!(stderr(&output).contains("went away; the session goes on at"), "{}", stderr(&output));
    assert_eq!(cluster.command("status", &[]).status.code(), Some(3), "one is stopped");

    succeeds(&cluster.command("restart", &["n1"]));
    cluster.becomes_ready();
    assert_eq!(succeeds(&cluster.sql(query)).lines().count(), 6);
    assert!(succeeds(&cluster.command("logs", &["1"])).contains("node"));
}

#[test]
fn a_cluster_in_the_folder_where_one_is_need_not_be_named() {
    let here = tempfile::tempdir().unwrap();
    let nodes = || {
        let mut command = Command::new(program());
        command.args(["cluster", "nodes"]).env_remove("NYALA_CONNECT").current_dir(here.path());
        command.output().unwrap()
    };
    let unnamed = nodes();
    assert_eq!(unnamed.status.code(), Some(1), "{}", stdout(&unnamed));
    assert!(stderr(&unnamed).contains("nyala cluster start"), "{}", stderr(&unnamed));

    let cluster = Cluster::start("1");
    std::os::unix::fs::symlink(cluster.path(), here.path().join("nyala-cluster")).unwrap();
    assert!(succeeds(&nodes()).contains("n1"));
}

#[test]
fn whose_query_is_killed_is_told() {
    let cluster = Cluster::start("2");
    let endless = "SELECT count(*) FROM generate_series(1, 3000000) a(x), generate_series(1, 3000000) b(y) WHERE x * y % 7 = 3";
    let victim = Command::new(program())
        .args(["sql", "--connect", &cluster.addresses, "-c", endless])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let find = "SELECT id FROM system.queries WHERE state = 'running' AND sql LIKE '%3000000) b(y)%' AND sql NOT LIKE '%system.queries%';";
    let until = Instant::now() + PATIENCE;
    let id = loop {
        let found = succeeds(&cluster.sql(find));
        if let Some(id) = found.lines().nth(1) {
            break id.to_owned();
        }
        assert!(Instant::now() < until, "the query is not seen");
        std::thread::sleep(Duration::from_millis(50));
    };
    succeeds(&cluster.sql(&format!("KILL QUERY '{id}';")));
    let output = victim.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(3), "{}", stderr(&output));
    assert!(stderr(&output).contains("the query was killed"), "{}", stderr(&output));
}

#[test]
fn commands_and_errors_are_as_embedded() {
    let cluster = Cluster::start("2");
    let connect = ["--connect", cluster.addresses.as_str()];
    let with = |arguments: &[&str], input: &str| {
        let mut all = vec!["cluster"];
        all.extend(arguments);
        all.extend(connect);
        run(&all, input)
    };
    let nodes = succeeds(&with(&["nodes"], ""));
    assert!(nodes.contains("n1") && nodes.contains("n2") && nodes.contains("active"), "{nodes}");
    let by_folder = succeeds(&cluster.command("nodes", &[]));
    assert!(by_folder.contains("n2"), "its folder names a cluster as well: {by_folder}");
    assert!(succeeds(&with(&["upgrade-check"], "")).contains("all nodes run the same version"));
    assert!(stderr(&with(&["drain", "nobody"], "")).contains("nobody"));

    let output = cluster.sql("SELECT 1 AS a;\nSELECT\n  b FROM (SELECT 1 AS a) t;");
    assert_eq!(output.status.code(), Some(3));
    assert!(stdout(&output).starts_with("a\n1\n"));
    let told = stderr(&output);
    assert!(told.contains("42703") && told.contains("standard input:3") && told.contains('^'), "{told}");

    let said = succeeds(&run(
        // The folder stands for its addresses.
        &["--connect", cluster.path().to_str().unwrap(), "--format", "csv", "--set", "batch_rows=100"],
        "BEGIN;\nCREATE TABLE t AS SELECT 1 AS a;\nROLLBACK;\nSHOW batch_rows;\nCREATE TABLE t AS SELECT 2 AS a;\nSELECT * FROM t;",
    ));
    assert!(said.contains("100") && said.ends_with("a\n2\n"), "{said}");
    let whose = "SELECT current_user, bool_or(user_name = current_user) AS seen FROM system.queries";
    let arguments =
        ["--connect", cluster.addresses.as_str(), "--user", "ann", "--format", "csv", "-c", whose];
    assert_eq!(succeeds(&run(&arguments, "")), "current_user,seen\nann,true\n");
    let metrics = cluster.http(1, "/metrics");
    for name in dashboard_metrics() {
        assert!(metrics.contains(&format!("\n{name}")), "{name} is not told:\n{metrics}");
    }
    assert!(cluster.http(1, "/ready").contains("200 OK"));
}

#[test]
fn nobody_there_is_a_connection_error() {
    let output = run(&["--connect", "127.0.0.1:1", "-c", "SELECT 1"], "");
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    assert!(stderr(&output).contains("127.0.0.1:1"), "{}", stderr(&output));
    let output = run(&["--connect", "nonsense", "-c", "SELECT 1"], "");
    assert_eq!(output.status.code(), Some(1), "{}", stderr(&output));
    let output = run(&["cluster", "status", "--dir", "/no/such/folder"], "");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cluster start"), "{}", stderr(&output));
}
