//! Recorded sessions, damaged in thousands of ways and played to a node: whatever comes of their own connection, the node
//! serves others, and nothing of theirs stays.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{StreamPart, Transport};
use nyala_rpc::{ClientConfig, Limits, RpcConfig, connect};
use nyala_schema::cluster::{NodeId, Peer};
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

const DAMAGED_SESSIONS: usize = 3000;
/// Played at the same time.
const AT_ONCE: usize = 16;

/// What a dialler sends to a node, recorded on the way.
async fn record(node: &Running, talk: impl AsyncFnOnce(String)) -> Vec<u8> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let far = node.transport.local().address.clone();
    let tape = Arc::new(Mutex::new(Vec::new()));
    let recorded = tape.clone();
    let recorder = tokio::spawn(async move {
        let (near, _) = listener.accept().await.unwrap();
        let far = TcpStream::connect(far).await.unwrap();
        let (mut near_in, mut near_out) = near.into_split();
        let (mut far_in, mut far_out) = far.into_split();
        let back = tokio::spawn(async move { tokio::io::copy(&mut far_in, &mut near_out).await });
        let mut buffer = vec![0; 64 << 10];
        loop {
            let count = near_in.read(&mut buffer).await.unwrap_or(0);
            if count == 0 {
                break;
            }
            recorded.lock().unwrap().extend_from_slice(&buffer[..count]);
            if far_out.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
        drop(far_out);
        let _ = back.await;
    });
    talk(here).await;
    let _ = tokio::time::timeout(Duration::from_secs(5), recorder).await;
    let tape = tape.lock().unwrap();
    assert!(tape.len() > 500, "something was said: {} bytes", tape.len());
    tape.clone()
}

async fn node_session(node: &Running) -> Vec<u8> {
    record(node, async |address| {
        let dialler = start(config(50));
        let peer = Peer { id: node.transport.local().id, address };
        dialler.transport.call(&peer, ECHO, Bytes::from(vec![1; 300])).await.unwrap();
        let _ = dialler.transport.call(&peer, FAIL, Bytes::new()).await;
        let hanging = dialler.transport.call(&peer, HANG, Bytes::new());
        let _ = tokio::time::timeout(Duration::from_millis(20), hanging).await;
        for at in 0..3 {
            let out = dialler.transport.open(&peer, stream(at));
            let parts = [batch(1, 200), batch(2, 20_000), StreamPart::End];
            for part in parts {
                let (receipt, outcome) = receipt();
                out.push(part, receipt);
                outcome.await.unwrap().unwrap();
            }
        }
        dialler.transport.shutdown();
    })
    .await
}

async fn client_session(node: &Running) -> Vec<u8> {
    record(node, async |address| {
        let client = ClientConfig { user: "ann".into(), ..ClientConfig::default() };
        let connection = connect(&address, client).await.unwrap();
        for size in [0, 10, 10_000] {
            connection.call(ECHO, Bytes::from(vec![2; size])).await.unwrap();
        }
    })
    .await
}

/// Flips, cuts, doubles, moves.
fn damage(session: &[u8], random: &mut SmallRng) -> Vec<u8> {
    let mut bytes = session.to_vec();
    for _ in 0..random.gen_range(1..4) {
        let at = random.gen_range(0..bytes.len());
        let word = at / 8 * 8;
        match random.gen_range(0..8) {
            0 => bytes[at] ^= 1 << random.gen_range(0..8),
            1 => bytes[at] = random.r#gen(),
            2 => bytes.truncate(at.max(1)),
            3 => {
                let end = (word + 8 * random.gen_range(1..64)).min(bytes.len());
                let again = bytes[word..end].to_vec();
                bytes.splice(word..word, again);
            }
            4 => {
                let end = (word + 8 * random.gen_range(1..16)).min(bytes.len());
                bytes.drain(word..end);
                if bytes.is_empty() {
                    bytes.push(0);
                }
            }
            5 => {
                let end = (word + 8).min(bytes.len());
                bytes[word..end].fill(if random.r#gen() { 0xFF } else { 0 });
            }
            6 => {
                let from = random.gen_range(0..bytes.len()) / 8 * 8;
                let end = (from + 8).min(bytes.len());
                let copy = bytes[from..end].to_vec();
                let length = copy.len().min(bytes.len() - word);
                bytes[word..word + length].copy_from_slice(&copy[..length]);
            }
            _ => bytes[word] = bytes[word].wrapping_add(1),
        }
    }
    bytes
}

/// Sends all of it, and reads until the other side has closed.
async fn play(address: &str, bytes: &[u8]) {
    let socket = TcpStream::connect(address).await.unwrap();
    let (mut from, mut to) = socket.into_split();
    let write = async {
        let _ = to.write_all(bytes).await;
        let _ = to.shutdown().await;
    };
    let read = async {
        let mut sink = tokio::io::sink();
        let _ = tokio::io::copy(&mut from, &mut sink).await;
    };
    let both = async { tokio::join!(write, read) };
    tokio::time::timeout(Duration::from_secs(20), both).await.expect("the connection is closed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_sessions_disturb_nobody() {
    let limits = Limits { hello_limit: Duration::from_secs(2), ..Limits::default() };
    let node = start(RpcConfig { limits, ..config(1) });
    let friend = start(config(2));
    echo(&friend, &node, "hello").await.unwrap();
    // Each connection has one.
    let handles = Arc::strong_count(&node.node);
    let sessions = [node_session(&node).await, client_session(&node).await];
    let mut random = SmallRng::seed_from_u64(20_261_126);
    let address = node.transport.local().address.clone();
    for round in 0..DAMAGED_SESSIONS / AT_ONCE {
        let played: Vec<_> = (0..AT_ONCE)
            .map(|at| {
                let bytes = damage(&sessions[at % sessions.len()], &mut random);
                let address = address.clone();
                tokio::spawn(async move { play(&address, &bytes).await })
            })
            .collect();
        for session in played {
            session.await.unwrap();
        }
        if round % 16 == 0 {
            assert_eq!(echo(&friend, &node, "undisturbed").await.unwrap(), "undisturbed");
        }
    }
    assert!(friend.node.seen.lock().unwrap().gone.is_empty(), "one connection all the time");
    assert!(!node.node.seen.lock().unwrap().gone.contains(&NodeId(2)));
    until(|| node.transport.connections().len() == 1).await;
    node.node.wait(|seen| seen.hanging == 0).await;
    until(|| Arc::strong_count(&node.node) == handles).await;
}
