//! The HTTP server of a node.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use nyala_schema::{Error, ErrorCode, Result};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::source::Source;
use crate::text;

const INDEX: &str = "Nyala node\n\n\
    /metrics  for Prometheus\n\
    /health   200 while the process works\n\
    /ready    200 when the node takes work, 503 with a reason when not\n";

/// Answers until it is dropped.
pub struct Server {
    address: SocketAddr,
    serving: JoinHandle<()>,
}

impl Server {
    /// # Errors
    /// `Connection` when the address cannot be listened on.
    pub async fn start(listen: SocketAddr, source: Arc<dyn Source>, runtime: &Handle) -> Result<Self> {
        let refused = |error: std::io::Error| {
            Error::new(ErrorCode::Connection, format!("cannot listen on {listen} for HTTP: {error}"))
                .with_hint("--http names another address; port 0 takes a free one")
        };
        let listener = tokio::net::TcpListener::bind(listen).await.map_err(refused)?;
        let address = listener.local_addr().map_err(refused)?;
        let serving = runtime.spawn(async move {
            if let Err(error) = axum::serve(listener, routes(source)).await {
                tracing::error!(%error, "metrics and health are not answered any more");
            }
        });
        tracing::info!(%address, "metrics and health are answered");
        Ok(Self { address, serving })
    }

    /// Where it listens, with the port that it got.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn routes(source: Arc<dyn Source>) -> Router {
    Router::new()
        .route("/", get(|| async { INDEX }))
        .route("/health", get(|| async { "up\n" }))
        .route("/ready", get(ready))
        .route("/metrics", get(metrics))
        .with_state(source)
}

async fn ready(State(source): State<Arc<dyn Source>>) -> Response {
    match source.ready() {
        Ok(()) => "ready\n".into_response(),
        Err(why) => (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {why}\n")).into_response(),
    }
}

async fn metrics(State(source): State<Arc<dyn Source>>) -> Response {
    ([(CONTENT_TYPE, text::CONTENT_TYPE)], text::write(&source.metrics())).into_response()
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::sync::Mutex;

    use nyala_node::{Metric, MetricKind};

    use super::*;

    struct Told(Mutex<Result<(), String>>);

    impl Source for Told {
        fn metrics(&self) -> Vec<Metric> {
            vec![Metric {
                name: "nyala_nodes",
                help: "Nodes.",
                kind: MetricKind::Gauge,
                labels: vec![("state", "active".to_owned())],
                value: 3.0,
            }]
        }

        fn ready(&self) -> Result<(), String> {
            self.0.lock().unwrap().clone()
        }
    }

    fn asked(address: SocketAddr, path: &str) -> (u16, String) {
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        stream.read_to_string(&mut text).unwrap();
        let status = text.split_whitespace().nth(1).unwrap().parse().unwrap();
        (status, text)
    }

    #[test]
    fn health_readiness_and_metrics_are_told() {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let source = Arc::new(Told(Mutex::new(Err("the node is joining".to_owned()))));
        let start = Server::start("127.0.0.1:0".parse().unwrap(), source.clone(), runtime.handle());
        let server = runtime.block_on(start).unwrap();
        let address = server.address();
        assert_eq!(asked(address, "/health").0, 200);
        let (status, text) = asked(address, "/ready");
        assert_eq!(status, 503);
        assert!(text.ends_with("not ready: the node is joining\n"), "{text}");
        *source.0.lock().unwrap() = Ok(());
        assert_eq!(asked(address, "/ready").0, 200);
        let (status, text) = asked(address, "/metrics");
        assert_eq!(status, 200);
        assert!(text.contains("content-type: text/plain; version=0.0.4"), "{text}");
        assert!(text.ends_with("nyala_nodes{state=\"active\"} 3\n"), "{text}");
        assert!(asked(address, "/").1.contains("/metrics"));
        assert_eq!(asked(address, "/nowhere").0, 404);
        let taken = runtime.block_on(Server::start(address, source, runtime.handle())).err().unwrap();
        assert!(taken.message().contains("cannot listen"), "{taken}");
        // Bytes that are no HTTP disturb nobody.
        let mut stream = std::net::TcpStream::connect(address).unwrap();
        stream.write_all(&[0xff; 4096]).unwrap();
        assert_eq!(asked(address, "/health").0, 200);
    }
}
