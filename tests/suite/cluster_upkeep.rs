//! What those who run a cluster do with it: drain a node, take one out, look whether it can be upgraded, use certificates.

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use nyala_tests::{LocalCluster, program};

fn nyala(arguments: &[&str]) -> Output {
    Command::new(program()).args(arguments).output().unwrap()
}

#[track_caller]
fn succeeds(output: &Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn states(addresses: &str) -> String {
    let sql = "SELECT name, state FROM system.nodes ORDER BY name";
    let rows = succeeds(&nyala(&["sql", "--connect", addresses, "--format", "csv", "-c", sql]));
    rows.lines().skip(1).collect::<Vec<_>>().join(" ")
}

/// What a node says of itself takes a moment to go round.
#[track_caller]
fn become_states(addresses: &str, wanted: &str) {
    let until = Instant::now() + Duration::from_secs(60);
    while states(addresses) != wanted {
        assert!(Instant::now() < until, "{} instead of {wanted}", states(addresses));
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn nodes_are_drained_come_back_and_are_taken_out() {
    let folder = tempfile::tempdir().unwrap();
    let cluster = LocalCluster::start(folder.path(), 3, &["--threads", "1"]);
    // The two that stay.
    let addresses = [&cluster.addresses()[0], &cluster.addresses()[1]].map(String::as_str).join(",");
    let sql = "CREATE TABLE t (n BIGINT); INSERT INTO t VALUES (1), (2)";
    succeeds(&nyala(&["sql", "--connect", &addresses, "-c", sql]));
    let check = succeeds(&nyala(&["cluster", "upgrade-check", "--connect", &addresses]));
    assert!(check.contains("n1") && check.contains("n3"), "{check}");

    succeeds(&nyala(&["cluster", "drain", "n2", "--within", "5s", "--connect", &addresses]));
    become_states(&addresses, "n1,active n2,draining n3,active");
    let count = ["sql", "--connect", &addresses, "--format", "csv", "-c", "SELECT count(*) AS n FROM t"];
    assert_eq!(succeeds(&nyala(&count)), "n\n2\n");
    cluster.restart(2);
    become_states(&addresses, "n1,active n2,active n3,active");

    cluster.kill(3);
    become_states(&addresses, "n1,active n2,active n3,down");
    let log = succeeds(&nyala(&["cluster", "logs", "1", "--dir", &folder.path().display().to_string()]));
    assert!(log.contains("a node leads the catalog") && log.contains("a node is down name=\"n3\""), "{log}");
    // By then it has been tried dozens of times.
    assert!(log.matches("could not connect").count() < 10, "{log}");
    succeeds(&nyala(&["cluster", "remove", "n3", "--connect", &addresses]));
    become_states(&addresses, "n1,active n2,active");
    let again = nyala(&["cluster", "restart", "3", "--dir", &folder.path().display().to_string()]);
    assert!(!again.status.success(), "a node that was removed does not come back with its old disk");
    assert_eq!(succeeds(&nyala(&count)), "n\n2\n");
}

/// A node in a process of its own; ends with this.
struct NodeProcess {
    child: Child,
    address: String,
}

/// Nodes of one folder, the first of which makes the cluster.
fn node_command(folder: &Path, name: &str, address: &str, join: &str) -> Command {
    let place = |name: &str| folder.join(name).display().to_string();
    let mut command = Command::new(program());
    command.args(["node", "--data", &place(name), "--name", name, "--listen", address, "--join", join]);
    command.args(["--warehouse", &place("warehouse"), "--threads", "1"]);
    command
}

impl NodeProcess {
    fn secure(folder: &Path, name: &str, address: &str, join: &str) -> Self {
        let place = |name: &str| folder.join(name).display().to_string();
        let mut command = node_command(folder, name, address, join);
        command.args(["--tls-ca", &place("certs/ca.pem")]);
        command.args(["--tls-cert", &place(&format!("certs/{name}.example.pem"))]);
        command.args(["--tls-key", &place(&format!("certs/{name}.example-key.pem"))]);
        Self::start(command, name, address)
    }

    /// Waits until it takes work.
    fn start(mut command: Command, name: &str, address: &str) -> Self {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert!(line.contains(address), "{name} said {line:?}");
        Self { child, address: address.to_owned() }
    }
}

impl Drop for NodeProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn free_address() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[test]
fn certificates_are_needed_where_they_are_used() {
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name).display().to_string();
    std::fs::create_dir(folder.path().join("warehouse")).unwrap();
    let names = ["cluster", "certs", "--dir", &place("certs"), "--names", "n1.example,n2.example"];
    succeeds(&nyala(&names));
    succeeds(&nyala(&["cluster", "certs", "--dir", &place("others"), "--names", "n1.example"]));
    let (first, second) = (free_address(), free_address());
    let nodes = [
        NodeProcess::secure(folder.path(), "n1", &first, &first),
        NodeProcess::secure(folder.path(), "n2", &second, &first),
    ];
    let ask = |node: &NodeProcess, certificates: Option<&str>, sql: &str| {
        let mut command = Command::new(program());
        command.args(["sql", "--connect", &node.address, "--format", "csv", "-q", "-c", sql]);
        if let Some(folder) = certificates {
            command.args(["--tls-ca", &place(&format!("{folder}/ca.pem"))]);
            command.args(["--tls-cert", &place(&format!("{folder}/client.pem"))]);
            command.args(["--tls-key", &place(&format!("{folder}/client-key.pem"))]);
        }
        command.output().unwrap()
    };
    succeeds(&ask(&nodes[0], Some("certs"), "CREATE TABLE t AS SELECT 7 AS n"));
    assert_eq!(succeeds(&ask(&nodes[1], Some("certs"), "SELECT n FROM t")), "n\n7\n");
    let encrypted = "SELECT count(*) AS n FROM system.connections WHERE NOT is_encrypted";
    assert_eq!(succeeds(&ask(&nodes[0], Some("certs"), encrypted)), "n\n0\n");
    for refused in [None, Some("others")] {
        assert!(!ask(&nodes[0], refused, "SELECT 1").status.success(), "{refused:?}");
    }
    // Who was refused has disturbed nobody.
    assert_eq!(succeeds(&ask(&nodes[0], Some("certs"), "SELECT n FROM t")), "n\n7\n");
}

#[test]
fn nodes_of_two_versions_work_together_and_a_third_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("warehouse")).unwrap();
    let (first, second, third) = (free_address(), free_address(), free_address());
    let start = |name: &str, address: &str, version: Option<&str>| {
        let mut command = node_command(folder.path(), name, address, &first);
        version.iter().for_each(|version| _ = command.args(["--allow-faults", "--claim-protocol", version]));
        NodeProcess::start(command, name, address)
    };
    let old = start("n1", &first, None);
    let _new = start("n2", &second, Some("2"));
    let both = format!("{first},{second}");
    become_states(&both, "n1,active n2,active");
    let check = || succeeds(&nyala(&["cluster", "upgrade-check", "--connect", &both]));
    let said = check();
    assert!(said.contains("protocols 1 to 1") && said.contains("protocols 1 to 2"), "{said}");
    assert!(said.contains("restart n1 next"), "{said}");

    // Two versions away from the first.
    let config = folder.path().join("n3.toml");
    std::fs::write(&config, "join_limit = \"3s\"\n").unwrap();
    let mut far = node_command(folder.path(), "n3", &third, &first);
    far.args(["--allow-faults", "--claim-protocol", "3", "--config", &config.display().to_string()]);
    let refused = far.output().unwrap();
    assert!(!refused.status.success());
    let told = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(told.contains("speaks versions") && told.contains("2 to 3"), "{told}");
    become_states(&both, "n1,active n2,active");
    let sql = "CREATE TABLE t AS SELECT 7 AS n; SELECT n FROM t";
    assert_eq!(succeeds(&nyala(&["sql", "--connect", &both, "--format", "csv", "-q", "-c", sql])), "n\n7\n");

    drop(old);
    let _old = start("n1", &first, Some("2"));
    become_states(&both, "n1,active n2,active");
    let said = check();
    assert!(said.contains("all nodes run the same version"), "{said}");
}
