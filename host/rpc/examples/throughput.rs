//! How fast batches go from one process to another: raw length-framed TCP, and ours, with and without TLS; and how long a
//! control call takes while bulk saturates the connection. Prints JSON.
//!
//! `cargo run --example throughput -- [MiB per measurement [KiB of bulk under way]]`
//!
//! Of several rounds the best counts. CPU is that of both processes: it says more than the rate on a machine that does other
//! things as well.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use arrow::buffer::Buffer;
use async_trait::async_trait;
use bytes::{BufMut, Bytes};
use nyala_exchange::frame::Body;
use nyala_exchange::{Caller, Frame, Handler, Outgoing, Receipt, Service, StreamPart, Taken, Transport};
use nyala_rpc::tls::{Tls, certificates};
use nyala_rpc::{RpcConfig, RpcTransport};
use nyala_schema::Result;
use nyala_schema::cluster::{Attempt, NodeId, Peer, QueryId, StreamId};
use nyala_schema::id::FragmentId;
use rustls::pki_types::ServerName;
use rustls::pki_types::pem::PemObject;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;

const ECHO: Service = Service(1);
/// Batches of one stream under way.
const CREDITS: usize = 2;
const STREAMS: u32 = 8;
const OPEN_STREAMS: u32 = 3200;
/// Streams that carry nothing but their end.
const SHORT_STREAMS: u32 = 200_000;
const BUFFERS: usize = 8;
const ROUNDS: usize = 3;

struct Sink;

#[async_trait]
impl Handler for Sink {
    async fn call(&self, _: &Caller, _: Service, request: Bytes) -> Result<Bytes> {
        Ok(request)
    }

    fn receive(&self, _: NodeId, _: StreamId, part: StreamPart, receipt: Receipt) {
        drop(part);
        receipt(Ok(Taken::MoreWanted));
    }

    fn disconnected(&self, _: NodeId) {}

    fn client_gone(&self, _: u64) {}
}

fn config(id: u64, folder: Option<&str>) -> RpcConfig {
    let tls = folder.map(|folder| Tls::of_folder(folder.as_ref(), "node").expect("certificates"));
    let mut config = RpcConfig { tls, ..RpcConfig::local("bench", NodeId(id)) };
    if let Some(kib) = std::env::args().nth(2).and_then(|kib| kib.parse::<u64>().ok()) {
        config.limits.bulk_bytes = kib << 10;
    }
    config
}

/// Seconds of CPU that a process has used.
fn cpu_s(process: &str) -> f64 {
    const TICKS_PER_S: f64 = 100.0;
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).expect("Linux tells");
    let fields: Vec<&str> = text.rsplit(')').next().expect("fields").split_whitespace().collect();
    let ticks = |at: usize| fields[at].parse::<f64>().expect("a number");
    (ticks(11) + ticks(12)) / TICKS_PER_S
}

/// The other process: listens, says where, and takes everything.
async fn serve(kind: &str, folder: Option<&str>) {
    if kind == "ours" {
        let transport = RpcTransport::start(config(2, folder), Arc::new(Sink)).expect("starts");
        println!("{}", transport.local().address);
        std::future::pending::<()>().await;
    }
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("binds");
    println!("{}", listener.local_addr().expect("bound"));
    let (stream, _) = listener.accept().await.expect("accepts");
    tune(&stream);
    match folder {
        None => take_raw(stream).await,
        Some(folder) => {
            let acceptor = tokio_rustls::TlsAcceptor::from(raw_server(folder));
            take_raw(acceptor.accept(stream).await.expect("handshake")).await;
        }
    }
}

/// Both ends of raw TCP are as ours are within one machine.
fn tune(stream: &TcpStream) {
    stream.set_nodelay(true).expect("set");
    #[cfg(target_os = "linux")]
    socket2::SockRef::from(stream).set_tcp_congestion(b"reno").expect("set");
}

/// Reads frames into fresh memory, and answers each.
async fn take_raw(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut length = [0; 8];
    while stream.read_exact(&mut length).await.is_ok() {
        let length = u64::from_le_bytes(length) as usize;
        let mut frame = Vec::with_capacity(length);
        while frame.len() < length {
            let rest = length - frame.len();
            stream.read_buf(&mut (&mut frame).limit(rest)).await.expect("a frame");
        }
        stream.write_all(&[1]).await.expect("answers");
        stream.flush().await.expect("flushes");
    }
}

fn raw_server(folder: &str) -> Arc<rustls::ServerConfig> {
    let (chain, key) = identity(folder);
    let config =
        rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_no_client_auth()
            .with_single_cert(chain, key);
    Arc::new(config.expect("fits"))
}

type Identity = (Vec<rustls::pki_types::CertificateDer<'static>>, rustls::pki_types::PrivateKeyDer<'static>);

fn identity(folder: &str) -> Identity {
    let chain = rustls::pki_types::CertificateDer::pem_file_iter(format!("{folder}/node.pem"));
    let key = rustls::pki_types::PrivateKeyDer::from_pem_file(format!("{folder}/node-key.pem"));
    (chain.expect("a file").map(|read| read.expect("a certificate")).collect(), key.expect("a key"))
}

