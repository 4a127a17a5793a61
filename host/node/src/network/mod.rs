//! What ties the engine of a node to the other nodes.
//!
//! [`message`] is what the engines of nodes ask each other, [`ask`] asks all of them, and [`serve`] answers; [`query`] has the
//! coordinator run a session's queries.

mod ask;
pub mod message;
mod query;
pub mod serve;
mod strength;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use nyala_catalog::Waiter;
use nyala_cluster::Cluster;
use nyala_coordinator::Coordinator;
use nyala_exchange::{Exchange, Members, Transport};
use nyala_planner::Distribution;
use nyala_schema::cluster::{NodeInfo, NodeState};
use rand::Rng;
use rand::rngs::StdRng;
use tokio::runtime::Handle;

pub use message::FilesInUse;

pub struct Network {
    pub transport: Arc<dyn Transport>,
    pub members: Arc<dyn Members>,
    pub cluster: Arc<Cluster>,
    pub exchange: Arc<Exchange>,
    pub coordinator: Arc<Coordinator>,
    pub runtime: Handle,
    /// How threads of sessions wait for what the runtime does.
    pub waiter: Arc<dyn Waiter>,
    /// Of a simulation.
    pub random: Option<Mutex<StdRng>>,
}

impl Network {
    /// In a simulation, what follows from its seed: which node reads what depends on it.
    pub fn draw_id(&self) -> Option<u128> {
        let random = self.random.as_ref()?;
        Some(random.lock().unwrap_or_else(PoisonError::into_inner).r#gen())
    }

    /// Lets time pass on the thread of a session.
    pub fn sleep(&self, time: Duration) {
        self.waiter.wait(async move { tokio::time::sleep(time).await });
    }

    /// This node.
    pub fn local(&self) -> Option<NodeInfo> {
        self.members.node(self.members.local())
    }

    /// All other nodes, those that are down for a short time included.
    pub fn others(&self) -> Vec<NodeInfo> {
        let local = self.members.local();
        self.members.nodes().iter().filter(|node| node.peer.id != local).cloned().collect()
    }

    /// What queries may run on now.
    pub fn distribution(&self) -> Distribution {
        let all = self.members.nodes();
        let executes = |node: &&NodeInfo| node.roles.executor && node.state == NodeState::Active;
        let nodes: Vec<&NodeInfo> = all.iter().filter(executes).collect();
        let local = all.iter().find(|node| node.peer.id == self.members.local());
        Distribution { nodes: nodes.len().max(1), strength: strength::strength(&nodes, local) }
    }

    /// Ends the connections with all other nodes; they are made again when they are needed.
    pub fn drop_connections(&self) {
        self.others().iter().for_each(|node| self.transport.disconnect(node.peer.id));
    }
}
