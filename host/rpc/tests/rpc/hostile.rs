//! Peers that do what they should not: their own connection ends, nothing else is disturbed.

use std::time::{Duration, Instant};

use bytes::Bytes;
use nyala_exchange::Transport;
use nyala_rpc::{ClientConfig, RpcConfig, connect};
use nyala_schema::ErrorCode;
use nyala_schema::cluster::{NodeId, Peer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::support::*;

async fn closed(socket: &mut TcpStream) -> usize {
    let mut answer = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answer));
    // A reset ends it as well.
    let _ = read.await.expect("it is closed in time");
    answer.len()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_of_another_protocol_close_their_connection_only() {
    let (a, b) = (start(RpcConfig { limits: impatient(), ..config(1) }), start(config(2)));
    echo(&b, &a, "hello").await.unwrap();
    let gigabytes = [0_u32.to_le_bytes(), u32::MAX.to_le_bytes()].concat();
    let segments = u32::MAX.to_le_bytes().repeat(2);
    let endless = [0_u32.to_le_bytes(), 1_u32.to_le_bytes(), [0; 4], [0; 4]].concat().repeat(1 << 14);
    let requests: [&[u8]; 6] = [
        b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
        b"SSH-2.0-OpenSSH_9.2\r\n",
        &[0xFF; 4096],
        &gigabytes,
        &segments,
        &endless,
    ];
    for request in requests {
        let mut socket = TcpStream::connect(&a.transport.local().address).await.unwrap();
        let _ = socket.write_all(request).await;
        closed(&mut socket).await;
        assert_eq!(echo(&b, &a, "undisturbed").await.unwrap(), "undisturbed");
    }
    assert!(b.node.seen.lock().unwrap().gone.is_empty());
    assert_eq!(a.transport.connections().len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn silence_and_half_messages_are_waited_for_so_long() {
    let a = start(RpcConfig { limits: impatient(), ..config(1) });
    let half = [0_u32.to_le_bytes(), 16_u32.to_le_bytes(), [0; 4]].concat();
    for request in [&[] as &[u8], &[0], &half] {
        let begun = Instant::now();
        let mut socket = TcpStream::connect(&a.transport.local().address).await.unwrap();
        socket.write_all(request).await.unwrap();
        closed(&mut socket).await;
        assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_accepts_and_never_answers_is_given_up() {
    let a = start(RpcConfig { limits: impatient(), ..config(1) });
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer = Peer { id: NodeId(7), address: listener.local_addr().unwrap().to_string() };
    let begun = Instant::now();
    let error = a.transport.call(&peer, ECHO, Bytes::new()).await.unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("in time"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[derive(Clone, Copy, PartialEq)]
enum Carries {
    Once,
    /// As a cable that is pulled: both ends stay open.
    Nothing,
    /// From the far end to the near one.
    Twice,
}

/// Passes bytes on, as it is told.
struct Cable {
    address: String,
    told: tokio::sync::watch::Sender<Carries>,
}

impl Cable {
    async fn to(address: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (told, tell) = tokio::sync::watch::channel(Carries::Once);
        let here = listener.local_addr().unwrap().to_string();
        tokio::spawn(async move {
            while let Ok((near, _)) = listener.accept().await {
                let far = TcpStream::connect(&address).await.unwrap();
                let (near_in, near_out) = near.into_split();
                let (far_in, far_out) = far.into_split();
                tokio::spawn(carry(near_in, far_out, tell.clone(), false));
                tokio::spawn(carry(far_in, near_out, tell.clone(), true));
            }
        });
        Self { address: here, told }
    }
}

async fn carry(
    mut from: tokio::net::tcp::OwnedReadHalf,
    mut to: tokio::net::tcp::OwnedWriteHalf,
    mut tell: tokio::sync::watch::Receiver<Carries>,
    is_back: bool,
) {
    let mut buffer = vec![0; 64 << 10];
    loop {
        let carries = *tell.borrow_and_update();
        if carries == Carries::Nothing {
            if tell.changed().await.is_err() {
                return;
            }
            continue;
        }
        let count = tokio::select! {
            read = from.read(&mut buffer) => read.unwrap_or(0),
            changed = tell.changed() => if changed.is_err() { return } else { continue },
        };
        let times = if is_back && carries == Carries::Twice { 2 } else { 1 };
        for _ in 0..times {
            if count == 0 || to.write_all(&buffer[..count]).await.is_err() {
                return;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_answers_twice_loses_its_connection_only() {
    let (a, b, c) = (start(config(1)), start(config(2)), start(config(3)));
    echo(&a, &c, "hello").await.unwrap();
    let cable = Cable::to(b.transport.local().address.clone()).await;
    let peer = Peer { id: NodeId(2), address: cable.address.clone() };
    a.transport.call(&peer, ECHO, Bytes::new()).await.unwrap();
    cable.told.send_replace(Carries::Twice);
    // The first answer may be taken before the second one comes.
    let _ = a.transport.call(&peer, ECHO, Bytes::new()).await;
    a.node.wait(|seen| seen.gone == [NodeId(2)]).await;
    assert_eq!(echo(&a, &c, "undisturbed").await.unwrap(), "undisturbed");
    assert!(c.node.seen.lock().unwrap().gone.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_peer_that_stops_fails_everything_within_the_heartbeat_limit() {
    let a = start(RpcConfig { limits: impatient(), ..config(1) });
    let b = start_with(RpcConfig { limits: impatient(), ..config(2) }, node_that_holds(|_| true));
    let cable = Cable::to(b.transport.local().address.clone()).await;
    let peer = Peer { id: NodeId(2), address: cable.address.clone() };
    let out = a.transport.open(&peer, stream(0));
    let (receipt, outcome) = receipt();
    out.push(batch(1, 100), receipt);
    let (transport, to) = (a.transport.clone(), peer.clone());
    let call = tokio::spawn(async move { transport.call(&to, HANG, Bytes::new()).await });
    b.node.wait(|seen| seen.hanging == 1 && seen.held.len() == 1).await;
    cable.told.send_replace(Carries::Nothing);
    let begun = Instant::now();
    let error = call.await.unwrap().unwrap_err();
    assert_eq!(error.code(), ErrorCode::Connection);
    assert!(error.message().contains("no sign of life"), "{error}");
    assert_eq!(outcome.await.unwrap().unwrap_err().code(), ErrorCode::Connection);
    assert!(begun.elapsed() < Duration::from_secs(4));
    a.node.wait(|seen| seen.gone == [NodeId(2)]).await;
    b.node.wait(|seen| seen.gone == [NodeId(1)] && seen.hanging == 0).await;
    cable.told.send_replace(Carries::Once);
    assert_eq!(a.transport.call(&peer, ECHO, Bytes::from_static(b"back")).await.unwrap(), "back");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_was_heard_all_the_time_is_missed_when_it_stops() {
    let a = start(RpcConfig { limits: impatient(), ..config(1) });
    let cable = Cable::to(a.transport.local().address.clone()).await;
    let client = ClientConfig { user: "ann".into(), limits: impatient(), ..ClientConfig::default() };
    let client = connect(&cable.address, client).await.unwrap();
    let begun = Instant::now();
    while begun.elapsed() < impatient().heartbeat_every * 10 {
        client.call(ECHO, Bytes::from_static(b"here")).await.unwrap();
    }
    cable.told.send_replace(Carries::Nothing);
    let begun = Instant::now();
    let error = client.closed().await;
    assert!(error.message().contains("no sign of life"), "{error}");
    a.node.wait(|seen| seen.clients_gone.len() == 1).await;
    assert!(begun.elapsed() < Duration::from_secs(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_client_that_says_nothing_stays_connected() {
    let a = start(RpcConfig { limits: impatient(), ..config(1) });
    let client = ClientConfig { user: "ann".into(), limits: impatient(), ..ClientConfig::default() };
    let client = connect(&a.transport.local().address, client).await.unwrap();
    let heard = || a.transport.connections()[0].bytes_received;
    let before = heard();
    tokio::time::sleep(impatient().heartbeat_limit * 3).await;
    assert!(heard() > before, "it was not asked whether it lives");
    assert_eq!(client.call(ECHO, Bytes::from_static(b"back")).await.unwrap(), "back");
}
