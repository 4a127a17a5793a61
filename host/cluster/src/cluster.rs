//! A node's place in the cluster.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use nyala_catalog::catalog::Clock;
use nyala_catalog::raft::{Parts, Replica, ReplicaStore, Settings, Status};
use nyala_catalog::{Blobs, Snapshot};
use nyala_exchange::{Caller, Members, Service, Transport};
use nyala_schema::cluster::{NodeId, Peer};
use nyala_schema::guest::ModuleHash;
use nyala_schema::{Error, ErrorCode, Result};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use tokio::task::AbortHandle;
use tokio::time::{Instant, sleep};

use crate::admin::{decode, encode};
use crate::carrier::Carrier;
use crate::core::{Core, Made, Standing, lock};
use crate::gossip::go_round;
use crate::identity::{ClusterId, Identity};
use crate::joining::belong;
use crate::record::{Record, Word, role_names};
use crate::roster::Roster;
use crate::settings::ClusterSettings;
use crate::steward::look_after;
use crate::upgrade::UpgradeCheck;

/// What a node's place in the cluster is made of.
pub struct ClusterParts {
    /// Opened before the transport, which tells others of it.
    pub identity: Identity,
    /// Calls of other nodes may come before [`Cluster::start`] has returned; they are answered when it has.
    pub transport: Arc<dyn Transport>,
    pub store: Arc<dyn ReplicaStore>,
    pub blobs: Arc<dyn Blobs>,
    pub clock: Box<Clock>,
    pub settings: ClusterSettings,
    /// Where randomness comes from; otherwise from the machine.
    pub seed: Option<u64>,
}

/// What a node does before it leaves: given the time it has, ends when its work is done.
pub type Finish = Box<dyn Fn(Duration) -> BoxFuture<'static, ()> + Send + Sync>;

pub struct Cluster {
    core: Arc<Core>,
    tasks: Mutex<Vec<AbortHandle>>,
}

/// For people.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterStatus {
    pub cluster: Option<ClusterId>,
    /// Why the node is not a member yet, or not any more.
    pub waits_for: Option<String>,
    pub leader: Option<Peer>,
    pub replica: Status,
}

