//! Who is taken, and that two hosts have one connection whatever happens.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::Transport;
use nyala_rpc::tls::{Tls, certificates};
use nyala_rpc::{ClientConfig, Limits, RpcConfig, connect};
use nyala_schema::cluster::{NodeId, Peer, ProtocolVersions};
use nyala_schema::{Error, ErrorCode};

use crate::support::*;

/// Connections between the listeners of two nodes, as the system counts them. Each has two ends on this machine.
fn sockets(a: &Peer, b: &Peer) -> usize {
    const ESTABLISHED: &str = "01";
    let ports: Vec<String> = [a, b]
        .iter()
        .map(|peer| format!(":{:04X}", peer.address.rsplit(':').next().unwrap().parse::<u16>().unwrap()))
        .collect();
    let table = std::fs::read_to_string("/proc/net/tcp").expect("Linux tells");
    let is_ours = |line: &&str| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        fields[3] == ESTABLISHED && ports.iter().any(|port| fields[1].ends_with(port))
    };
    table.lines().skip(1).filter(is_ours).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nodes_that_dial_each_other_at_once_keep_one_connection_and_lose_no_call() {
    for round in 0..40 {
        let reactors = 1 + round % 2;
        let (a, b) = (
            start(RpcConfig { reactors, ..config(1 + u64::from(round % 3 == 0)) }),
            start(RpcConfig { reactors, ..config(2 - u64::from(round % 3 == 0)) }),
        );
        let calls: Vec<_> = (0..20)
            .map(|at| {
                let (from, to) = if at % 2 == 0 { (&a, &b) } else { (&b, &a) };
                let (transport, to) = (from.transport.clone(), to.transport.local().clone());
                tokio::spawn(async move {
                    if at == 4 || at == 5 {
                        transport.dial(&to.address).await.map(|id| assert_eq!(id, to.id))?;
                    }
                    transport.call(&to, ECHO, Bytes::from_static(b"x")).await
                })
            })
            .collect();
        for call in calls {
            assert_eq!(call.await.unwrap().unwrap(), "x");
        }
        let (peer_a, peer_b) = (a.transport.local(), b.transport.local());
        until(|| sockets(peer_a, peer_b) == 1).await;
        assert_eq!(echo(&a, &b, "y").await.unwrap(), "y");
        assert_eq!(echo(&b, &a, "y").await.unwrap(), "y");
        // The table is not read in one moment: one look may miss a socket.
        until(|| sockets(peer_a, peer_b) == 1).await;
        assert_eq!((a.transport.connections().len(), b.transport.connections().len()), (1, 1));
        assert!(a.node.seen.lock().unwrap().gone.is_empty());
        assert!(b.node.seen.lock().unwrap().gone.is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dialling_says_who_is_there() {
    let (a, b) = (start(config(1)), start(config(2)));
    assert_eq!(a.transport.dial(&b.transport.local().address).await.unwrap(), NodeId(2));
    assert_eq!(a.transport.dial(&b.transport.local().address).await.unwrap(), NodeId(2));
    assert_eq!(a.transport.dial(&a.transport.local().address).await.unwrap(), NodeId(1), "itself");
    assert_eq!(b.transport.dial(&a.transport.local().address).await.unwrap(), NodeId(1));
    assert_eq!(a.transport.connections().len(), 1);
    let error = a.transport.dial("127.0.0.1:1").await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("127.0.0.1:1"), "{error}");
}

/// Both ways of dialling fail, with the same reason.
async fn refused(a: &Running, b: &Running, reason: &str) {
    for (from, to) in [(a, b), (b, a)] {
        let error = from.transport.dial(&to.transport.local().address).await.unwrap_err();
        check(&error, reason);
        let error = from.transport.call(to.transport.local(), ECHO, Bytes::new()).await.unwrap_err();
        check(&error, reason);
    }
    assert!(a.transport.connections().is_empty() && b.transport.connections().is_empty());
    assert!(a.node.seen.lock().unwrap().callers.is_empty());
}

fn check(error: &Error, reason: &str) {
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains(reason), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_cluster_is_refused() {
    let a = start(config(1));
    let b = start(RpcConfig { cluster: "other".into(), ..config(2) });
    refused(&a, &b, "wrong cluster: ").await;
    let client =
        ClientConfig { user: "ann".into(), cluster: Some("other".into()), ..ClientConfig::default() };
    let error = connect(&a.transport.local().address, client).await.err().unwrap();
    check(&error, "wrong cluster: ");

    let (c, d) = (
        start(RpcConfig { cluster_id: Some(5), ..config(3) }),
        start(RpcConfig { cluster_id: Some(6), ..config(4) }),
    );
    refused(&c, &d, "different ones").await;
    // One that does not know yet learns.
    assert_eq!(a.transport.cluster_id(), None);
    echo(&a, &c, "hello").await.unwrap();
    assert_eq!(a.transport.cluster_id(), Some(5));
    let error = d.transport.dial(&a.transport.local().address).await.unwrap_err();
    check(&error, "different ones");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neighbouring_versions_work_together_and_others_are_refused() {
    let versions = |min, max| ProtocolVersions { min, max };
    let (old, mid, new) = (
        start(RpcConfig { protocol: versions(1, 1), ..config(1) }),
        start(RpcConfig { protocol: versions(1, 2), ..config(2) }),
        start(RpcConfig { protocol: versions(2, 3), ..config(3) }),
    );
    echo(&old, &mid, "hello").await.unwrap();
    echo(&mid, &new, "hello").await.unwrap();
    assert_eq!(old.transport.connections()[0].protocol, 1);
    assert_eq!(new.transport.connections()[0].protocol, 2);
    let error = old.transport.dial(&new.transport.local().address).await.unwrap_err();
    check(&error, "wrong version: one side speaks versions 2 to 3 of the protocol, the other 1 to 1");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_earlier_run_of_a_node_is_fenced_off() {
    let a = start(config(1));
    let old = start(RpcConfig { incarnation: 5, ..config(2) });
    let new = start(RpcConfig { incarnation: 6, ..config(2) });
    echo(&old, &a, "hello").await.unwrap();
    echo(&new, &a, "hello").await.unwrap();
    a.node.wait(|seen| seen.gone == [NodeId(2)]).await;
    old.node.wait(|seen| seen.gone == [NodeId(1)]).await;
    let error = echo(&old, &a, "again").await.unwrap_err();
    check(&error, "run 6 is known");
    assert_eq!(echo(&new, &a, "still").await.unwrap(), "still");
    let error = a.transport.call(old.transport.local(), ECHO, Bytes::new()).await;
    // The address is the old one's, the connection the new one's.
    assert!(error.is_ok());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_answers_must_be_whom_was_asked_for() {
    let (a, b) = (start(config(1)), start(config(2)));
    let wrong = Peer { id: NodeId(3), address: b.transport.local().address.clone() };
    let error = a.transport.call(&wrong, ECHO, Bytes::new()).await.unwrap_err();
    check(&error, "answers there, not node 0000000000000003");
    let copy = start(RpcConfig { incarnation: 9, ..config(1) });
    let error = a.transport.dial(&copy.transport.local().address).await.unwrap_err();
    check(&error, "another process runs there as node 0000000000000001");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_tls_only_loopback_is_listened_on() {
    let open = RpcConfig { listen: "0.0.0.0:0".into(), ..config(1) };
    let start = |config| nyala_rpc::RpcTransport::start(config, node()).map(|_| ());
    let error = start(open.clone()).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    assert!(error.hint().unwrap().contains("cluster certs"));
    let unreachable = start(RpcConfig { insecure: true, ..open.clone() }).unwrap_err();
    assert!(unreachable.message().contains("no address"), "{unreachable}");
    start(RpcConfig { insecure: true, address: Some("here:1".into()), ..open }).unwrap();
    let error = start(RpcConfig { listen: "nowhere.invalid:1".into(), ..config(1) }).unwrap_err();
    assert!(error.message().contains("nowhere.invalid:1"), "{error}");
}

struct Certificates {
    folder: tempfile::TempDir,
}

impl Certificates {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let made = certificates(folder.path(), &["a".into(), "b".into()], &["ann".into()]).unwrap();
        assert_eq!(made.len(), 2 + 3 * 2 + 2);
        Self { folder }
    }

    fn of(&self, name: &str) -> Tls {
        Tls::of_folder(self.folder.path(), name).unwrap()
    }

    fn node(&self, id: u64, name: &str) -> Running {
        start(RpcConfig { tls: Some(self.of(name)), ..config(id) })
    }

    fn client(&self, name: &str, user: &str) -> ClientConfig {
        ClientConfig { user: user.into(), tls: Some(self.of(name)), ..ClientConfig::default() }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_certificates_all_is_encrypted() {
    let certificates = Certificates::new();
    let (a, b) = (certificates.node(1, "a"), certificates.node(2, "b"));
    assert_eq!(echo(&a, &b, "hello").await.unwrap(), "hello");
    assert!(a.transport.connections()[0].is_encrypted);
    let out = a.transport.open(b.transport.local(), stream(0));
    let mut outcomes = Vec::new();
    for seed in 0..10 {
        let (receipt, outcome) = receipt();
        out.push(batch(seed, 700_001), receipt);
        outcomes.push(outcome);
    }
    for outcome in outcomes {
        outcome.await.unwrap().unwrap();
    }
    let named = |name: &str| certificates.of(name).user().map(str::to_owned);
    assert_eq!((named("ann"), named("client"), named("a")), (Some("ann".to_owned()), None, None));
    for (name, user) in [("ann", "ann"), ("client", "ann"), ("client", "bob")] {
        let client = certificates.client(name, user);
        let connection = connect(&a.transport.local().address, client).await.unwrap();
        assert_eq!(connection.call(ECHO, Bytes::from_static(b"x")).await.unwrap(), "x");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_certificates_are_refused() {
    let (ours, others) = (Certificates::new(), Certificates::new());
    let (a, foreign) = (ours.node(1, "a"), others.node(2, "b"));
    refused(&a, &foreign, "certificate").await;
    // A user's certificate makes no node, and another user's no user.
    let pretender = ours.node(3, "ann");
    let error = pretender.transport.dial(&a.transport.local().address).await.unwrap_err();
    check(&error, "wrong certificate: it is not the certificate of a node");
    let error = a.transport.dial(&pretender.transport.local().address).await.unwrap_err();
    check(&error, "wrong certificate");
    let error = connect(&a.transport.local().address, ours.client("ann", "bob")).await.err().unwrap();
    check(&error, "wrong certificate: it is not good for user 'bob'");
    let error = connect(&a.transport.local().address, others.client("ann", "ann")).await.err().unwrap();
    check(&error, "certificate");
    // With and without.
    let limits = Limits { hello_limit: Duration::from_millis(500), ..Limits::default() };
    let plain = start(RpcConfig { limits, ..config(4) });
    for (from, to) in [(&plain, &a), (&a, &plain)] {
        let error = from.transport.dial(&to.transport.local().address).await.unwrap_err();
        assert_eq!(error.code(), ErrorCode::Connection);
    }
    assert_eq!(echo(&a, &a, "fine").await.unwrap(), "fine");
    assert_eq!(echo(&ours.node(5, "b"), &a, "fine").await.unwrap(), "fine");
}

#[test]
fn the_authority_is_kept_and_keys_are_their_owners_only() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
    certificates(folder.path(), &["a".into()], &[]).unwrap();
    let (authority, first) = (read("ca.pem"), read("a.pem"));
    certificates(folder.path(), &["a".into(), "c".into()], &[]).unwrap();
    assert_eq!(read("ca.pem"), authority);
    assert_ne!(read("a.pem"), first);
    for key in ["ca-key.pem", "a-key.pem", "client-key.pem"] {
        let mode = std::fs::metadata(folder.path().join(key)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    for name in ["", "ca", "../x", ".a"] {
        let error = certificates(folder.path(), &[name.into()], &[]).unwrap_err();
        assert_eq!(error.code(), ErrorCode::InvalidParameter);
    }
    let error = certificates(folder.path(), &[], &["x".repeat(32)]).unwrap_err();
    assert_eq!(error.code(), ErrorCode::InvalidParameter);
    let error = Tls::of_folder(folder.path(), "nobody").unwrap_err();
    assert_eq!(error.code(), ErrorCode::FileAccess);
    assert!(error.message().contains("nobody.pem"));
    std::fs::write(folder.path().join("bad.pem"), "no certificate").unwrap();
    let read = |certificate: &str| {
        let file = |name: &str| folder.path().join(name);
        Tls::read(&file("ca.pem"), &file(certificate), &file("a-key.pem"))
    };
    assert_eq!(read("bad.pem").unwrap_err().code(), ErrorCode::InvalidParameter);
    assert_eq!(read("c.pem").unwrap_err().code(), ErrorCode::InvalidParameter, "another one's key");
    assert!(Path::new(folder.path()).exists());
}
