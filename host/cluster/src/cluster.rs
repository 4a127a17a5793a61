//! A node's place in the cluster.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use nyala_catalog::catalog::Clock;
use nyala_catalog::raft::{Replica, ReplicaStore};
use nyala_catalog::{Blobs, Snapshot};
use nyala_exchange::{Caller, Members, Service, Transport};
use nyala_schema::Result;
use nyala_schema::cluster::{NodeId, Peer};

use crate::identity::{ClusterId, Identity};
use crate::settings::ClusterSettings;
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

pub struct Cluster {}

/// For people.
#[derive(Debug, Clone, PartialEq)]
pub struct ClusterStatus {
    pub cluster: Option<ClusterId>,
    /// Why the node is not a member yet, or not any more.
    pub waits_for: Option<String>,
    pub leader: Option<Peer>,
    pub replica: nyala_catalog::raft::Status,
}

impl Cluster {
    /// Starts everything and returns at once; whether the node is in is told by [`ready`](Self::ready).
    ///
    /// # Errors
    /// `Store` when the store cannot be read; `InvalidParameter` for settings that do not go together.
    pub async fn start(parts: ClusterParts) -> Result<Arc<Self>> {
        let _ = parts;
        todo!()
    }

    /// Returns when the node is a member of the cluster, has its catalog, and is shown as active.
    ///
    /// # Errors
    /// `InvalidParameter` when the cluster refuses the node: it must stop.
    pub async fn ready(&self) -> Result<()> {
        todo!()
    }

    pub fn members(&self) -> Arc<dyn Members> {
        todo!()
    }

    /// A voter or a learner: it has the catalog here.
    pub fn replica(&self) -> &Replica {
        todo!()
    }

    /// Who leads the catalog, as far as this node knows.
    pub fn leader(&self) -> Option<Peer> {
        todo!()
    }

    pub fn status(&self) -> ClusterStatus {
        todo!()
    }

    /// A snapshot that has all that was committed before the call, anywhere.
    ///
    /// # Errors
    /// `Connection` when no leader with a majority could be asked.
    pub async fn read_latest(&self) -> Result<Arc<Snapshot>> {
        todo!()
    }

    /// Answers `CATALOG`, `GOSSIP` and `ADMIN`.
    ///
    /// # Errors
    /// `Connection` for what could be asked again, elsewhere or later; `InvalidParameter` for what is refused.
    pub async fn handle(&self, from: &Caller, service: Service, request: Bytes) -> Result<Bytes> {
        let _ = (from, service, request);
        todo!()
    }

    /// The connection with a node is gone.
    pub fn disconnected(&self, node: NodeId) {
        let _ = node;
        todo!()
    }

    /// Says what this node has to finish when it is drained.
    pub fn when_drained(&self, finish: Finish) {
        let _ = finish;
        todo!()
    }

    /// Takes no new work, waits for the old for at most `deadline`, and hands the lead of the catalog over. The node stays a
    /// member: it may be stopped, and started again.
    ///
    /// # Errors
    /// `Connection` when the lead could not be handed over.
    pub async fn drain(&self, deadline: Duration) -> Result<()> {
        let _ = deadline;
        todo!()
    }

    /// Has another node, or this one, drained.
    ///
    /// # Errors
    /// `UndefinedObject` for a node that is not known; those of [`drain`](Self::drain).
    pub async fn drain_node(&self, node: NodeId, deadline: Duration) -> Result<()> {
        let _ = (node, deadline);
        todo!()
    }

    /// Takes a node that is down out of the cluster for good.
    ///
    /// # Errors
    /// `InvalidParameter` when it is up; `UndefinedObject` when it is not known; `Connection` when there is no leader.
    pub async fn remove(&self, node: NodeId) -> Result<()> {
        let _ = node;
        todo!()
    }

    /// Takes this node out of the cluster for good: its vote goes to another one. Drain it first.
    ///
    /// # Errors
    /// `Connection` when there is no leader; `InvalidParameter` when it is the last voter.
    pub async fn leave(&self) -> Result<()> {
        todo!()
    }

    /// Whether all nodes understand each other, and which to restart next.
    pub fn upgrade_check(&self) -> UpgradeCheck {
        todo!()
    }

    /// Gives up bytes of modules that nothing names any more, nor do `others`.
    ///
    /// # Errors
    /// `Store` when something could not be removed.
    pub fn collect_blobs(
        &self,
        others: impl IntoIterator<Item = nyala_schema::guest::ModuleHash>,
    ) -> Result<()> {
        self.replica().collect_blobs(others)
    }

    /// Ends all of it.
    pub async fn stop(&self) {
        todo!()
    }
}