async fn raw_client(address: &str, folder: Option<&str>) -> Box<dyn Both> {
    let stream = TcpStream::connect(address).await.expect("connects");
    tune(&stream);
    let Some(folder) = folder else { return Box::new(stream) };
    let mut roots = rustls::RootCertStore::empty();
    let authority = rustls::pki_types::CertificateDer::from_pem_file(format!("{folder}/ca.pem"));
    roots.add(authority.expect("a file")).expect("fits");
    let config =
        rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_protocol_versions(&[&rustls::version::TLS13])
            .expect("TLS 1.3")
            .with_root_certificates(roots)
            .with_no_client_auth();
    let connector = tokio_rustls::TlsConnector::from(Arc::new(config));
    let name = ServerName::try_from("node.nyala").expect("a name");
    let mut stream = connector.connect(name, stream).await.expect("handshake");
    // A frame is encrypted as a whole, and written by few calls.
    stream.get_mut().1.set_buffer_limit(None);
    Box::new(stream)
}

trait Both: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Both for T {}

/// Frames with 16 under way; GiB per second.
async fn measure_raw(address: &str, folder: Option<&str>, size: usize, total: usize) -> f64 {
    let stream = raw_client(address, folder).await;
    let (mut from, mut to) = tokio::io::split(stream);
    let frame_head = (size as u64).to_le_bytes();
    let window = Arc::new(Semaphore::new(STREAMS as usize * CREDITS));
    let frame = vec![1_u8; size];
    let count = total / size;
    let begun = Instant::now();
    let answers = window.clone();
    let reader = tokio::spawn(async move {
        let mut answers_left = count;
        let mut buffer = [0; 64];
        while answers_left > 0 {
            let read = from.read(&mut buffer).await.expect("answers");
            answers.add_permits(read);
            answers_left -= read;
        }
    });
    for _ in 0..count {
        window.acquire().await.expect("open").forget();
        let mut written = 0;
        while written < frame_head.len() {
            let slices = [std::io::IoSlice::new(&frame_head[written..]), std::io::IoSlice::new(&frame)];
            written += to.write_vectored(&slices).await.expect("written");
        }
        to.write_all(&frame[written - frame_head.len()..]).await.expect("written");
        to.flush().await.expect("flushed");
    }
    reader.await.expect("all answered");
    total as f64 / f64::from(1 << 30) / begun.elapsed().as_secs_f64()
}

fn stream(sender: u32) -> StreamId {
    StreamId {
        attempt: Attempt { query: QueryId(1), number: 0 },
        fragment: FragmentId(0),
        sender,
        receiver: 0,
    }
}

fn parts(size: usize) -> Arc<[Buffer]> {
    (0..BUFFERS).map(|_| Buffer::from_vec(vec![1_u8; size / BUFFERS])).collect::<Vec<_>>().into()
}

/// One producer keeps to its credits.
async fn produce(out: Arc<dyn Outgoing>, parts: Arc<[Buffer]>, size: usize, count: usize) {
    let credits = Arc::new(Semaphore::new(CREDITS));
    for _ in 0..count {
        credits.acquire().await.expect("open").forget();
        let body = Body::Parts { parts: parts.clone(), bytes: size as u64 };
        let part = StreamPart::Batch(Frame { rows: 1, head: Bytes::from_static(&[0; 200]), body });
        let credits = credits.clone();
        out.push(
            part,
            // Those of a connection that was ended fail, which ends nothing here.
            Box::new(move |_| credits.add_permits(1)),
        );
    }
    let _ = credits.acquire_many(CREDITS as u32).await.expect("open");
}

async fn measure(kind: &str, address: &str, tls: Option<&str>, size: usize, total: usize) -> f64 {
    if kind == "raw" {
        return measure_raw(address, tls, size, total).await;
    }
    let transport = RpcTransport::start(config(1, tls), Arc::new(Sink)).expect("starts");
    let peer = Peer { id: NodeId(2), address: address.into() };
    transport.call(&peer, ECHO, Bytes::new()).await.expect("answers");
    measure_ours(&transport, &peer, size, total).await
}

async fn measure_ours(transport: &RpcTransport, peer: &Peer, size: usize, total: usize) -> f64 {
    let count = total / size / STREAMS as usize;
    let parts = parts(size);
    let begun = Instant::now();
    let producers: Vec<_> = (0..STREAMS)
        .map(|at| tokio::spawn(produce(transport.open(peer, stream(at)), parts.clone(), size, count)))
        .collect();
    for producer in producers {
        producer.await.expect("it ends");
    }
    let sent = count * size * STREAMS as usize;
    sent as f64 / f64::from(1 << 30) / begun.elapsed().as_secs_f64()
}

