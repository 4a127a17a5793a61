//! What the tasks of a node's place in the cluster share.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use nyala_catalog::raft::Replica;
use nyala_exchange::{Members, Transport};
use nyala_schema::Error;
use nyala_schema::cluster::{NodeId, NodeInfo, Peer};
use rand::rngs::StdRng;
use tokio::runtime::Handle;
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use crate::cluster::Finish;
use crate::identity::Identity;
use crate::record::Record;
use crate::roster::Roster;
use crate::settings::ClusterSettings;
use crate::told::tell_states;

pub struct Core {
    pub transport: Arc<dyn Transport>,
    pub settings: ClusterSettings,
    pub replica: Replica,
    pub roster: Arc<Mutex<Roster>>,
    pub known: Arc<Known>,
    pub standing: watch::Sender<Standing>,
    /// Has the gossip go round now.
    pub news: Notify,
    /// Has the leader look at who votes.
    pub concerns: Notify,
    /// Has this node ask whether it is still a member.
    pub doubts: Notify,
    pub finish: OnceLock<Finish>,
    pub runtime: Handle,
    pub(crate) state: Mutex<State>,
    id: NodeId,
}

pub struct State {
    pub identity: Identity,
    pub random: StdRng,
    /// Nodes with which this one talks right now.
    pub busy: BTreeSet<NodeId>,
    /// When a node that is down was tried last.
    pub tried_away: Option<Instant>,
    /// Whose connection broke, and is being tried again.
    pub probed: BTreeSet<NodeId>,
    /// Members at the last look at the catalog's replicas.
    pub members: BTreeSet<u64>,
    /// Of this leader: whom it takes out.
    pub leaving: BTreeSet<NodeId>,
}

/// Whether the node is in.
#[derive(Debug, Clone)]
pub enum Standing {
    /// Not yet, or not known; what it waits for.
    Waiting(String),
    In,
    /// The cluster does not want it, or has removed it.
    Out(Error),
}

/// The nodes as others of this process see them.
pub struct Known {
    local: NodeId,
    nodes: watch::Sender<Arc<Vec<NodeInfo>>>,
}

impl Members for Known {
    fn nodes(&self) -> Arc<Vec<NodeInfo>> {
        Arc::clone(&self.nodes.borrow())
    }

    fn watch(&self) -> watch::Receiver<Arc<Vec<NodeInfo>>> {
        self.nodes.subscribe()
    }

    fn local(&self) -> NodeId {
        self.local
    }
}

impl Core {
    pub fn new(made: Made) -> Arc<Self> {
        let id = made.identity.id;
        let nodes = lock(&made.roster).look(Instant::now());
        let members = made.replica.status().addresses.into_keys().collect();
        let state = State {
            identity: made.identity,
            random: made.random,
            busy: BTreeSet::new(),
            tried_away: None,
            probed: BTreeSet::new(),
            members,
            leaving: BTreeSet::new(),
        };
        Arc::new(Self {
            transport: made.transport,
            settings: made.settings,
            replica: made.replica,
            roster: made.roster,
            known: Arc::new(Known { local: id, nodes: watch::Sender::new(Arc::new(nodes)) }),
            standing: watch::Sender::new(Standing::Waiting("the start".into())),
            news: Notify::new(),
            concerns: Notify::new(),
            doubts: Notify::new(),
            finish: OnceLock::new(),
            runtime: Handle::current(),
            state: Mutex::new(state),
            id,
        })
    }

    pub fn id(&self) -> NodeId {
        self.id
    }

    pub fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    pub fn roster(&self) -> MutexGuard<'_, Roster> {
        lock(&self.roster)
    }

    /// Where a node is, as it says, or as it was when it became a member.
    pub fn peer(&self, id: NodeId) -> Option<Peer> {
        if let Some(record) = self.roster().record(id) {
            return Some(record.peer());
        }
        let address = self.replica.status().addresses.remove(&id.0)?;
        Some(Peer { id, address })
    }

    pub fn leader(&self) -> Option<Peer> {
        self.leader_of_term().map(|(leader, _)| leader)
    }

    pub fn leader_of_term(&self) -> Option<(Peer, u64)> {
        let (leader, term) = self.replica.leader_of_term()?;
        let id = NodeId(leader.id);
        Some((self.peer(id).unwrap_or(Peer { id, address: leader.address }), term))
    }

    pub fn is_leader(&self) -> bool {
        self.replica.status().leader == Some(self.id.0)
    }

    /// Changes what this node says of itself, and has it known soon.
    pub fn say(&self, change: impl FnOnce(&mut Record)) {
        self.roster().change_local(change);
        self.publish();
        self.news.notify_one();
    }

    /// Shows what is known, if it has changed.
    pub fn publish(&self) {
        self.forget_removed();
        let nodes = Arc::new(self.roster().look(Instant::now()));
        let mut before = None;
        self.known.nodes.send_if_modified(|shown| {
            if *shown != nodes {
                before = Some(std::mem::replace(shown, Arc::clone(&nodes)));
            }
            before.is_some()
        });
        if let Some(before) = before {
            tell_states(&before, &nodes);
            self.concerns.notify_one();
        }
    }

    /// Who was a member of the catalog's replicas and is none any more has been removed. When that is this node, it asks the
    /// leader: what a replica knows may be taken back.
    fn forget_removed(&self) {
        let members: BTreeSet<u64> = self.replica.status().addresses.into_keys().collect();
        let mut state = self.state();
        if state.members == members {
            return;
        }
        let mut roster = self.roster();
        for id in state.members.difference(&members) {
            if *id == self.id.0 {
                self.doubts.notify_one();
            } else {
                roster.remove(NodeId(*id), Instant::now());
            }
        }
        members.iter().for_each(|id| roster.welcome(NodeId(*id)));
        drop(roster);
        state.members = members;
    }

    /// The node is in the cluster no more.
    pub fn put_out(&self, error: Error) {
        self.standing.send_if_modified(|standing| {
            let is_news = !matches!(standing, Standing::Out(_));
            if is_news {
                tracing::error!(%error, hint = error.hint(), "this node is not in the cluster");
                *standing = Standing::Out(error);
            }
            is_news
        });
    }
}

/// The parts of it that are made one after the other.
pub struct Made {
    pub identity: Identity,
    pub transport: Arc<dyn Transport>,
    pub settings: ClusterSettings,
    pub replica: Replica,
    pub roster: Arc<Mutex<Roster>>,
    pub random: StdRng,
}

pub fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

pub fn removed() -> Error {
    let message = "this node has been removed from the cluster";
    Error::new(nyala_schema::ErrorCode::InvalidParameter, message)
        .with_hint("give it an empty data folder: it then joins as a new node")
}
