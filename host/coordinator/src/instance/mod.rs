//! What coordinators, this node's own among them, have deployed here.
//!
//! Reading order: [`attempt`] is one attempt's instances ([`running`]) on this node, [`start`] how they are started,
//! [`correspondent`] how their coordinator is told of them. [`morsels`] and [`outbox`] are what instances ask and say;
//! [`departed`] remembers what has been ended.

pub(crate) mod attempt;
mod correspondent;
mod departed;
mod morsels;
mod outbox;
pub(crate) mod running;
pub(crate) mod start;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

use bytes::Bytes;
use nyala_exchange::{Exchange, Transport};
use nyala_executor::Executor;
use nyala_schema::cluster::{Attempt, NodeId};
use nyala_schema::deploy::{Report, ReportAnswer};
use nyala_schema::id::RuntimeFilterId;
use nyala_schema::{Error, ErrorCode};
use tokio::sync::{Notify, watch};

use crate::lock::lock;
use attempt::LocalAttempt;
use departed::Departed;

/// Attempts that are remembered after their end.
const DEPARTED_MAX: usize = 8192;

/// Takes reports of the instances of its queries.
pub(crate) trait Reported: Send + Sync {
    fn report(&self, from: NodeId, report: Report) -> ReportAnswer;
}

/// What instances run with.
pub(crate) struct InstanceParts {
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) exchange: Arc<Exchange>,
    pub(crate) executor: Arc<Executor>,
    pub(crate) runtime: tokio::runtime::Handle,
    /// Of this node itself: told without a message.
    pub(crate) coordinator: Weak<dyn Reported>,
    pub(crate) call_deadline: Duration,
    pub(crate) report_interval: Duration,
    pub(crate) coordinator_grace: Duration,
}

/// All instances on this node.
pub(crate) struct Instances {
    parts: InstanceParts,
    state: Mutex<State>,
    /// How many attempts there are.
    count: watch::Sender<usize>,
}

struct State {
    attempts: BTreeMap<Attempt, Entry>,
    departed: Departed,
    /// By the node of the coordinator: wakes who writes to it.
    correspondents: BTreeMap<NodeId, Correspondence>,
}

/// With one coordinator.
#[derive(Clone, Default)]
struct Correspondence {
    urgent: Arc<Notify>,
    /// Whether there is to be a report even when there is nothing to say.
    is_doubtful: Arc<AtomicBool>,
}

enum Entry {
    /// Being started, for a node of this incarnation.
    Starting {
        coordinator: NodeId,
        incarnation: u64,
    },
    Running(Arc<LocalAttempt>),
}

impl Entry {
    fn coordinator(&self) -> NodeId {
        match self {
            Self::Starting { coordinator, .. } => *coordinator,
            Self::Running(attempt) => attempt.coordinator.id,
        }
    }

    fn incarnation(&self) -> u64 {
        match self {
            Self::Starting { incarnation, .. } => *incarnation,
            Self::Running(attempt) => attempt.incarnation,
        }
    }
}

impl Instances {
    pub(crate) fn new(parts: InstanceParts) -> Arc<Self> {
        let state = State {
            attempts: BTreeMap::new(),
            departed: Departed::new(DEPARTED_MAX),
            correspondents: BTreeMap::new(),
        };
        Arc::new(Self { parts, state: Mutex::new(state), count: watch::Sender::new(0) })
    }

    /// Ends all of an attempt here, frees what it holds, and refuses what comes late for it.
    pub(crate) fn cancel(&self, attempt: Attempt, reason: &Error) {
        let entry = {
            let mut state = lock(&self.state);
            state.departed.add(attempt);
            let entry = state.attempts.remove(&attempt);
            self.count.send_replace(state.attempts.len());
            entry
        };
        if let Some(Entry::Running(running)) = entry {
            running.end(reason);
        }
        self.parts.exchange.release(attempt);
    }

    /// A coordinator is gone for good, or another run of it has taken its place: so are its attempts. `is_alive` says which
    /// incarnation still counts.
    pub(crate) fn coordinator_gone(&self, node: NodeId, is_alive: impl Fn(u64) -> bool) {
        let lost: Vec<Attempt> = {
            let state = lock(&self.state);
            let of_node = state.attempts.iter().filter(|(_, entry)| entry.coordinator() == node);
            let lost = of_node.filter(|(_, entry)| !is_alive(entry.incarnation()));
            lost.map(|(attempt, _)| *attempt).collect()
        };
        let reason = coordinator_lost(node);
        lost.into_iter().for_each(|attempt| self.cancel(attempt, &reason));
    }

    /// The connection with a node broke: if that was a coordinator's, it is asked whether it is still there.
    pub(crate) fn disconnected(&self, node: NodeId) {
        if let Some(correspondence) = lock(&self.state).correspondents.get(&node) {
            correspondence.is_doubtful.store(true, Relaxed);
            correspondence.urgent.notify_one();
        }
    }

    pub(crate) fn give_filter(&self, attempt: Attempt, filter: RuntimeFilterId, bytes: &Bytes) {
        let running = match lock(&self.state).attempts.get(&attempt) {
            Some(Entry::Running(running)) => running.clone(),
            _ => return,
        };
        for instance in running.instances() {
            if let Err(error) = instance.give_filter(filter, bytes) {
                tracing::warn!(%attempt, %filter, %error, "a runtime filter cannot be used");
            }
        }
    }

    /// How many attempts there are, now and from now on.
    pub(crate) fn count(&self) -> watch::Receiver<usize> {
        self.count.subscribe()
    }

    fn attempts_of(&self, coordinator: NodeId) -> Vec<Arc<LocalAttempt>> {
        let state = lock(&self.state);
        let running = state.attempts.values().filter_map(|entry| match entry {
            Entry::Running(running) if running.coordinator.id == coordinator => Some(running.clone()),
            _ => None,
        });
        running.collect()
    }

    fn attempt(&self, attempt: Attempt) -> Option<Arc<LocalAttempt>> {
        match lock(&self.state).attempts.get(&attempt) {
            Some(Entry::Running(running)) => Some(running.clone()),
            _ => None,
        }
    }
}

fn coordinator_lost(node: NodeId) -> Error {
    Error::new(ErrorCode::Connection, format!("the coordinator of the query, node {node}, is gone"))
        .with_hint("run the query again")
}
