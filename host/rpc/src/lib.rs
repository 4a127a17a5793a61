//! Calls and streams between nodes over Cap'n Proto: one connection per pair of hosts.
//!
//! Reading order: [`transport`] is what a node has, [`client`] what other programs have; `hub`, `reactor` and `carrier` are the threads;
//! `accept` and `dial` are how connections come about, `complaints` what the log hears of those that do not, `links` which of them stay;
//! `session` is the life of one, `serve` what the other side may ask; `outgoing`, `streams`, `turns`, `window` and `arriving` are the
//! way of a batch; `wire` are the messages on the socket.

mod accept;
mod arriving;
mod beats;
mod carrier;
pub mod client;
mod complaints;
pub mod config;
mod connection;
mod dial;
mod hub;
mod link;
mod links;
mod local;
mod message;
mod outgoing;
mod reactor;
mod serve;
mod session;
mod socket;
mod streams;
pub mod tls;
pub mod transport;
mod turns;
mod window;
mod wire;

#[rustfmt::skip]
#[allow(clippy::all, clippy::pedantic, unused_qualifications, missing_docs)]
mod generated {
    pub mod peer_capnp;
}

pub use client::{ClientConnection, connect};
pub use config::{ClientConfig, Limits, MESSAGE_BYTES_MAX, PROTOCOL, RpcConfig};
pub use transport::RpcTransport;
