//! Calls and streams between nodes over Cap'n Proto: one connection per pair of hosts.

pub mod client;
pub mod config;
pub mod tls;
pub mod transport;

pub use client::{ClientConnection, connect};
pub use config::{ClientConfig, Limits, MESSAGE_BYTES_MAX, PROTOCOL, RpcConfig};
pub use transport::RpcTransport;