/// Milliseconds of control calls while so many streams send: median, 99th percentile, worst.
async fn measure_control(transport: Arc<RpcTransport>, peer: &Peer, streams: u32) -> [f64; 3] {
    const SIZE: usize = 256 << 10;
    let parts = parts(SIZE);
    let producers: Vec<_> = (0..streams)
        .map(|at| tokio::spawn(produce(transport.open(peer, stream(at)), parts.clone(), SIZE, usize::MAX)))
        .collect();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let mut times = Vec::new();
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        let sent = Instant::now();
        transport.call(peer, ECHO, Bytes::from_static(b"ping")).await.expect("answers");
        times.push(sent.elapsed().as_secs_f64() * 1e3);
    }
    for producer in producers {
        producer.abort();
    }
    times.sort_by(f64::total_cmp);
    [times[times.len() / 2], times[times.len() * 99 / 100], times[times.len() - 1]]
}

/// Streams a second that are opened, ended and confirmed.
async fn measure_short(transport: &RpcTransport, peer: &Peer) -> f64 {
    let ended = Arc::new(Semaphore::new(0));
    let begun = Instant::now();
    for at in 0..SHORT_STREAMS {
        let ended = ended.clone();
        transport.open(peer, stream(at)).push(StreamPart::End, Box::new(move |_| ended.add_permits(1)));
    }
    let _ = ended.acquire_many(SHORT_STREAMS).await.expect("open");
    f64::from(SHORT_STREAMS) / begun.elapsed().as_secs_f64()
}

struct Other {
    child: Child,
    address: String,
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

async fn other(kind: &str, folder: Option<&str>) -> Other {
    let mut child = Command::new(std::env::current_exe().expect("known"))
        .args(["serve", kind])
        .args(folder)
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut said = BufReader::new(child.stdout.take().expect("piped"));
    let mut line = String::new();
    // The one line that it says at once.
    said.read_line(&mut line).expect("said");
    Other { child, address: line.trim().to_owned() }
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serving, kind, rest @ ..] = arguments.as_slice()
        && serving == "serve"
    {
        return serve(kind, rest.first().map(String::as_str)).await;
    }
    let total = arguments.first().map_or(2048, |mib| mib.parse().expect("MiB")) << 20;
    let folder = std::env::temp_dir().join(format!("nyala-throughput-{}", std::process::id()));
    certificates(&folder, &["node".into()], &[]).expect("made");
    let folder = folder.to_str().expect("text").to_string();
    let results = Mutex::new(HashMap::new());
    let note = |name: String, value: f64| {
        eprintln!("{name}: {value:.3}");
        results.lock().expect("whole").insert(name, value);
    };
    for tls in [None, Some(folder.as_str())] {
        let with = if tls.is_some() { "tls_" } else { "" };
        for size in [256 << 10, 1 << 20] {
            let mut best = [0.0_f64; 2];
            let mut cpu = [f64::MAX; 2];
            for round in 0..2 * ROUNDS {
                let (at, kind) = [(0, "raw"), (1, "ours")][round % 2];
                let there = other(kind, tls).await;
                let child = there.child.id().to_string();
                let before = cpu_s("self") + cpu_s(&child);
                let rate = measure(kind, &there.address, tls, size, total).await;
                let used = cpu_s("self") + cpu_s(&child) - before;
                best[at] = best[at].max(rate);
                cpu[at] = cpu[at].min(used / (total as f64 / f64::from(1 << 30)));
            }
            let name = format!("{with}{}k", size >> 10);
            for (at, kind) in ["raw", "ours"].into_iter().enumerate() {
                note(format!("{name}_{kind}_gib_per_s"), best[at]);
                note(format!("{name}_{kind}_cpu_s_per_gib"), cpu[at]);
            }
            note(format!("{name}_ours_of_raw"), best[1] / best[0]);
        }
        let there = other("ours", tls).await;
        let peer = Peer { id: NodeId(2), address: there.address.clone() };
        let here = RpcTransport::start(config(1, tls), Arc::new(Sink)).expect("starts");
        here.call(&peer, ECHO, Bytes::new()).await.expect("answers");
        let child = there.child.id().to_string();
        let before = cpu_s("self") + cpu_s(&child);
        note(format!("{with}short_streams_per_s"), measure_short(&here, &peer).await);
        let used = cpu_s("self") + cpu_s(&child) - before;
        note(format!("{with}short_stream_cpu_us"), used * 1e6 / f64::from(SHORT_STREAMS));
        drop((here, there));
        for (name, streams) in [("control", OPEN_STREAMS), ("idle_control", 0)] {
            let there = other("ours", tls).await;
            let peer = Peer { id: NodeId(2), address: there.address.clone() };
            let here = RpcTransport::start(config(1, tls), Arc::new(Sink)).expect("starts");
            let [median, p99, worst] = measure_control(here, &peer, streams).await;
            note(format!("{with}{name}_ms_median"), median);
            note(format!("{with}{name}_ms_p99"), p99);
            note(format!("{with}{name}_ms_worst"), worst);
        }
    }
    let _ = std::fs::remove_dir_all(&folder);
    let results = results.into_inner().expect("whole");
    let sorted: std::collections::BTreeMap<_, _> = results.into_iter().collect();
    println!("{}", serde_json::to_string_pretty(&sorted).expect("JSON"));
}
