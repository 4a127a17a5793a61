//! Sockets, encrypted where there are certificates.

use std::io;

use nyala_schema::{Error, Result};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

use crate::local::refused;
use crate::tls::Tls;
use crate::wire::{ReadHalf, WriteHalf};

/// Both halves of a socket, and what the other side has shown.
pub(crate) struct Socket {
    pub(crate) reader: ReadHalf,
    pub(crate) writer: WriteHalf,
    pub(crate) certificate: Option<CertificateDer<'static>>,
    pub(crate) is_encrypted: bool,
}

fn plain(stream: TcpStream) -> Socket {
    let (reader, writer) = stream.into_split();
    Socket { reader: Box::new(reader), writer: Box::new(writer), certificate: None, is_encrypted: false }
}

fn encrypted(stream: tokio_rustls::TlsStream<TcpStream>) -> Socket {
    let certificates = stream.get_ref().1.peer_certificates();
    let certificate = certificates.and_then(|chain| chain.first()).map(|first| first.clone().into_owned());
    let (reader, writer) = tokio::io::split(stream);
    Socket { reader: Box::new(reader), writer: Box::new(writer), certificate, is_encrypted: true }
}

/// The plainest control of congestion, which every Linux has and lets everybody choose.
#[cfg(target_os = "linux")]
const UNPACED: &[u8] = b"reno";

/// Small messages leave at once. Within one machine nothing can be congested, but a system that is set to BBR paces there,
/// too: by a timer for every few segments, which takes more time than the bytes do.
fn tune(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    if stream.peer_addr()?.ip() == stream.local_addr()?.ip()
        && let Err(error) = socket2::SockRef::from(stream).set_tcp_congestion(UNPACED)
    {
        // It is slower without, no more.
        tracing::debug!(%error, "the control of congestion stays as the system has it");
    }
    Ok(())
}

/// What a failed handshake means.
fn unsafe_handshake(error: &io::Error) -> Error {
    let is_certificate =
        error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>()).is_some_and(|error| {
            matches!(error, rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented)
        });
    let what = if is_certificate { "wrong certificate" } else { "no agreement on TLS" };
    refused(format!("{what}: {error}"))
        .with_hint("all nodes and clients of a cluster need certificates of its authority")
}

pub(crate) async fn accept(stream: TcpStream, tls: Option<&Tls>) -> Result<Socket> {
    tune(&stream).map_err(|error| refused(error.to_string()))?;
    let Some(tls) = tls else { return Ok(plain(stream)) };
    let stream = TlsAcceptor::from(tls.server.clone()).accept(stream).await;
    stream.map(|stream| encrypted(stream.into())).map_err(|error| unsafe_handshake(&error))
}

pub(crate) async fn connect(address: &str, tls: Option<&Tls>) -> Result<Socket> {
    let stream = TcpStream::connect(address).await.map_err(|error| {
        refused(error.to_string()).with_hint("is that a node's address, and does the node run?")
    })?;
    tune(&stream).map_err(|error| refused(error.to_string()))?;
    let Some(tls) = tls else { return Ok(plain(stream)) };
    let stream = TlsConnector::from(tls.client.clone()).connect(Tls::node_name()?, stream).await;
    stream.map(|stream| encrypted(stream.into())).map_err(|error| unsafe_handshake(&error))
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn within_one_machine_nothing_is_paced() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (near, far) = tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        for stream in [near.unwrap(), far.unwrap().0] {
            socket2::SockRef::from(&stream).set_tcp_congestion(b"bbr").ok();
            tune(&stream).unwrap();
            let chosen = socket2::SockRef::from(&stream).tcp_congestion().unwrap();
            assert_eq!(chosen.split(|byte| *byte == 0).next().unwrap(), UNPACED);
            assert!(stream.nodelay().unwrap());
        }
    }
}
