//! How what is known spreads: each node tells a few others in each round, and hears what they know.
//!
//! Scuttlebutt reconciliation (van Renesse et al., "Efficient reconciliation and flow control for anti-entropy protocols",
//! 2008), as in chitchat: both sides say how new what they have is, and give each other what is newer.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{Members, Service};
use nyala_schema::cluster::{NodeId, NodeState, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

use crate::admin::{decode, encode};
use crate::core::{Core, Standing, removed};
use crate::record::{Record, Word};
use crate::roster::Digest;

/// Nodes that are told in a round.
const FANOUT: usize = 3;
/// Between two tries to reach nodes that are down.
const AWAY_EVERY: Duration = Duration::from_secs(2);

#[derive(Debug, Serialize, Deserialize)]
struct Message {
    cluster: u64,
    from: u64,
    incarnation: u64,
    digest: Vec<Digest>,
    #[serde(default)]
    records: Vec<Record>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Reply {
    incarnation: u64,
    digest: Vec<Digest>,
    records: Vec<Record>,
}

/// Goes round until it is aborted.
pub async fn go_round(core: Arc<Core>) {
    let mut rounds = interval(core.settings.gossip.interval);
    rounds.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            biased;
            _ = rounds.tick() => core.roster().beat(),
            () = core.news.notified() => {}
        }
        let version = core.replica.snapshot().version;
        core.roster().change_local(|record| record.catalog_version = version);
        core.publish();
        if matches!(*core.standing.borrow(), Standing::Out(_)) {
            continue;
        }
        for peer in choose(&core) {
            tokio::spawn(converse(Arc::clone(&core), peer));
        }
    }
}

/// Some that are up, and one that is not, which may be up again.
fn choose(core: &Core) -> Vec<Peer> {
    let nodes = core.known.nodes();
    let others = nodes.iter().filter(|node| node.peer.id != core.id());
    let (mut away, mut up): (Vec<Peer>, Vec<Peer>) = (Vec::new(), Vec::new());
    for node in others {
        if node.state == NodeState::Down { away.push(node.peer.clone()) } else { up.push(node.peer.clone()) }
    }
    // Members of which nothing has been heard since this node started.
    let known = |id: u64| nodes.iter().any(|node| node.peer.id.0 == id);
    let unheard = core.replica.peers().into_iter().filter(|peer| !known(peer.id));
    away.extend(unheard.map(|peer| Peer { id: NodeId(peer.id), address: peer.address }));
    let mut state = core.state();
    let mut chosen: Vec<Peer> = up.choose_multiple(&mut state.random, FANOUT).cloned().collect();
    if state.tried_away.is_none_or(|at| at.elapsed() >= AWAY_EVERY) && !away.is_empty() {
        state.tried_away = Some(Instant::now());
        chosen.extend(away.choose(&mut state.random).cloned());
    }
    // Who has not answered yet is not asked again meanwhile.
    chosen.retain(|peer| state.busy.insert(peer.id));
    chosen
}

async fn converse(core: Arc<Core>, peer: Peer) {
    let told = timeout(core.settings.gossip.limit, core.tell(&peer)).await;
    core.state().busy.remove(&peer.id);
    match told {
        Ok(Ok(())) => core.publish(),
        Ok(Err(error)) if error.code() == ErrorCode::InvalidParameter => core.hear_refusal(&peer, error),
        // It is away, or slow: its silence says so.
        Ok(Err(_)) | Err(_) => {}
    }
}

impl Core {
    /// Tells a node what is known here, and takes in what it knows.
    ///
    /// # Errors
    /// Those of the transport; `InvalidParameter` when it is a node of another cluster, or says that this one was removed.
    async fn tell(&self, peer: &Peer) -> Result<()> {
        let Some(message) = self.message(Vec::new()) else { return Ok(()) };
        let answer = self.transport.call(peer, Service::GOSSIP, encode(&message)?).await?;
        let reply: Reply = decode(&answer)?;
        let newer = {
            let mut roster = self.roster();
            take_in(&mut roster, &reply.digest, reply.records);
            roster.hear_itself(peer.id, reply.incarnation);
            roster.newer_than(&reply.digest)
        };
        if let Some(message) = self.message(newer).filter(|message| !message.records.is_empty()) {
            self.transport.call(peer, Service::GOSSIP, encode(&message)?).await?;
        }
        Ok(())
    }

    /// `None` as long as this node is in no cluster.
    fn message(&self, records: Vec<Record>) -> Option<Message> {
        let (cluster, incarnation) = {
            let state = self.state();
            (state.identity.cluster.as_ref()?.id, state.identity.incarnation)
        };
        Some(Message { cluster, from: self.id().0, incarnation, digest: self.roster().digest(), records })
    }

    /// # Errors
    /// `Connection` as long as this node is in no cluster; `InvalidParameter` for nodes of another or that were removed.
    pub fn hear_gossip(&self, from: NodeId, request: &[u8]) -> Result<Bytes> {
        let message: Message = decode(request)?;
        let (cluster, incarnation) = {
            let state = self.state();
            (state.identity.cluster.clone(), state.identity.incarnation)
        };
        let cluster =
            cluster.ok_or_else(|| Error::new(ErrorCode::Connection, "this node is not in a cluster yet"))?;
        if cluster.id != message.cluster {
            let message = format!("this is a node of cluster {cluster}, not of {:016x}", message.cluster);
            return Err(Error::new(ErrorCode::InvalidParameter, message)
                .with_hint("see that no address in the configuration is that of a node of another cluster"));
        }
        if self.roster().is_removed(from) {
            return Err(removed());
        }
        if message.from == self.id().0 {
            return Err(Error::new(
                ErrorCode::InvalidParameter,
                "another process runs with a copy of this data folder",
            ));
        }
        let reply = {
            let mut roster = self.roster();
            take_in(&mut roster, &message.digest, message.records);
            roster.hear_itself(from, message.incarnation);
            Reply { incarnation, digest: roster.digest(), records: roster.newer_than(&message.digest) }
        };
        self.publish();
        encode(&reply)
    }

    fn hear_refusal(&self, peer: &Peer, error: Error) {
        if error.message() == removed().message() {
            self.put_out(error);
        } else {
            tracing::warn!(%peer, %error, "a node refuses to talk");
        }
    }

    /// Says for the last time what this node is, to all that it knows, within `limit`.
    pub async fn say_goodbye(&self, word: Word, limit: Duration) {
        let own = {
            let mut roster = self.roster();
            roster.change_local(|record| record.state = word);
            roster.local().clone()
        };
        let nodes = self.known.nodes();
        let peers = nodes.iter().filter(|node| node.peer.id != self.id() && node.state != NodeState::Down);
        let Some(message) = self.message(vec![own]) else { return };
        let Ok(bytes) = encode(&message) else { return };
        let calls = peers.map(|node| self.transport.call(&node.peer, Service::GOSSIP, bytes.clone()));
        // Who does not hear it finds out by itself.
        let _ = timeout(limit, futures_util::future::join_all(calls)).await;
    }
}

fn take_in(roster: &mut crate::roster::Roster, digest: &[Digest], records: Vec<Record>) {
    let now = Instant::now();
    for record in records {
        roster.learn(record, now);
    }
    roster.hear(digest, now);
}
