//! Connections that come in.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use nyala_exchange::Caller;
use nyala_schema::{Error, Result};
use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;

use crate::connection::{Connection, Established, Moment, Place};
use crate::generated::peer_capnp::{door, welcome};
use crate::link::{Counters, End, Link};
use crate::links::{Verdict, fenced};
use crate::local::refused;
use crate::message::{self, Greeting, Who};
use crate::serve::{Desk, Serving};
use crate::socket;
use crate::wire::Wire;

/// How long a dialler that was refused may take to read why.
const REFUSED_LIMIT: Duration = Duration::from_secs(1);

/// What a stranger holds: it may say who it is, once.
struct Door {
    place: Rc<Place>,
    wire: Rc<Wire>,
    serving: Rc<Serving>,
    counters: Arc<Counters>,
    address: String,
    certificate: Option<CertificateDer<'static>>,
    is_encrypted: bool,
    entered: Moment<Result<Option<Established>>>,
}

/// What a stranger is told.
enum Entry {
    In(Established),
    Superseded,
}

impl door::Server for Door {
    async fn hello(
        self: Rc<Self>,
        params: door::HelloParams,
        mut results: door::HelloResults,
    ) -> capnp::Result<()> {
        if self.entered.is_past() {
            return Err(capnp::Error::failed("hello was said already".into()));
        }
        let params = params.get()?;
        let theirs = Greeting::read(params.get_greeting()?)?;
        let mut welcome = results.get().init_welcome();
        let own = self.place.local.greeting(theirs.connection, 0);
        own.write(welcome.reborrow().init_greeting());
        match self.enter(&theirs, params.get_peer()?) {
            Ok(Entry::In(established)) => {
                welcome.set_peer(capnp_rpc::new_client(Desk(self.serving.clone())));
                self.entered.tell(Ok(Some(established)));
            }
            Ok(Entry::Superseded) => {
                welcome.set_superseded(());
                self.entered.tell(Ok(None));
            }
            Err(error) => {
                write_refusal(welcome, &error);
                self.entered.tell(Err(error));
            }
        }
        Ok(())
    }
}

fn write_refusal(welcome: welcome::Builder<'_>, error: &Error) {
    message::write_failure(error, welcome.init_refused());
}

impl Door {
    fn enter(&self, theirs: &Greeting, remote: crate::generated::peer_capnp::peer::Client) -> Result<Entry> {
        let local = &self.place.local;
        let protocol = local.check(theirs, self.certificate.as_ref())?;
        let (peer, caller) = match &theirs.who {
            Who::Node { peer, incarnation } => {
                if local.peer().is_some_and(|own| own.id == peer.id) {
                    return Err(refused(format!("node {} is this node itself", peer.id))
                        .with_hint("two nodes cannot run on copies of one data folder"));
                }
                (Some(peer.clone()), Caller::Node { id: peer.id, incarnation: *incarnation })
            }
            Who::User(user) => (None, Caller::Client { connection: theirs.connection, user: user.clone() }),
        };
        let end = End {
            peer,
            caller,
            address: self.address.clone(),
            number: theirs.connection,
            protocol,
            is_encrypted: self.is_encrypted,
            is_dialled: false,
        };
        let (link, work) = Link::new(end, self.counters.clone());
        match self.place.links.came_in(&link, theirs.last_connection) {
            Verdict::Taken { replaced } => {
                if let Some(former) = replaced {
                    former.close(former.lost("the node has connected anew"));
                    former.tell_gone(&*self.place.handler);
                }
            }
            Verdict::Superseded => return Ok(Entry::Superseded),
            Verdict::Fenced { known } => {
                let Caller::Node { incarnation, .. } = link.end.caller else {
                    return Err(Error::internal("a client was fenced off"));
                };
                return Err(fenced(&link.end.name(), incarnation, known));
            }
        }
        local.learn(theirs);
        self.wire.trust();
        self.serving.accept(link.clone());
        Ok(Entry::In(Established { link, remote, work }))
    }
}

/// Serves a connection that has come in, until its end.
pub(crate) async fn accept(place: Rc<Place>, stream: TcpStream, address: String) {
    let limit = place.local.limits.hello_limit;
    let deadline = tokio::time::Instant::now() + limit;
    let handshake = socket::accept(stream, place.local.tls.as_ref());
    let socket = match tokio::time::timeout_at(deadline, handshake).await {
        Ok(Ok(socket)) => socket,
        Ok(Err(error)) => return log_refusal(&address, error.message()),
        Err(_) => return log_refusal(&address, "no TLS handshake in time"),
    };
    let (entered, mut entry) = Moment::new();
    let (certificate, is_encrypted) = (socket.certificate.clone(), socket.is_encrypted);
    let connection = Connection::new(&place, socket, |wire, serving, counters| {
        Some(capnp_rpc::new_client(Door {
            place: place.clone(),
            wire: wire.clone(),
            serving: serving.clone(),
            counters: counters.clone(),
            address: address.clone(),
            certificate,
            is_encrypted,
            entered,
        }))
    });
    let outcome = tokio::select! {
        biased;
        Ok(entry) = &mut entry => Ok(entry),
        reason = connection.wire.ended() => Err(format!("before hello, {reason}")),
        () = tokio::time::sleep_until(deadline) => Err(format!("no hello for {limit:?}")),
    };
    let entry = match outcome {
        Ok(entry) => entry,
        Err(why) => {
            log_refusal(&address, &why);
            connection.end().await;
            // It may have said hello in the very moment.
            if let Ok(Ok(Some(established))) = entry.try_recv() {
                let link = established.link;
                link.close(link.lost(why));
                place.links.remove(&link);
                link.tell_gone(&*place.handler);
            }
            return;
        }
    };
    match entry {
        Ok(Some(established)) => {
            let link = established.link.clone();
            let expiry = async {
                // A dialler that never uses what it was given has chosen another one, or is gone.
                tokio::time::sleep(limit).await;
                if !link.is_used() {
                    link.close(link.lost("it was not used"));
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = connection.serve(&place, established) => {}
                () = expiry => {}
            }
        }
        Ok(None) => finish_refused(connection).await,
        Err(error) => {
            log_refusal(&address, error.message());
            finish_refused(connection).await;
        }
    }
}

/// Leaves the dialler the time to read the answer and close.
async fn finish_refused(connection: Connection) {
    let _ = tokio::time::timeout(REFUSED_LIMIT, connection.wire.ended()).await;
    connection.end().await;
}

fn log_refusal(address: &str, why: &str) {
    tracing::warn!(address, reason = why, "refused a connection");
}
