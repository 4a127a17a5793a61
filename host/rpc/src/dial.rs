//! Connections that this side makes.

use std::rc::Rc;
use std::sync::Arc;

use nyala_exchange::Caller;
use nyala_schema::cluster::NodeId;
use nyala_schema::{Error, Result};
use tokio::task::spawn_local;
use tokio::time::Instant;

use crate::connection::{Connection, Established, Place};
use crate::generated::peer_capnp::{door, peer, welcome};
use crate::link::{End, Link};
use crate::links::{Decision, fenced};
use crate::local::refused;
use crate::message::{self, Greeting, Who};
use crate::serve::Desk;
use crate::socket::{self, Socket};

/// Whom a dial is for.
#[derive(Debug, Clone)]
pub(crate) struct Dial {
    pub(crate) address: String,
    /// Who is expected there, and the number of the last connection with it; `None`: whoever it is.
    pub(crate) expected: Option<(NodeId, u64)>,
}

/// What came of it.
pub(crate) enum Dialled {
    Use(Arc<Link>),
    /// There is another connection with that node, or one on its way.
    Superseded(NodeId),
    /// This node listens there.
    Itself(NodeId),
}

type Hello = capnp::capability::Response<door::hello_results::Owned>;

impl Dial {
    /// Dials, and serves the connection if it is to be used.
    ///
    /// # Errors
    /// `Connection` naming the address and why.
    pub(crate) async fn run(&self, place: &Rc<Place>) -> Result<Dialled> {
        let limit = place.local.limits.hello_limit;
        let number = rand::random::<u64>().max(1);
        let last = self.expected.map_or(0, |(_, last)| last);
        let deadline = Instant::now() + limit;
        let connected = socket::connect(&self.address, place.local.tls.as_ref());
        let outcome = match tokio::time::timeout_at(deadline, connected).await {
            Ok(Ok(socket)) => self.greet(place, socket, number, last, deadline).await,
            Ok(Err(error)) => Err(error),
            Err(_) => Err(refused(format!("no connection for {limit:?}"))),
        };
        outcome.inspect(|_| place.complaints.end(&self.address)).map_err(|error| {
            let (address, reason) = (&self.address, error.message());
            if place.complaints.is_new(address, reason) {
                tracing::warn!(address, reason, "could not connect");
            } else {
                tracing::debug!(address, reason, "could not connect");
            }
            error.context(format!("cannot connect to {}", self.address))
        })
    }

    async fn greet(
        &self,
        place: &Rc<Place>,
        socket: Socket,
        number: u64,
        last: u64,
        deadline: Instant,
    ) -> Result<Dialled> {
        let (certificate, is_encrypted) = (socket.certificate.clone(), socket.is_encrypted);
        let connection = Connection::new(place, socket, |_, _, _| None);
        let mut request = connection.door.hello_request();
        place.local.greeting(number, last).write(request.get().init_greeting());
        request.get().set_peer(capnp_rpc::new_client(Desk(connection.serving.clone())));
        let answer = tokio::select! {
            answer = request.send().promise => answer.map_err(|error| error.extra),
            reason = connection.wire.ended() => Err(reason),
            () = tokio::time::sleep_until(deadline) => Err("no answer to hello in time".into()),
        };
        let outcome = match answer {
            Ok(response) => self.conclude(place, &connection, response, certificate.as_ref(), is_encrypted),
            Err(reason) => Err(refused(reason)),
        };
        match outcome {
            Ok(Conclusion::Use(established)) => {
                let link = established.link.clone();
                let place = place.clone();
                place.tracker.clone().spawn_local(async move { connection.serve(&place, established).await });
                Ok(Dialled::Use(link))
            }
            Ok(Conclusion::Superseded(node)) => {
                spawn_local(connection.end());
                Ok(Dialled::Superseded(node))
            }
            Ok(Conclusion::Itself(node)) => {
                spawn_local(connection.end());
                Ok(Dialled::Itself(node))
            }
            Err(error) => {
                spawn_local(connection.end());
                Err(error)
            }
        }
    }

    fn conclude(
        &self,
        place: &Rc<Place>,
        connection: &Connection,
        response: Hello,
        certificate: Option<&rustls::pki_types::CertificateDer<'_>>,
        is_encrypted: bool,
    ) -> Result<Conclusion> {
        let strange = |error: capnp::Error| refused(format!("it does not speak our protocol: {error}"));
        let (theirs, answer) = read_welcome(&response).map_err(strange)?;
        let Who::Node { peer, incarnation } = &theirs.who else {
            return Err(refused("who answers is no node"));
        };
        if place.local.peer().is_some_and(|own| own.id == peer.id) {
            if theirs.who == place.local.who {
                return Ok(Conclusion::Itself(peer.id));
            }
            return Err(refused(format!("another process runs there as node {} too", peer.id))
                .with_hint("two nodes cannot run on copies of one data folder"));
        }
        let remote = match answer {
            Welcome::Peer(remote) => remote,
            Welcome::Refused(error) => return Err(error),
            Welcome::Superseded => return Ok(Conclusion::Superseded(peer.id)),
        };
        let protocol = place.local.check(&theirs, certificate)?;
        if let Some((expected, _)) = self.expected.filter(|(expected, _)| *expected != peer.id) {
            return Err(refused(format!("node {} answers there, not node {expected}", peer.id)));
        }
        let end = End {
            peer: Some(peer.clone()),
            caller: Caller::Node { id: peer.id, incarnation: *incarnation },
            address: self.address.clone(),
            number: theirs.connection,
            protocol,
            is_encrypted,
            is_dialled: true,
        };
        let (link, work) = Link::new(end, connection.counters.clone());
        if let Some(former) = place.links.retire(peer.id, *incarnation) {
            former.close(former.lost("the node runs anew"));
            former.tell_gone(&*place.handler);
        }
        match place.links.decide(&link) {
            Decision::Use => {}
            Decision::Drop => return Ok(Conclusion::Superseded(peer.id)),
            Decision::Fenced { known } => return Err(fenced(&link.end.name(), *incarnation, known)),
        }
        place.local.learn(&theirs);
        connection.wire.trust();
        connection.serving.accept(link.clone());
        Ok(Conclusion::Use(Established { link, remote, work }))
    }
}

enum Conclusion {
    Use(Established),
    Superseded(NodeId),
    Itself(NodeId),
}

enum Welcome {
    Peer(peer::Client),
    Refused(Error),
    Superseded,
}

fn read_welcome(response: &Hello) -> capnp::Result<(Greeting, Welcome)> {
    let welcome = response.get()?.get_welcome()?;
    let answer = match welcome.which()? {
        welcome::Peer(remote) => Welcome::Peer(remote?),
        welcome::Refused(failure) => Welcome::Refused(message::read_failure(failure?)?),
        welcome::Superseded(()) => Welcome::Superseded,
    };
    Ok((Greeting::read(welcome.get_greeting()?)?, answer))
}
