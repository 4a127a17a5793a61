//! Any bytes as what a peer sends, from the first one or after a good hello: its own connection ends sooner or later, and the
//! node goes on serving others.

#![no_main]

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, LazyLock};

use async_trait::async_trait;
use bytes::Bytes;
use libfuzzer_sys::fuzz_target;
use nyala_exchange::{Caller, Handler, Receipt, Service, StreamPart, Taken, Transport};
use nyala_rpc::{ClientConfig, ClientConnection, RpcConfig, RpcTransport, connect};
use nyala_schema::cluster::{NodeId, StreamId};
use nyala_schema::Result;

/// Inputs that are longer find nothing more.
const BYTES_MAX: usize = 64 << 10;

struct Echo;

#[async_trait]
impl Handler for Echo {
    async fn call(&self, _: &Caller, _: Service, request: Bytes) -> Result<Bytes> {
        Ok(request)
    }

    fn receive(&self, _: NodeId, _: StreamId, _: StreamPart, receipt: Receipt) {
        receipt(Ok(Taken::MoreWanted));
    }

    fn disconnected(&self, _: NodeId) {}

    fn client_gone(&self, _: u64) {}
}

struct Fixture {
    runtime: tokio::runtime::Runtime,
    node: Arc<RpcTransport>,
    friend: Arc<ClientConnection>,
    /// What a client sends that says hello and calls once.
    session: Vec<u8>,
}

/// Passes one connection on to a node, and keeps what its client sends.
fn record(to: String) -> (String, std::thread::JoinHandle<Vec<u8>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("binds");
    let here = listener.local_addr().expect("bound").to_string();
    let tape = std::thread::spawn(move || {
        let (mut near, _) = listener.accept().expect("accepts");
        let mut far = TcpStream::connect(to).expect("connects");
        let (mut back_from, mut back_to) = (far.try_clone().expect("two"), near.try_clone().expect("two"));
        std::thread::spawn(move || std::io::copy(&mut back_from, &mut back_to));
        let (mut tape, mut buffer) = (Vec::new(), [0; 4096]);
        while let Ok(count @ 1..) = near.read(&mut buffer) {
            tape.extend_from_slice(&buffer[..count]);
            far.write_all(&buffer[..count]).expect("passed on");
        }
        tape
    });
    (here, tape)
}

static FIXTURE: LazyLock<Fixture> = LazyLock::new(|| {
    let runtime = tokio::runtime::Runtime::new().expect("starts");
    let (node, friend, session) = runtime.block_on(async {
        let node = RpcTransport::start(RpcConfig::local("fuzz", NodeId(1)), Arc::new(Echo)).expect("starts");
        let client = ClientConfig { user: "fuzz".into(), ..ClientConfig::default() };
        let address = node.local().address.clone();
        let (recorder, tape) = record(address.clone());
        let recorded = connect(&recorder, client.clone()).await.expect("connects");
        recorded.call(Service(1), Bytes::from_static(b"call")).await.expect("answers");
        drop(recorded);
        (node, connect(&address, client).await.expect("connects"), tape.join().expect("recorded"))
    });
    Fixture { runtime, node, friend, session }
});

fuzz_target!(|input: (u16, Vec<u8>)| {
    let (kept, bytes) = input;
    let fixture = &*FIXTURE;
    let kept = (kept as usize).min(fixture.session.len());
    let mut socket = TcpStream::connect(&fixture.node.local().address).expect("connects");
    let sent = socket
        .write_all(&fixture.session[..kept])
        .and_then(|()| socket.write_all(&bytes[..bytes.len().min(BYTES_MAX)]))
        .and_then(|()| socket.shutdown(Shutdown::Write));
    // The node may have closed before all was sent, or reset the connection.
    let _ = sent.and_then(|()| socket.read_to_end(&mut Vec::new()));
    let answer = fixture.runtime.block_on(fixture.friend.call(Service(1), Bytes::from_static(b"alive")));
    assert_eq!(answer.expect("the node serves others"), "alive");
});
