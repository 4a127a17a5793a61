//! How a node becomes a member, or finds that it still is one.

use std::sync::Arc;
use std::time::Duration;

use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::{Error, ErrorCode, Result};
use rand::Rng;
use tokio::time::{Instant, sleep, timeout};

use crate::admin::{Join, Joined, Reply, Request, is_passing};
use crate::core::{Core, Standing};
use crate::identity::ClusterId;
use crate::record::Word;

/// Between rounds of asking: the first pause, and the longest.
const PAUSE: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(2);
/// How often what is waited for is said.
const TOLD_EVERY: Duration = Duration::from_secs(5);
/// How long the first of a list of nodes looks for a cluster before it makes one.
const LOOK_AROUND: Duration = Duration::from_secs(5);

/// Makes the node a member, and whenever that is in doubt asks again.
pub async fn belong(core: Arc<Core>) {
    loop {
        match core.enter().await {
            Ok(()) => {
                core.say(|record| {
                    if record.state == Word::Joining {
                        record.state = Word::Active;
                    }
                });
                core.standing.send_replace(Standing::In);
                core.concerns.notify_one();
            }
            Err(error) => return core.put_out(error),
        }
        core.doubts.notified().await;
    }
}

/// Where to ask.
enum Seed {
    Known(Peer),
    Address(String),
}

impl Core {
    /// Returns when the node is a member, and has the catalog.
    ///
    /// # Errors
    /// Why the cluster refuses the node.
    async fn enter(&self) -> Result<()> {
        let status = self.replica.status();
        let is_new = self.state().identity.cluster.is_none() && status.voters.is_empty();
        if is_new && self.makes_cluster().await? {
            let address = self.transport.local().address.clone();
            self.replica.initialize(&[(self.id().0, address)].into()).await?;
            // What it says of itself follows a moment later.
            self.replica.when_status(|status| status.voters.contains(&status.id)).await;
        }
        if self.state().identity.cluster.is_none() && self.replica.status().voters.contains(&self.id().0) {
            let (id, name) =
                (self.state().random.gen_range(1..=u64::MAX), self.settings.cluster_name.clone());
            let cluster = ClusterId { id, name };
            tracing::info!(%cluster, "a new cluster, of this node");
            self.state().identity.enter(cluster)?;
        }
        let mut told = Told::new();
        let mut pause = PAUSE;
        loop {
            match self.ask_to_join().await {
                Ok(()) => break,
                Err(error) if is_passing(&error) => self.wait_for(&mut told, error.message()),
                Err(error) => return Err(error),
            }
            // What this node waits for may be its own election.
            let leads = self.replica.when_status(|status| status.leader == Some(status.id));
            let _ = timeout(pause, leads).await;
            pause = (2 * pause).min(PAUSE_MAX);
        }
        while let Err(error) = self.replica.linearizable_snapshot().await {
            if !is_passing(&error) {
                return Err(error);
            }
            self.wait_for(&mut told, &format!("the catalog: {}", error.message()));
            sleep(PAUSE).await;
        }
        Ok(())
    }

    fn wait_for(&self, told: &mut Told, what: &str) {
        if told.is_due() {
            tracing::info!(waits_for = what, "this node is not in the cluster yet");
        }
        self.standing.send_replace(Standing::Waiting(what.to_owned()));
    }

    /// Whether this node is the one that makes the cluster.
    ///
    /// # Errors
    /// Why another node refuses this one.
    async fn makes_cluster(&self) -> Result<bool> {
        let own = &self.transport.local().address;
        match self.settings.join.first() {
            Some(first) if first != own => return Ok(false),
            _ if !self.settings.roles.catalog => {
                let message = "the node that makes a cluster must have the role catalog";
                return Err(Error::new(ErrorCode::InvalidParameter, message)
                    .with_hint("give it that role; or name nodes of a cluster that it is to join"));
            }
            None => return Ok(true),
            Some(_) => {}
        }
        // Others may be in a cluster that has lost this node's folder.
        let end = Instant::now() + LOOK_AROUND;
        let mut others: Vec<&String> = self.settings.join.iter().filter(|address| *address != own).collect();
        while Instant::now() < end && !others.is_empty() {
            let mut silent = Vec::new();
            for address in others {
                match self.ask_seed(Seed::Address(address.clone())).await {
                    Ok(Reply::NoCluster) => {}
                    Ok(_) => return Ok(false),
                    Err(error) if is_passing(&error) => silent.push(address),
                    Err(error) => return Err(error),
                }
            }
            others = silent;
            if !others.is_empty() {
                sleep(PAUSE).await;
            }
        }
        Ok(true)
    }