impl Cluster {
    /// Starts everything and returns at once; whether the node is in is told by [`ready`](Self::ready).
    ///
    /// # Errors
    /// `Store` when the store cannot be read; `InvalidParameter` for settings that do not go together.
    pub async fn start(parts: ClusterParts) -> Result<Arc<Self>> {
        let ClusterParts { identity, transport, store, blobs, clock, settings, seed } = parts;
        check(&settings)?;
        let mut random = seed.map_or_else(StdRng::from_entropy, StdRng::seed_from_u64);
        let own = first_record(&identity, &settings, &transport.local().address);
        let roster = Roster::new(own, settings.gossip.clone(), Instant::now());
        let roster = Arc::new(Mutex::new(roster));
        let carrier = Carrier { transport: Arc::clone(&transport), roster: Arc::clone(&roster) };
        let replica_settings = Settings { seed: Some(random.r#gen()), ..settings.replica.clone() };
        let replica = Replica::start(Parts {
            id: identity.id.0,
            store,
            network: Arc::new(carrier),
            blobs,
            clock,
            settings: replica_settings,
        });
        let replica = replica.await?;
        let core =
            Core::new(Made { identity, transport, settings, replica: replica.clone(), roster, random });
        let tasks = vec![
            tokio::spawn(go_round(Arc::clone(&core))).abort_handle(),
            tokio::spawn(look_after(Arc::clone(&core))).abort_handle(),
            tokio::spawn(belong(Arc::clone(&core))).abort_handle(),
            tokio::spawn(async move { replica.follow_blobs().await }).abort_handle(),
        ];
        Ok(Arc::new(Self { core, tasks: Mutex::new(tasks) }))
    }

    /// Returns when the node is a member of the cluster, has its catalog, and is shown as active.
    ///
    /// # Errors
    /// `InvalidParameter` when the cluster refuses the node: it must stop.
    pub async fn ready(&self) -> Result<()> {
        let mut standing = self.core.standing.subscribe();
        let standing = standing.wait_for(|standing| !matches!(standing, Standing::Waiting(_))).await;
        match standing.as_deref() {
            Ok(Standing::Out(error)) => Err(error.clone()),
            _ => Ok(()),
        }
    }

    /// Returns when the node is in the cluster no more, with why: removed, refused, or left.
    pub async fn out(&self) -> Error {
        let mut standing = self.core.standing.subscribe();
        let standing = standing.wait_for(|standing| matches!(standing, Standing::Out(_))).await;
        match standing.as_deref() {
            Ok(Standing::Out(error)) => error.clone(),
            _ => Error::internal("the cluster ended"),
        }
    }

    pub fn members(&self) -> Arc<dyn Members> {
        Arc::clone(&self.core.known) as Arc<dyn Members>
    }

    /// A voter or a learner: it has the catalog here.
    pub fn replica(&self) -> &Replica {
        &self.core.replica
    }

    /// Who leads the catalog, as far as this node knows.
    pub fn leader(&self) -> Option<Peer> {
        self.core.leader()
    }

    /// Who leads the catalog, with the term: whoever comes to lead again does so in a later one.
    pub fn leader_of_term(&self) -> Option<(Peer, u64)> {
        self.core.leader_of_term()
    }

    pub fn status(&self) -> ClusterStatus {
        let waits_for = match &*self.core.standing.borrow() {
            Standing::In => None,
            Standing::Waiting(what) => Some(what.clone()),
            Standing::Out(error) => Some(error.message().to_owned()),
        };
        ClusterStatus {
            cluster: self.core.state().identity.cluster.clone(),
            waits_for,
            leader: self.leader(),
            replica: self.replica().status(),
        }
    }

    /// A snapshot that has all that was committed before the call, anywhere.
    ///
    /// # Errors
    /// `Connection` when no leader with a majority could be asked.
    pub async fn read_latest(&self) -> Result<Arc<Snapshot>> {
        self.replica().linearizable_snapshot().await
    }

    /// Answers `CATALOG`, `GOSSIP` and `ADMIN`.
    ///
    /// # Errors
    /// `Connection` for what could be asked again, elsewhere or later; `InvalidParameter` for what is refused.
    pub async fn handle(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        let Caller::Node { id, .. } = from else {
            let message = "only nodes of the cluster may ask this";
            return Err(Error::new(ErrorCode::InvalidParameter, message));
        };
        match service {
            Service::CATALOG => self.replica().handle(&request).await.map(Bytes::from),
            Service::GOSSIP => self.core.hear_gossip(*id, &request),
            Service::ADMIN => encode(&self.core.answer(decode(&request)?).await?),
            Service(other) => Err(Error::internal(format!("service {other} is not one of the cluster's"))),
        }
    }

    /// The connection with a node is gone. May be called from any thread.
    pub fn disconnected(&self, node: NodeId) {
        self.core.disconnected(node);
    }

    /// Says what this node has to finish when it is drained; the first one counts.
    pub fn when_drained(&self, finish: Finish) {
        // A second one comes from nobody that would mind.
        let _ = self.core.finish.set(finish);
    }

    /// Takes no new work, waits for the old for at most `deadline`, and hands the lead of the catalog over. The node stays a
    /// member: it may be stopped, and started again.
    ///
    /// # Errors
    /// `Connection` when the lead could not be handed over.
    pub async fn drain(&self, deadline: Duration) -> Result<()> {
        self.core.drain(deadline).await
    }

    /// Has another node, or this one, drained.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that is not known; those of [`drain`](Self::drain).
    pub async fn drain_node(&self, node: NodeId, deadline: Duration) -> Result<()> {
        self.core.drain_node(node, deadline).await
    }

    /// Takes a node that is down out of the cluster for good.
    ///
    /// # Errors
    /// `InvalidParameter` when it is up; `UndefinedObject` when it is not known; `Connection` when there is no leader.
    pub async fn remove(&self, node: NodeId) -> Result<()> {
        self.core.remove(node).await
    }

    /// Takes this node out of the cluster for good: its vote goes to another one. Drain it first.
    ///
    /// # Errors
    /// `Connection` when there is no leader; `InvalidParameter` when it is the last voter.
    pub async fn leave(&self) -> Result<()> {
        self.core.leave().await
    }

    /// Whether all nodes understand each other, and which to restart next.
    pub fn upgrade_check(&self) -> UpgradeCheck {
        let status = self.replica().status();
        let voters: Vec<NodeId> = status.voters.into_iter().map(NodeId).collect();
        UpgradeCheck::new(&self.core.known.nodes(), &voters, status.leader.map(NodeId))
    }

    /// Gives up bytes of modules that nothing names any more, nor do `others`.
    ///
    /// # Errors
    /// `Store` when something could not be removed.
    pub fn collect_blobs(&self, others: impl IntoIterator<Item = ModuleHash>) -> Result<()> {
        self.replica().collect_blobs(others)
    }

    /// From now on gives up bytes of modules that nothing names any more from time to time; `in_use` says which ones queries
    /// still run.
    pub fn collect_with(&self, in_use: Box<dyn Fn() -> Vec<ModuleHash> + Send + Sync>) {
        let (replica, every) = (self.replica().clone(), self.core.settings.replica.blob_grace);
        let task = self.core.runtime.spawn(async move {
            loop {
                sleep(every).await;
                if let Err(error) = replica.collect_blobs(in_use()) {
                    tracing::warn!(%error, "modules that are not used any more could not be removed");
                }
            }
        });
        lock(&self.tasks).push(task.abort_handle());
    }

    /// Tells the others, and ends all of it.
    pub async fn stop(&self) {
        self.abort();
        self.core.end().await;
    }

    /// Ends the tasks, as a crash would; what the replica had said is on its disk.
    pub async fn crash(&self) {
        self.abort();
        self.replica().stop().await;
    }

    fn abort(&self) {
        lock(&self.tasks).drain(..).for_each(|task| task.abort());
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.abort();
    }
}

fn check(settings: &ClusterSettings) -> Result<()> {
    if !matches!(settings.voters, 1 | 3 | 5) {
        let message = format!("{} voters over the catalog", settings.voters);
        return Err(Error::new(ErrorCode::InvalidParameter, message).with_hint("have 1, 3 or 5"));
    }
    if settings.gossip.interval.is_zero() {
        let message = "the interval of gossip is zero";
        return Err(Error::new(ErrorCode::InvalidParameter, message).with_hint("500 ms is usual"));
    }
    Ok(())
}

fn first_record(identity: &Identity, settings: &ClusterSettings, address: &str) -> Record {
    Record {
        id: identity.id.0,
        incarnation: identity.incarnation,
        revision: 0,
        address: address.to_owned(),
        name: settings.name.clone(),
        state: Word::Joining,
        roles: role_names(settings.roles),
        cores: settings.cores,
        memory_bytes: settings.memory_bytes,
        version: settings.version.clone(),
        protocol_min: settings.protocol.min,
        protocol_max: settings.protocol.max,
        catalog_version: 0,
        http: settings.http.clone(),
        machine: settings.machine.clone(),
    }
}