    /// Asks around once.
    ///
    /// # Errors
    /// `Connection`, with what is waited for; others when the cluster refuses the node.
    async fn ask_to_join(&self) -> Result<()> {
        if self.is_leader() {
            return Ok(());
        }
        let mut last = None;
        for seed in self.seeds() {
            let mut answer = self.ask_seed(seed).await;
            if let Ok(Reply::Redirect { id, address }) = answer {
                answer = self.ask_seed(Seed::Known(Peer { id: NodeId(id), address })).await;
            }
            match answer {
                Ok(Reply::Joined(joined)) => return self.joined(*joined),
                Ok(Reply::NoCluster) => last = Some("a node that is in a cluster itself".to_owned()),
                Ok(Reply::Redirect { .. } | Reply::Done) => last = Some("a leader of the catalog".to_owned()),
                Err(error) if is_passing(&error) => last = Some(error.message().to_owned()),
                Err(error) => return Err(error),
            }
        }
        let last = last.unwrap_or_else(|| "a majority of the voters over the catalog".into());
        Err(Error::new(ErrorCode::Connection, last))
    }

    /// The leader first, then all that are or may be members.
    fn seeds(&self) -> Vec<Seed> {
        let own = &self.transport.local().address;
        let known = self.replica.peers().into_iter().filter_map(|peer| self.peer(NodeId(peer.id)));
        let leader = self.leader().filter(|leader| leader.id != self.id());
        let mut seeds: Vec<Seed> = leader.into_iter().chain(known).map(Seed::Known).collect();
        let addresses = self.settings.join.iter().filter(|address| *address != own);
        seeds.extend(addresses.cloned().map(Seed::Address));
        seeds
    }

    async fn ask_seed(&self, seed: Seed) -> Result<Reply> {
        let limit = self.settings.gossip.limit;
        let peer = match seed {
            Seed::Known(peer) => peer,
            Seed::Address(address) => {
                let dialled = timeout(limit, self.transport.dial(&address)).await;
                let id = dialled.unwrap_or_else(|_| {
                    Err(Error::new(
                        ErrorCode::Connection,
                        format!("{address} did not answer within {limit:?}"),
                    ))
                })?;
                Peer { id, address }
            }
        };
        if peer.id == self.id() {
            return Ok(Reply::NoCluster);
        }
        let join = Join {
            cluster_name: self.settings.cluster_name.clone(),
            cluster_id: self.state().identity.cluster.as_ref().map(|cluster| cluster.id),
            record: self.roster().local().clone(),
            warehouse: self.settings.warehouse.clone(),
        };
        // The leader commits it, which takes as long as that does.
        self.ask(&peer, &Request::Join(Box::new(join)), self.settings.replica.patience).await
    }

    fn joined(&self, joined: Joined) -> Result<()> {
        let now = Instant::now();
        {
            let mut roster = self.roster();
            joined.records.into_iter().for_each(|record| {
                roster.learn(record, now);
            });
        }
        let mut state = self.state();
        if state.identity.cluster.is_none() {
            tracing::info!(cluster = %joined.cluster, "this node has joined the cluster");
            state.identity.enter(joined.cluster)?;
        }
        drop(state);
        self.news.notify_one();
        Ok(())
    }
}

/// When what is waited for was said last.
struct Told(Option<Instant>);

impl Told {
    fn new() -> Self {
        Self(None)
    }

    fn is_due(&mut self) -> bool {
        let is_due = self.0.is_none_or(|at| at.elapsed() >= TOLD_EVERY);
        if is_due {
            self.0 = Some(Instant::now());
        }
        is_due
    }
}
